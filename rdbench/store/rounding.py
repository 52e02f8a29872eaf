"""Weights in float16, at half the size."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

Weights = Mapping[str, NDArray[np.generic]]


def in_float16(weights: Weights) -> bytes:
    """A safetensors file of weights, whose float32 tensors are rounded to float16; one with larger numbers is not."""
    return save({name: _rounded(value) for name, value in weights.items()})


def _rounded(value: NDArray[np.generic]) -> NDArray[np.generic]:
    fits = value.dtype == np.float32 and np.abs(value).max(initial=0) <= np.finfo(np.float16).max
    return value.astype(np.float16) if fits else value


def in_float32(weights: Weights) -> dict[str, NDArray[np.generic]]:
    """Weights, with float16 tensors as float32."""
    return {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in weights.items()}
