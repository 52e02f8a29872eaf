"""Sprites: noisy shapes whose distribution, and so whose entropy, is known."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rdbench.data.dataset import SIDE, Bits, Dataset, pack, unpack
from rdbench.data.labels import Labels

FLIP = 0.005
SIZES = (8, 10, 12, 14)
CORNERS = range(0, 16, 2)
SPLIT_SIZES = (10_000, 1_000, 2_000)
SEED = 20180

SHAPES: dict[str, Callable[[NDArray[Any], NDArray[Any], float], NDArray[np.bool_]]] = {
    # each a function of the distances to the two middle lines, and of half the side
    "square": lambda across, down, edge: np.maximum(across, down) <= edge,
    "frame": lambda across, down, edge: np.maximum(across, down) > edge - 2,
    "plus": lambda across, down, edge: np.minimum(across, down) < 1,
    "saltire": lambda across, down, edge: np.abs(across - down) < 1.1,
}


@cache
def templates() -> NDArray[np.bool_]:
    """The (1024, 784) noiseless images: 4 shapes × 4 sizes × 8 × 8 positions."""
    images = []
    for shape in SHAPES.values():
        for size in SIZES:
            edge = (size - 1) / 2
            distance = np.abs(np.arange(size) - edge)
            mask = shape(distance[None, :], distance[:, None], edge)
            for top in CORNERS:
                for left in CORNERS:
                    image = np.zeros((SIDE, SIDE), bool)
                    image[top : top + size, left : left + size] = mask
                    images.append(image.ravel())
    return np.array(images)


def load(folder: Path | None = None) -> Dataset:
    """10,000 / 1,000 / 2,000 images: a template drawn uniformly, each pixel flipped with probability 0.005.

    The label is the shape. All four have equally many templates, so H(Y) = log 4.
    """
    generator = np.random.Generator(np.random.PCG64(SEED))
    total = sum(SPLIT_SIZES)
    chosen = generator.integers(len(templates()), size=total)
    clean = templates()[chosen]
    bits = pack(clean ^ (generator.random(clean.shape) < FLIP))
    ends = np.cumsum(SPLIT_SIZES)[:-1]
    shapes = chosen * len(SHAPES) // len(templates())  # templates stand shape by shape
    splits = np.split(shapes.astype(np.uint8), ends)
    labels = Labels(*splits, classes=tuple(SHAPES), entropy=float(np.log(len(SHAPES))))
    return Dataset("sprites", *np.split(bits, ends), entropy=entropy(), log_prob=log_prob, label_sets={"shape": labels})


def log_prob(packed: Bits) -> NDArray[np.float64]:
    """log p*(x) = log 1/N Σₜ ε^d(x,t) (1−ε)^(784−d(x,t)), with d the Hamming distance to template t; nats, (N,)."""
    flips = hamming(unpack(packed).reshape(len(packed), -1), templates())
    log_likelihood = flips * np.log(FLIP) + (SIDE * SIDE - flips) * np.log1p(-FLIP)
    return logsumexp(log_likelihood, axis=1) - np.log(len(templates()))


def entropy() -> float:
    """H = log N + 784 h(ε) nats, exact to within ``entropy_error`` nats.

    With T the template, H(X) = H(T) + H(X|T) − H(T|X): log N, plus the entropy of 784 flips, less H(T|X), which is
    nearly 0.

    >>> round(entropy(), 9)
    31.611059508
    """
    flip_entropy = -(FLIP * np.log(FLIP) + (1 - FLIP) * np.log1p(-FLIP))
    return float(np.log(len(templates())) + SIDE * SIDE * flip_entropy)


def entropy_error() -> float:
    """An upper bound on H(T|X), and so on the error of ``entropy``, in nats.

    H(T|X) = E log Σₛ p(x|s)/p(x|t) ≤ E Σ_{s≠t} (p(x|s)/p(x|t))^½, for log(1 + Σa) ≤ Σ a^½; the mean of each root is the
    Bhattacharyya coefficient (2 (ε(1−ε))^½)^d(s,t).
    """
    coefficients = (2 * np.sqrt(FLIP * (1 - FLIP))) ** hamming(templates(), templates())
    np.fill_diagonal(coefficients, 0)
    return float(coefficients.sum(1).mean())


def hamming(images: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """The (N, M) numbers of pixels in which (N, P) and (M, P) bits differ; sums of small integers, hence exact."""
    left, right = images.astype(np.float32), others.astype(np.float32)
    return (left.sum(1)[:, None] + right.sum(1) - 2 * left @ right.T).astype(np.float64)
