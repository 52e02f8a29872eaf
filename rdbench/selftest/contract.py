"""The contract that every encoder, decoder and marginal must keep, clause by clause."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.distributions import Distribution

from rdbench.config.family import Family
from rdbench.errors import named
from rdbench.models import VAE, Size, build
from rdbench.selftest.check import Check

BATCH, SAMPLES = 6, 3
TINY_SETTINGS = {"codes": 3, "grid": 14}
"""Of parts that have these: few enough values of z for all of them to be summed over."""


def check_contract(family: Family, size: Size) -> Iterator[Check]:
    """Check the clauses of the contract in order, and stop after the first that breaks: later ones build on it."""
    torch.manual_seed(0)
    images = (torch.rand(BATCH, size.image_side, size.image_side) < 0.3).float()
    state = _State(family, size, images)
    for name, mend, holds in CLAUSES:
        found = ""
        try:
            kept = holds(state)
        except Exception as error:  # a plug-in's part may raise anything, which its clause reports
            kept, found = False, f" (raised {named(error)})"
        yield Check(f"contract: {name}{found}", 1.0, float(kept), mend=mend)
        if not kept:
            return


class _State:
    """The results of earlier clauses, for later ones."""

    def __init__(self, family: Family, size: Size, images: Tensor) -> None:
        self.family, self.size, self.images = family, size, images
        self.targets = torch.arange(BATCH) % size.classes if size.classes else images
        self.model: VAE
        self.encoder: Distribution
        self.z: Tensor


def _builds(state: _State) -> bool:
    state.model = build(state.family, state.size, TINY_SETTINGS)
    return all(hasattr(state.model, part) for part in state.family._fields)


def _encodes(state: _State) -> bool:
    state.encoder = state.model.encoder(state.images)
    return isinstance(state.encoder, Distribution) and state.encoder.batch_shape == (BATCH,)


def _draws(state: _State) -> bool:
    draw = state.encoder.rsample if state.encoder.has_rsample else state.encoder.sample
    state.z = draw(torch.Size((SAMPLES,)))
    return state.z.shape == (SAMPLES, BATCH, *state.encoder.event_shape) and bool(state.z.isfinite().all())


def _scores(state: _State) -> bool:
    return _is_density(state.encoder.log_prob(state.z))


def _decodes(state: _State) -> bool:
    log_decoder = state.model.decoder(state.z).log_prob(state.targets)
    return _is_density(log_decoder) and bool((log_decoder <= 0).all())


def _marginal_scores(state: _State) -> bool:
    return _is_density(state.model.marginal().log_prob(state.z))


def _generates(state: _State) -> bool:
    z = state.model.marginal().sample(torch.Size((BATCH,)))
    drawn = state.model.decoder(z).sample()
    return drawn.shape == state.targets.shape and bool(torch.isin(drawn, torch.arange(state.size.classes or 2)).all())


def _has_gradients(state: _State) -> bool:
    terms = state.model(state.images, targets=state.targets)
    (terms.rate + terms.distortion).mean().backward()
    return all(value.grad is not None and bool(value.grad.abs().sum() > 0) for value in state.model.parameters())


def _is_saved(state: _State) -> bool:
    other = build(state.family, state.size, TINY_SETTINGS)
    other.load_state_dict(state.model.state_dict())
    return all(
        torch.equal(mine, theirs) for mine, theirs in zip(_terms(state.model, state), _terms(other, state), strict=True)
    )


def _terms(model: VAE, state: _State) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    with torch.no_grad():
        return tuple(model(state.images, targets=state.targets)[:3])


def _is_density(value: Tensor) -> bool:
    return value.shape == (SAMPLES, BATCH) and value.dtype == torch.float32 and bool(value.isfinite().all())


CLAUSES: tuple[tuple[str, str, Callable[[_State], bool]], ...] = (
    ("the parts can be made", "give them __init__(self, size), a marginal __init__(self, size, encoder)", _builds),
    ("encoder(x) is a distribution with a batch of images", "return a distribution of batch_shape (N,)", _encodes),
    ("draws of z are (samples, N, …) and finite", "wrap the distribution of one z in Independent(…, 1)", _draws),
    ("log e(z|x) is (samples, N), float32 and finite", "sum over the dimensions of z: Independent(…, 1)", _scores),
    ("log d(x|z) is (samples, N), float32, at most 0",
     "take z of (…, latent_dim), give images of (…, side, side): Independent(Bernoulli(…), 2), or labels: Categorical",
     _decodes),
    ("log m(z) is (samples, N), float32 and finite", "return a distribution whose event is one z", _marginal_scores),
    ("what m(z) d(x|z) draws is images of 0 and 1, or classes",
     "let sample() of the decoder give zeros and ones, or labels from 0 on", _generates),
    ("a gradient reaches every parameter", "remove parameters that no term uses; draw z by rsample", _has_gradients),
    ("weights survive saving and loading", "keep what is learned in parameters and persistent buffers", _is_saved),
)  # fmt: skip
"""Each clause, how to mend a part that breaks it, and the function that checks it."""
