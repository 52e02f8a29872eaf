"""Checks of the estimators on solved cases: linear-Gaussian models, the discrete toy, and sprites."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from rdbench.data import sprites, toy
from rdbench.measures.bounds import Measures, mean_and_error, measure
from rdbench.measures.exact import Tables, account
from rdbench.measures.information import generative_bounds, mutual_information
from rdbench.models import VAE
from rdbench.models.toy import DiscreteVAE
from rdbench.selftest.check import Check

IMAGES = 1000
GENERATED = 2000
K = 200
ROUNDING = 1e-4


def check_estimators() -> Iterator[Check]:
    """Check the estimators on every case, with the same numbers at every call."""
    torch.manual_seed(0)
    yield from _check_linear_gaussian()
    yield from _check_collapse()
    yield from _check_toy()
    yield from _check_sprites()


class _Fixed(nn.Module):
    """A marginal with a given distribution."""

    def __init__(self, distribution: Distribution) -> None:
        super().__init__()
        self.distribution = distribution

    def forward(self) -> Distribution:
        return self.distribution


class _Linear(nn.Module):
    """N(gain · input, spread²), dimension by dimension."""

    def __init__(self, gain: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.gain, self.spread = gain, spread

    def forward(self, value: Tensor) -> Distribution:
        return Independent(Normal(self.gain * value, self.spread), 1)


def _check_linear_gaussian() -> Iterator[Check]:
    """z ~ N(0, I), x ~ N(az, s²), dimension by dimension; the encoder is the posterior, with 1.3 times its spread."""
    gain, noise, stretch = torch.tensor([2.0, 0.5]), torch.tensor([0.5, 1.0]), 1.3
    evidence = gain**2 + noise**2
    spread = noise / evidence.sqrt()
    encoder = _Linear(gain / evidence, stretch * spread)
    marginal = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    model = VAE(encoder, _Linear(gain, noise), _Fixed(marginal))
    x = torch.randn(IMAGES, 2) * evidence.sqrt()
    found = measure(model, x, (1, K))
    log_evidence = _log_normal(x.numpy(), 0.0, evidence.sqrt().numpy()).sum(1)
    mean, variance = (encoder.gain * x).numpy(), encoder.spread.numpy() ** 2
    rate = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(1)
    residual = (x.numpy() - gain.numpy() * mean) ** 2 + gain.numpy() ** 2 * variance
    distortion = (0.5 * residual / noise.numpy() ** 2 + np.log(noise.numpy() * math.sqrt(2 * math.pi))).sum(1)
    posterior_gap = 2 * (0.5 * (stretch**2 - 1) - math.log(stretch))
    case = "linear-Gaussian: "
    yield from _paired(case, found, {"rate": rate, "distortion": distortion})
    yield _paired_check(f"{case}log p(x) − ELBO", log_evidence - found.elbo, posterior_gap)
    yield _paired_check(f"{case}log p(x) − IWAE-{K}", log_evidence - found.iwae[K], 0.0, tolerance=2 / K)
    information = 0.5 * float(np.log1p(encoder.gain.numpy() ** 2 * evidence.numpy() / variance).sum())
    yield Check(f"{case}I(X;Z)", information, *mean_and_error(mutual_information(model, x)), tolerance=5e-3)
    generative = generative_bounds(model, GENERATED, K)
    truth = 0.5 * float(torch.log1p(gain**2 / noise**2).sum())
    # under the model, log p(z|x) − log e(z|x) has a mean of KL(posterior ‖ encoder)
    below = 2 * (0.5 * (stretch**-2 - 1) + math.log(stretch))
    yield Check(f"{case}E", truth - below, generative["generative_e"], generative["generative_e_se"], ROUNDING)
    yield Check(f"{case}G", truth, generative["generative_g"], generative["generative_g_se"], tolerance=2 / K)


def _check_collapse() -> Iterator[Check]:
    """Encoders that ignore almost all of x: the estimate resolves an I(X;Z) near 0."""
    for gain in (0.0, 1e-3, 0.02):
        model = VAE(_Linear(torch.tensor(gain), torch.ones(2)), nn.Identity(), nn.Identity())
        estimate = mean_and_error(mutual_information(model, torch.randn(IMAGES, 2)))
        yield Check(f"collapsed, gain {gain:g}: I(X;Z)", math.log1p(gain**2), *estimate, tolerance=ROUNDING)


class _Discrete(Categorical):
    """A categorical distribution with an ``rsample``, which estimators call but need no gradient of."""

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        return self.sample(torch.Size(sample_shape))


class _Rows(nn.Module):
    """The distribution in a table's row for each input."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, given: Tensor) -> Distribution:
        return _Discrete(self.table[given])


@torch.no_grad()
def _check_toy() -> Iterator[Check]:
    """A toy model with random parameters: the estimators for images against its exact sums."""
    discrete = DiscreteVAE(torch.from_numpy(toy.density()), [0])
    for parameter in discrete.parameters():
        parameter.mul_(5)
    logarithms = [table[0] for table in discrete.log_tables()]
    encoder, decoder, marginal = (table.exp() for table in logarithms)
    tables = Tables(*(table.numpy() for table in logarithms))
    truth = account(tables)
    model = VAE(_Rows(encoder), _Rows(decoder), _Fixed(_Discrete(marginal)))
    x = Categorical(torch.from_numpy(toy.density())).sample((IMAGES,))
    found = measure(model, x, (1, K))
    yield from _paired("toy: ", found, {"rate": tables.rate()[x], "distortion": tables.distortion()[x]})
    likelihood = np.log(tables.generated())[x]
    yield _paired_check(f"toy: log p(x) − IWAE-{K}", likelihood - found.iwae[K], 0.0, tolerance=0.02)
    estimate = mean_and_error(mutual_information(model, x))
    yield Check("toy: I(X;Z)", truth["mutual_information"], *estimate, tolerance=0.01)
    generative = generative_bounds(model, GENERATED, K)
    for letter in ("e", "g", "s", "u"):
        name = f"generative_{letter}"
        error = generative[f"{name}_se"]
        yield Check(f"toy: {letter.upper()}", truth[name], generative[name], error, tolerance=0.02)


def _check_sprites() -> Iterator[Check]:
    """The mean of −log p*(x) over fresh draws is the entropy."""
    surprise = -sprites.log_prob(sprites.load().test)
    yield Check("sprites: −log p*(x)", sprites.entropy(), *mean_and_error(surprise), tolerance=sprites.entropy_error())


def _paired(case: str, found: Measures, truths: dict[str, np.ndarray]) -> Iterator[Check]:
    """Compare means over images with the true means over the same images, by the error of the difference."""
    for name, truth in truths.items():
        difference = getattr(found, name) - truth
        _, error = mean_and_error(difference)
        yield Check(f"{case}{name}", float(truth.mean()), float(getattr(found, name).mean()), error, ROUNDING)


def _paired_check(name: str, per_image: np.ndarray, truth: float, tolerance: float = ROUNDING) -> Check:
    return Check(name, truth, *mean_and_error(per_image), tolerance=tolerance)


def _log_normal(value: np.ndarray, mean: float, spread: np.ndarray) -> np.ndarray:
    return -0.5 * ((value - mean) / spread) ** 2 - np.log(spread * math.sqrt(2 * math.pi))
