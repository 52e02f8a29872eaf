"""The contract that every encoder, decoder and marginal must keep, clause by clause."""

from collections.abc import Callable, Iterator, Sequence

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
    for name, mend, fault in CLAUSES:
        try:
            found = fault(state)
        except Exception as error:  # a plug-in's part may raise anything, which its clause reports
            found = f"raised {named(error)}"
        yield Check(f"contract: {name}" + (f"; it {found}" if found else ""), 1.0, float(not found), mend=mend)
        if found:
            return


class _State:
    """The results of earlier clauses, for later ones."""

    def __init__(self, family: Family, size: Size, images: Tensor) -> None:
        self.family, self.size, self.images = family, size, images
        self.targets = torch.arange(BATCH) % size.classes if size.classes else images
        self.model: VAE
        self.encoder: Distribution
        self.z: Tensor


def _builds(state: _State) -> str:
    state.model = build(state.family, state.size, TINY_SETTINGS)
    return ""


def _encodes(state: _State) -> str:
    state.encoder = state.model.encoder(state.images)
    if not isinstance(state.encoder, Distribution):
        return f"gave a {type(state.encoder).__name__}"
    return _other("batch_shape", state.encoder.batch_shape, (BATCH,))


def _draws(state: _State) -> str:
    draw = state.encoder.rsample if state.encoder.has_rsample else state.encoder.sample
    state.z = draw(torch.Size((SAMPLES,)))
    other = _other("shape", state.z.shape, (SAMPLES, BATCH, *state.encoder.event_shape))
    return other or ("" if state.z.isfinite().all() else "gave NaN or infinity")


def _scores(state: _State) -> str:
    return _no_density(state.encoder.log_prob(state.z))


def _decodes(state: _State) -> str:
    log_decoder = state.model.decoder(state.z).log_prob(state.targets)
    return _no_density(log_decoder) or ("gave more than 0" if (log_decoder > 0).any() else "")


def _marginal_scores(state: _State) -> str:
    return _no_density(state.model.marginal().log_prob(state.z))


def _generates(state: _State) -> str:
    z = state.model.marginal().sample(torch.Size((BATCH,)))
    drawn = state.model.decoder(z).sample()
    values = drawn[~torch.isin(drawn, torch.arange(state.size.classes or 2))]
    return _other("shape", drawn.shape, state.targets.shape) or (f"gave {values[0]:g}" if len(values) else "")


def _has_gradients(state: _State) -> str:
    terms = state.model(state.images, targets=state.targets)
    (terms.rate + terms.distortion).mean().backward()
    named_parameters = state.model.named_parameters()
    missing = [name for name, value in named_parameters if value.grad is None or not value.grad.abs().sum() > 0]
    return f"does not reach {', '.join(missing)}" if missing else ""


def _is_saved(state: _State) -> str:
    other = build(state.family, state.size, TINY_SETTINGS)
    other.load_state_dict(state.model.state_dict())
    pairs = zip(("log e", "log d", "log m"), _terms(state.model, state), _terms(other, state), strict=True)
    changed = [name for name, mine, theirs in pairs if not torch.equal(mine, theirs)]
    return f"gave another {', '.join(changed)}" if changed else ""


def _terms(model: VAE, state: _State) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    with torch.no_grad():
        return tuple(model(state.images, targets=state.targets)[:3])


def _other(what: str, found: Sequence[int], expected: Sequence[int]) -> str:
    return "" if tuple(found) == tuple(expected) else f"has {what} {tuple(found)}, expected {tuple(expected)}"


def _no_density(value: Tensor) -> str:
    other = _other("shape", value.shape, (SAMPLES, BATCH))
    if other or value.dtype != torch.float32:
        return other or f"is of {value.dtype}"
    return "" if value.isfinite().all() else "gave NaN or infinity"


CLAUSES: tuple[tuple[str, str, Callable[[_State], str]], ...] = (
    ("the parts can be made",
     "give them __init__(self, size), a marginal __init__(self, size, encoder), and an argument for each own setting",
     _builds),
    ("encoder(x) is a distribution with a batch of images",
     "take images of (N, size.image_side, size.image_side), return a distribution of batch_shape (N,)", _encodes),
    ("draws of z are (samples, N, …) and finite", "wrap the distribution of one z in Independent(…, 1)", _draws),
    ("log e(z|x) is (samples, N), float32 and finite",
     "sum over the dimensions of z: Independent(…, 1); give parameters in .float()", _scores),
    ("log d(x|z) is (samples, N), float32, at most 0",
     "let the encoder give, and the decoder take, z of (…, size.latent_dim); decode to images of (…, side, side): "
     "Independent(Bernoulli(…), 2), or to labels: Categorical", _decodes),
    ("log m(z) is (samples, N), float32 and finite", "return a distribution whose event is one z", _marginal_scores),
    ("what m(z) d(x|z) draws is images of 0 and 1, or classes",
     "let sample() of the decoder give zeros and ones, or labels from 0 on", _generates),
    ("a gradient reaches every parameter", "remove parameters that no term uses; draw z by rsample", _has_gradients),
    ("weights survive saving and loading", "keep what is learned in parameters and persistent buffers", _is_saved),
)  # fmt: skip
"""Each clause, how to mend a part that breaks it, and the function that says what breaks it."""
