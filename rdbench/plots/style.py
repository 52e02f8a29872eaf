"""What all figures share: fonts, sizes, and how a family looks."""

from typing import Any

from rdbench.family import Family

STYLE: dict[Any, Any] = {
    "figure.figsize": (6.4, 4.8),
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "rdbench",
    "figure.constrained_layout.use": True,
}

# Okabe and Ito's palette, which the colour-blind can tell apart, in an order whose greys differ
MARGINAL_COLOURS = {"gaussian": "#0072B2", "maf": "#E69F00", "vamp": "#CC79A7"}
DECODER_MARKERS = {
    ("gaussian", "deconv"): "o",
    ("iaf", "deconv"): "D",
    ("gaussian", "pixelcnn"): "^",
    ("iaf", "pixelcnn"): "v",
}


def look(family: Family) -> dict[str, Any]:
    """Marker and colours of a family: shape for the encoder and decoder, colour for the marginal."""
    colour = MARGINAL_COLOURS[family.marginal]
    return {
        "marker": DECODER_MARKERS[family.encoder, family.decoder],
        "markerfacecolor": colour if family.decoder == "pixelcnn" else "white",
        "markeredgecolor": colour,
        "color": colour,
    }
