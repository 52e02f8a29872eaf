"""The paper's convolutions from an image to features, which all its encoders share."""

from torch import nn

from rdbench.models.nn.gated import GatedConv
from rdbench.models.size import Size


def trunk(size: Size) -> tuple[nn.Sequential, int]:
    """Layers from (N, 1, side, side) images of −1 and 1 to (N, features), and how many features."""
    narrow, middle, wide = size.channels(32), size.channels(64), size.channels(256)
    layers = nn.Sequential(
        GatedConv(1, narrow, 5),
        GatedConv(narrow, narrow, 5, stride=2),
        GatedConv(narrow, middle, 5),
        GatedConv(middle, middle, 5, stride=2),
        GatedConv(middle, wide, size.image_side // 4, padding="valid"),
        nn.Flatten(),
    )
    return layers, wide
