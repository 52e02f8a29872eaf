"""What is made faster gives the numbers that it gave before."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rdbench.config.family import FAMILIES
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.measures.bounds import measure
from rdbench.models import make_model
from rdbench.runs.training import Training

RECORDED = json.loads((Path(__file__).parent / "numbers.json").read_text())
"""By the signs of a family, in nats: of the first plain version of the training loop, before anything was made fast."""


def numbers(family) -> dict[str, float]:
    """R, D and IWAE-3 after twelve steps in float32."""
    settings = {
        "precision": "float32",
        "width": 0.1,
        "latent_dim": 4,
        "pseudo_inputs": 5,
        "epochs": 3,
        "batch_size": 16,
    }
    config = make_run({**family._asdict(), **settings})
    images = Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((64, 28, 28)) < 0.2))
    torch.manual_seed(0)
    training = Training(make_model(config), images, images, config)
    training.run()
    return {name: float(value) for name, value in measure(training.model, images, [3], 8).summary().items()}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.words)
def test_each_family_has_the_numbers_of_the_plain_version(family):
    assert numbers(family) == pytest.approx(RECORDED[family.signs], rel=1e-4, abs=1e-3)
