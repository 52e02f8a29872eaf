"""The marker of a family: one shape for each pair of encoder and marginal."""

import hashlib

import numpy as np
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from rdbench.config.parts import OWN

Marker = str | tuple[int, int, int] | Path

PAPER: dict[tuple[str, str], Marker] = {
    ("gaussian", "gaussian"): "o",
    ("gaussian", "maf"): "D",
    ("gaussian", "vamp"): "v",
    ("iaf", "gaussian"): "s",
    ("iaf", "maf"): "P",
    ("iaf", "vamp"): "^",
    ("discrete", "discrete"): "D",
}

HALF_DISC = Path.wedge(0, 180).transformed(Affine2D().translate(0, -0.5))
BAR, HOURGLASS, SLANTED, CHEVRON, HOUSE, CORNER = (
    Path(np.array([*points, points[0]], float), closed=True)
    for points in (
        [(-1, -0.35), (1, -0.35), (1, 0.35), (-1, 0.35)],
        [(-0.8, -1), (0.8, -1), (-0.8, 1), (0.8, 1)],
        [(-1, -0.6), (0.3, -0.6), (1, 0.6), (-0.3, 0.6)],
        [(-1, -0.8), (0, 0), (1, -0.8), (1, 0), (0, 0.8), (-1, 0)],
        [(-0.6, -1), (0.6, -1), (0.6, 0), (0, 1), (-0.6, 0)],
        [(-1, -1), (1, -1), (1, -0.2), (-0.2, -0.2), (-0.2, 1), (-1, 1)],
    )
)


def _turned(path: Path, times: int) -> list[Path]:
    """The shape turned by 0°, 90°, and so on."""
    return [path.transformed(Affine2D().rotate_deg(90 * quarter)) for quarter in range(times)]


OTHERS: tuple[Marker, ...] = (
    "X", "*", "<", ">", "d", (4, 1, 0), *_turned(HALF_DISC, 4), *_turned(HOUSE, 4), *_turned(CORNER, 4),
    *_turned(HOURGLASS, 2), *_turned(BAR, 2), *_turned(SLANTED, 2), *_turned(CHEVRON, 2),
)  # fmt: skip
"""Shapes for pairs that are not the paper's; no two look alike."""

OTHER_PAIRS = [
    (encoder.name, marginal.name)
    for encoder in OWN
    for marginal in OWN
    if (encoder.kind, marginal.kind) == ("encoder", "marginal")
    and set(encoder.latent) & set(marginal.latent)
    and (encoder.name, marginal.name) not in PAPER
]
"""The pairs of rdbench's own parts that go together and are not the paper's."""


def marker_of(encoder: str, marginal: str) -> Marker:
    """The shape of a pair, the same in every figure. Pairs of rdbench's own parts differ as long as there are shapes.

    A pair with a plug-in's part takes one of these shapes by a hash of its names.
    """
    pair = (encoder, marginal)
    if pair in PAPER:
        return PAPER[pair]
    if pair in OTHER_PAIRS:
        return OTHERS[OTHER_PAIRS.index(pair) % len(OTHERS)]
    return OTHERS[place("-".join(pair), len(OTHERS))]


def place(name: str, places: int) -> int:
    """An index derived from a name, the same in every process."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % places
