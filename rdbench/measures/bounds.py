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
from rdbench.errors import UserError
from rdbench.models import VAE

IMAGES_AT_ONCE = 100
DECODED_DRAWS_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Draws of z for each image that are decoded at once, whatever k is. On a CPU they fit its caches; on a GPU they take
as much memory as training at batch 128."""

RATE_DRAWS_AT_ONCE = 8

Arrays = Mapping[str, NDArray[np.float64]]
Piece = Callable[[str, Mapping[str, int], Callable[[], Arrays]], Arrays]
"""Computes a piece of an evaluation, given its name and the length of each array; it may reuse an earlier result."""


@contextmanager
def measuring() -> Iterator[None]:
    """Switch off gradients, and TF32, in which a GPU would convolve with 10 bits of precision."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def at_once(name: str, lengths: Mapping[str, int], compute: Callable[[], Arrays]) -> Arrays:
    """Compute a piece, and reuse nothing."""
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
    """The mean over examples and its standard error s / N^½, NaN for a single example.

    >>> mean_and_error(np.array([0.0, 0.0, 0.0, 2.0]))
    (0.5, 0.5)
    """
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(error)


class StreamingIWAE:
    """IWAE-k from a stream of log-weights: the mean over groups of k draws of log 1/k Σ w; memory is constant in k.

    "Importance weighted autoencoders" (Burda et al., 2015, https://arxiv.org/abs/1509.00519).
    """

    def __init__(self, k: int, images: int) -> None:
        self.k = k
        self.drawn = 0
        self.group = torch.full((images,), -math.inf, dtype=torch.float64)
        self.total = torch.zeros(images, dtype=torch.float64)

    def update(self, log_weights: Tensor) -> None:
        """Add (samples, images) log-weights log d(x|z) + log m(z) − log e(z|x), in float64 on the CPU."""
        for log_weight in log_weights:
            self.group = torch.logaddexp(self.group, log_weight)
            self.drawn += 1
            if self.drawn % self.k == 0:
                self.total += self.group - math.log(self.k)
                self.group = torch.full_like(self.group, -math.inf)

    def value(self) -> Tensor:
        """The (images,) estimates from all complete groups so far, in nats."""
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
    """R, D and IWAE-k of every image of a split in nats, with float32 layers and float64 sums, in independent pieces.

    D is a mean over the largest k draws of z, at least one. R is KL(e(z|x) ‖ m(z)) in closed form where torch has one,
    else a mean over at least ``rate_samples`` draws. ``progress`` gets the images done and their total.

    Raises:
        UserError: a k of ``iwae`` is below 1.
    """
    if iwae and min(iwae) < 1:
        raise UserError(f"iwae: found k = {min(iwae)}; expected 1 or more draws of z")
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
    """Concatenate the arrays of several pieces."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure_in_parts(
    model: VAE,
    images: Tensor,
    targets: Tensor,
    iwae: Sequence[int],
    rate_samples: int,
    progress: Callable[[float], None],
) -> Arrays:
    """The arrays of a chunk; computed by halves if a GPU's memory is too small for the whole."""
    try:
        return _measure_chunk(model, images, targets, iwae, rate_samples, progress)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    halves = zip(images.tensor_split(2), targets.tensor_split(2), strict=True)  # here, where the first try is freed
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
    """KL(e ‖ m) exactly, or the mean over the draws so far and as many more as make up ``wanted``."""
    try:
        return _sums(kl_divergence(encoder, marginal))
    except NotImplementedError:  # torch raises it for a pair without a closed form
        for z in draws_of(encoder, wanted - drawn, RATE_DRAWS_AT_ONCE):
            drawn_rate = drawn_rate + _sums(encoder.log_prob(z) - marginal.log_prob(z)).sum(0)
        return drawn_rate / max(drawn, wanted)


def draws_of(encoder: Distribution, total: int, at_once: int) -> Iterator[Tensor]:
    """``total`` samples of z in pieces of at most ``at_once``."""
    for start in range(0, total, at_once):
        draw = encoder.rsample if encoder.has_rsample else encoder.sample  # rsample, unlike sample, passes a NaN on
        yield draw(torch.Size((min(at_once, total - start),)))


def _sums(log_density: Tensor) -> Tensor:
    return log_density.double().cpu()
