"""Where a run computes: the device, its fastest precision, its memory."""

import resource
import sys

import torch

from rdbench.errors import UserError, one_of
from rdbench.runs.host import DEVICES


def pick_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.

    Raises:
        UserError: there is no such device here.
    """
    available = torch.cuda.is_available()
    one_of("--device", name, DEVICES)
    if name == "cuda" and not available:
        raise UserError("--device cuda: this torch sees no CUDA device; use --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def peak_memory(device: torch.device) -> int:
    """The most bytes held so far: on the GPU since the run began, on a CPU by the process since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fast_precision(device: torch.device) -> str:
    """The precision of layers in training that is fastest: bfloat16 where the hardware multiplies it, else float32."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if supported else "float32"
