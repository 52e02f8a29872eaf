"""Encoders, decoders and marginals by name, and the models they make."""

from typing import Any

import torch

from rdbench.config.family import FAMILIES, Family
from rdbench.config.run_config import RunConfig
from rdbench.models.decoders import DeconvDecoder, PixelCNNDecoder
from rdbench.models.encoders import GaussianEncoder, IAFEncoder
from rdbench.models.marginals import GaussianMarginal, MAFMarginal, VampMarginal
from rdbench.models.size import Size
from rdbench.models.vae import VAE, Terms

__all__ = [
    "DECODERS",
    "ENCODERS",
    "MARGINALS",
    "VAE",
    "Size",
    "Terms",
    "build",
    "count_parameters",
    "make_model",
    "parameter_counts",
]

ENCODERS = {"gaussian": GaussianEncoder, "iaf": IAFEncoder}
DECODERS = {"deconv": DeconvDecoder, "pixelcnn": PixelCNNDecoder}
MARGINALS = {
    "gaussian": lambda size, encoder: GaussianMarginal(size),
    "maf": lambda size, encoder: MAFMarginal(size),
    "vamp": VampMarginal,
}


def build(family: Family, size: Size) -> VAE:
    """A model of that family, its weights drawn from torch's global generator."""
    encoder = ENCODERS[family.encoder](size)
    decoder = DECODERS[family.decoder](size)
    return VAE(encoder, decoder, MARGINALS[family.marginal](size, encoder))


def make_model(config: RunConfig) -> VAE:
    """The model that a run describes, its weights drawn from torch's global generator."""
    model = build(config.family, Size(config.width, config.latent_dim, config.pseudo_inputs))
    # the layout in which convolutions are fastest
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def count_parameters(module: torch.nn.Module) -> int:
    """The number of trainable numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def parameter_counts() -> list[dict[str, Any]]:
    """The twelve families at full width, each with its parts and their numbers of parameters."""
    rows = []
    with torch.device("meta"):  # shapes without memory
        for family in FAMILIES:
            model = build(family, Size())
            counts = {part: count_parameters(getattr(model, part)) for part in Family._fields}
            parameters = counts | {"total": count_parameters(model)}
            rows.append({"family": family.words, "signs": family.signs, **family._asdict(), "parameters": parameters})
    return rows
