"""The device that a run computes on: its precision, its memory, and how far the host may run ahead of it."""

import resource
import sys
from collections import deque

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


def device_name(device: torch.device) -> str:
    """The name of a GPU, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory(device: torch.device) -> int:
    """The peak memory in bytes: on a GPU since the run began, on a CPU since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fast_precision(device: torch.device) -> str:
    """The fastest precision of layers in training: bfloat16 if the hardware multiplies it, else float32."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if supported else "float32"


class Pace:
    """Keeps the host at most ``AHEAD`` steps ahead of a GPU, so that it stops soon and measures time well."""

    AHEAD = 16

    def __init__(self, device: torch.device) -> None:
        self.on_gpu = device.type == "cuda"
        self.ends: deque[torch.cuda.Event] = deque()

    def __call__(self) -> None:
        """Call after queuing a step: wait for the step that was queued ``AHEAD`` steps before."""
        if not self.on_gpu:
            return
        self.ends.append(torch.cuda.Event(blocking=True))
        self.ends[-1].record()
        if len(self.ends) > self.AHEAD:
            self.ends.popleft().synchronize()

    def wait(self) -> None:
        """Wait for the end of every step."""
        while self.ends:
            self.ends.popleft().synchronize()
