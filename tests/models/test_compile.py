"""``torch.compile`` takes a whole model as one graph, as it is on a GPU."""

import pytest
import torch

from rdbench.config.family import FAMILIES
from rdbench.config.run_config import make_run
from rdbench.models import make_model
from rdbench.models.nn import gated

SMALL = {"width": 0.05, "latent_dim": 4, "pseudo_inputs": 3}


def cases():
    """All twelve take a minute; one that is quick stands for them where slow tests are left out."""
    return [pytest.param(f, id=f.words, marks=[] if f.signs == "+-v" else pytest.mark.slow) for f in FAMILIES]


@pytest.mark.parametrize("family", cases())
def test_a_family_compiles_as_one_graph_and_gives_the_same_terms(family, monkeypatch):
    """Traced and run by Python; by the layers that a GPU takes, where a CPU has others."""
    monkeypatch.setattr(gated, "in_phases", gated.by_padding)
    monkeypatch.setattr(gated, "VECTORISED_BYTES", 1)
    torch._dynamo.reset()
    model = make_model(make_run({**family._asdict(), **SMALL}), 8)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    images = (torch.rand(4, 8, 8) < 0.2).float()
    torch.manual_seed(1)
    plain = model(images, 2)
    torch.manual_seed(1)
    terms = compiled(images, 2)
    for one, other in zip(plain[:3], terms[:3], strict=True):
        torch.testing.assert_close(one, other)
    (terms.mean_rate + terms.mean_distortion).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
