"""From an image to features: the paper's convolutions, which all its encoders share, and one layer of patches."""

from torch import nn

from rdbench.models.nn.gated import GatedConv
from rdbench.models.size import Size


def trunk(size: Size) -> tuple[nn.Sequential, int]:
    """Layers from (N, 1, side, side) images of −1 and 1 to (N, features), and how many features."""
    layers, wide = trunk_to_grid(size, 1)
    return layers.append(nn.Flatten()), wide


def trunk_to_grid(size: Size, grid: int) -> tuple[nn.Sequential, int]:
    """Layers from (N, 1, side, side) images of −1 and 1 to (N, features, grid, grid), and how many features."""
    side, stride = last_side(size, grid)
    narrow, middle, wide = size.channels(32), size.channels(64), size.channels(256)
    layers = nn.Sequential(
        GatedConv(1, narrow, 5),
        GatedConv(narrow, narrow, 5, stride=2),
        GatedConv(narrow, middle, 5),
        GatedConv(middle, middle, 5, stride=stride),
        GatedConv(middle, wide, side - grid + 1, padding="valid"),
    )
    return layers, wide


def patches_on_grid(size: Size, grid: int) -> tuple[nn.Sequential, int]:
    """One gated layer from (N, 1, side, side) images to (N, features, grid, grid), each place from pixels of its own.

    Where the grid does not divide the side, patches of neighbours overlap.
    """
    stride, wide = size.image_side // grid, size.channels(256)
    return nn.Sequential(GatedConv(1, wide, size.image_side - stride * (grid - 1), stride, padding="valid")), wide


def last_side(size: Size, grid: int) -> tuple[int, int]:
    """The side of the smallest maps from which a valid convolution leads to a grid, and the stride that leads to them.

    >>> last_side(Size(), 7), last_side(Size(), 14)
    ((7, 2), (14, 1))
    """
    quarter = size.image_side // 4
    return (quarter, 2) if grid <= quarter else (2 * quarter, 1)
