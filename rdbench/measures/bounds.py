"""Rate, distortion, ELBO and IWAE-k of a model on a split, image by image."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from rdbench.data.images import Images
from rdbench.models import VAE

IMAGES_AT_ONCE = 100
DECODED_DRAWS_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Draws of z for each image that are decoded at once, whatever k is: on a CPU as many as its caches hold, on a GPU as
many as take the memory that training takes at batch 128."""

RATE_DRAWS_AT_ONCE = 8

Arrays = Mapping[str, NDArray[np.float64]]
Piece = Callable[[str, Mapping[str, int], Callable[[], Arrays]], Arrays]
"""Gives the arrays that a piece of an evaluation computes, by its name, each array of a length known beforehand.

It may remember them from an earlier try.
"""


@contextmanager
def measuring() -> Iterator[None]:
    """No gradients, and float32 as it is: left to itself, a GPU rounds what it convolves to the 10 bits of TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def at_once(name: str, lengths: Mapping[str, int], compute: Callable[[], Arrays]) -> Arrays:
    """A piece that remembers nothing."""
    return compute()


@dataclass(frozen=True)
class Measures:
    """Per-image numbers of a split, each (N,), in nats: ``rate``, ``distortion``, and ``iwae`` by k."""

    rate: NDArray[np.float64]
    distortion: NDArray[np.float64]
    iwae: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def elbo(self) -> NDArray[np.float64]:
        """−(R + D) of each image."""
        return -(self.rate + self.distortion)

    def summary(self) -> dict[str, float]:
        """The mean of each measure over images, and its standard error under ``<name>_se``; −ELBO is R + D exactly."""
        values = {"rate": self.rate, "distortion": self.distortion, "elbo": self.elbo}
        values |= {f"iwae_{k}": bound for k, bound in self.iwae.items()}
        row = {}
        for name, per_image in values.items():
            row[name], row[f"{name}_se"] = mean_and_error(per_image)
        return row | {"elbo": -(row["rate"] + row["distortion"])}


def mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """The mean over examples and its standard error s / N^½; the error of one example is NaN.

    >>> mean_and_error(np.array([0.0, 0.0, 0.0, 2.0]))
    (0.5, 0.5)
    """
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(error)


class StreamingIWAE:
    """IWAE-k from a stream of log-weights: the mean over groups of k of log 1/k Σ w, in memory that k does not change.

    "Importance weighted autoencoders" (Burda et al., 2015, https://arxiv.org/abs/1509.00519).
    """

    def __init__(self, k: int, images: int) -> None:
        self.k = k
        self.drawn = 0
        self.group = torch.full((images,), -math.inf, dtype=torch.float64)
        self.total = torch.zeros(images, dtype=torch.float64)

    def update(self, log_weights: Tensor) -> None:
        """Take (samples, images) more log-weights log d(x|z) + log m(z) − log e(z|x), in float64 on the CPU."""
        for log_weight in log_weights:
            self.group = torch.logaddexp(self.group, log_weight)
            self.drawn += 1
            if self.drawn % self.k == 0:
                self.total += self.group - math.log(self.k)
                self.group = torch.full_like(self.group, -math.inf)

    def value(self) -> Tensor:
        """The (images,) estimates from all whole groups so far."""
        return self.total / (self.drawn // self.k)


@measuring()
def measure(
    model: VAE,
    images: Images | Tensor,
    iwae: Sequence[int] = (),
    rate_samples: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    piece: Piece = at_once,
) -> Measures:
    """Measure every image of a split, in float32 layers and float64 sums, in pieces that do not depend on each other.

    The distortion is a mean over max(k, 1) draws of z. The rate is KL(e(z|x) ‖ m(z)) in closed form where torch has
    one, and else a mean over max(``rate_samples``, k) draws, which need no decoder. ``progress`` is told of images.
    """
    chunks = []
    for start in range(0, len(images), IMAGES_AT_ONCE):
        count = min(IMAGES_AT_ONCE, len(images) - start)

        def compute(start: int = start, count: int = count) -> Arrays:
            def drawn(part: float) -> None:
                progress(start + int(part * count), len(images))

            part = slice(start, start + count)
            chosen = images[part]
            labels = images.labels if isinstance(images, Images) else None
            targets = chosen if labels is None else labels[part]
            return _measure_in_parts(model, chosen, targets, iwae, rate_samples, drawn)

        names = ["rate", "distortion", *(f"iwae_{k}" for k in iwae)]
        chunks.append(piece(str(start), dict.fromkeys(names, count), compute))
    whole = joined(chunks)
    return Measures(whole["rate"], whole["distortion"], {k: whole[f"iwae_{k}"] for k in iwae})


def joined(parts: Sequence[Arrays]) -> Arrays:
    """The arrays of several pieces as those of one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure_in_parts(
    model: VAE,
    images: Tensor,
    targets: Tensor,
    iwae: Sequence[int],
    rate_samples: int,
    progress: Callable[[float], None],
) -> Arrays:
    """The arrays of a chunk, or of its halves where a GPU's memory is too small for all of it."""
    try:
        return _measure_chunk(model, images, targets, iwae, rate_samples, progress)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    halves = zip(images.tensor_split(2), targets.tensor_split(2), strict=True)  # here, where the first try's is free
    return joined([_measure_in_parts(model, *half, iwae, rate_samples, progress) for half in halves])


def _measure_chunk(
    model: VAE,
    images: Tensor,
    targets: Tensor,
    iwae: Sequence[int],
    rate_samples: int,
    progress: Callable[[float], None],
) -> Arrays:
    encoder, marginal = model.encoder(images), model.marginal()
    decoded = max(iwae, default=1)
    bounds = {k: StreamingIWAE(k, len(images)) for k in iwae}
    rate = torch.zeros(len(images), dtype=torch.float64)
    distortion = torch.zeros(len(images), dtype=torch.float64)
    drawn = 0
    for z in draws_of(encoder, decoded, DECODED_DRAWS_AT_ONCE[images.device.type]):
        drawn += len(z)
        log_ratio = _sums(encoder.log_prob(z) - marginal.log_prob(z))
        log_decoder = _sums(model.decoder(z).log_prob(targets))
        rate += log_ratio.sum(0)
        distortion -= log_decoder.sum(0)
        for bound in bounds.values():
            bound.update(log_decoder - log_ratio)
        progress(drawn / decoded)
    values = {"rate": _rate(encoder, marginal, rate, decoded, rate_samples), "distortion": distortion / decoded}
    values |= {f"iwae_{k}": bound.value() for k, bound in bounds.items()}
    return {name: value.numpy() for name, value in values.items()}


def _rate(encoder: Distribution, marginal: Distribution, drawn_rate: Tensor, drawn: int, wanted: int) -> Tensor:
    """KL(e ‖ m) exactly, or the mean of what was drawn and of as many draws more as are wanted."""
    try:
        return _sums(kl_divergence(encoder, marginal))
    except NotImplementedError:  # torch's answer for a pair without a closed form
        for z in draws_of(encoder, wanted - drawn, RATE_DRAWS_AT_ONCE):
            drawn_rate = drawn_rate + _sums(encoder.log_prob(z) - marginal.log_prob(z)).sum(0)
        return drawn_rate / max(drawn, wanted)


def draws_of(encoder: Distribution, total: int, at_once: int) -> Iterator[Tensor]:
    """``total`` samples of z in pieces of at most ``at_once``."""
    for start in range(0, total, at_once):
        draw = encoder.rsample if encoder.has_rsample else encoder.sample  # unlike sample, rsample passes a NaN on
        yield draw(torch.Size((min(at_once, total - start),)))


def _sums(log_density: Tensor) -> Tensor:
    return log_density.double().cpu()
