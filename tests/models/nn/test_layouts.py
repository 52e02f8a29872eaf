"""Convolutions see channels last, in which they are fastest: maps, kernels, and the gradients that come back."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.models import make_model
from rdbench.models.nn import gated

CONVOLUTIONS = {torch.ops.aten.convolution.default: 2, torch.ops.aten.convolution_backward.default: 3}
"""Each with how many of its arguments are maps or kernels."""


class Layouts(TorchDispatchMode):
    """Counts convolutions, and notes those that are given a tensor of another layout."""

    def __init__(self):
        super().__init__()
        self.seen = 0
        self.turned = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in CONVOLUTIONS:
            self.seen += 1
            given = args[: CONVOLUTIONS[function]]
            if not all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in given):
                self.turned.append((str(function), [(tensor.shape, tensor.stride()) for tensor in given]))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("signs", ["--v", "-+-", "++v"])
def test_no_convolution_of_a_gpu_is_given_another_layout(signs, monkeypatch):
    monkeypatch.setattr(gated, "in_phases", gated.by_padding)
    monkeypatch.setattr(gated, "VECTORISED_BYTES", 1)
    config = make_run({**parse_family(signs)._asdict(), "width": 0.1, "latent_dim": 4, "pseudo_inputs": 3})
    model = make_model(config)
    with Layouts() as layouts:
        terms = model((torch.rand(4, 28, 28) < 0.2).float())
        (terms.mean_distortion + terms.mean_rate).backward()
    assert layouts.seen > 20
    assert not layouts.turned
