"""Encoders, decoders and marginals by name, and the models they make."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from rdbench.config.family import FAMILIES, Family
from rdbench.config.parts import Kind, find, settings_of
from rdbench.config.plugins import make
from rdbench.config.run_config import RunConfig
from rdbench.models.quantised import OfCodes
from rdbench.models.size import Size
from rdbench.models.terms import Terms
from rdbench.models.vae import VAE

__all__ = [
    "VAE",
    "Size",
    "Terms",
    "build",
    "count_parameters",
    "make_model",
    "parameter_counts",
]


def build(family: Family, size: Size, settings: Mapping[str, Any] | None = None) -> VAE:
    """Build a model of that family, with weights from torch's global generator; ``settings`` are its parts' own.

    Encoders and decoders are made from (size, own settings), marginals from (size, encoder, own settings).
    """
    given = settings or {}

    def part(kind: Kind, *arguments: Any) -> Any:
        name = getattr(family, kind)
        own = {key: given.get(key, setting.default) for key, setting in settings_of([find(kind, name)]).items()}
        return make(kind, name)(*arguments, **own)

    encoder = part("encoder", size)
    flat = getattr(encoder, "latent_size", size.latent_dim)  # z as the decoder sees it
    decoder = part("decoder", replace(size, latent_dim=flat, grid=getattr(encoder, "grid", 1)))
    if hasattr(encoder, "embed"):
        decoder = OfCodes(encoder, decoder)
    return VAE(encoder, decoder, part("marginal", size, encoder))


def make_model(config: RunConfig, image_side: int = Size.image_side, classes: int = 0) -> VAE:
    """Build the model that a run describes, for images of that side; ``classes`` is 0 unless it explains labels.

    Its weights are drawn from torch's global generator.
    """
    size = Size(config.width, config.latent_dim, config.pseudo_inputs, image_side, classes)
    model = build(config.family, size, config.settings)
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
