"""The networks of the flow in iaf encoders and maf marginals."""

from torch import nn

from rdbench.models.nn.made import MADE
from rdbench.models.size import Size

FLOW_STEPS = 4


def alternating_mades(size: Size) -> nn.ModuleList:
    """The networks of 4 steps; each step reverses the order of dimensions of the one before."""
    hidden = size.channels(640)
    return nn.ModuleList(MADE(size.latent_dim, hidden, backward=step % 2 == 1) for step in range(FLOW_STEPS))
