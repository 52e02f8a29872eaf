"""The marginal is trained on after encoder and decoder are frozen."""

import math

import numpy as np
import pytest
import torch

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.errors import UserError
from rdbench.models import make_model
from rdbench.runs.training import Training

SMALL = {"precision": "float32", "width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "epochs": 2, "batch_size": 16,
         "marginal_epochs": 2, "learning_rate": 3e-3}  # fmt: skip


def begun(signs, **values):
    config = make_run({**SMALL, **parse_family(signs)._asdict(), **values})
    images = Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((40, 28, 28)) < 0.2))
    torch.manual_seed(0)
    return Training(make_model(config), images, images, config)


def weights(training, part):
    return {name: value.clone() for name, value in getattr(training.model, part).state_dict().items()}


@pytest.mark.parametrize("signs", ["--+", "--v", "vq-deconv-autoregressive", "vq2-deconv-autoregressive"])
def test_only_the_marginal_changes_and_resuming_gives_the_same(signs):
    whole, again = begun(signs), begun(signs)
    seen = {}
    torch.manual_seed(1)

    def after_step():
        seen[whole.step] = {part: weights(whole, part) for part in ("encoder", "decoder", "marginal")}
        if whole.step == 5:
            seen["state"] = whole.state()
            seen["state"] = type(seen["state"])(
                {name: value.clone() for name, value in seen["state"].tensors.items()}, seen["state"].facts
            )

    whole.run(after_step=after_step)
    assert whole.step == 8 and [epoch.epoch for epoch in whole.history] == [1, 2, 3, 4]
    for part in ("encoder", "decoder"):
        assert all(torch.equal(value, seen[8][part][name]) for name, value in seen[4][part].items()), part
    assert any(not torch.equal(value, seen[8]["marginal"][name]) for name, value in seen[4]["marginal"].items())
    assert math.isnan(whole.history[-1].penalty) != signs.startswith("vq")
    again.restore(seen["state"])
    again.run()
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name


def test_a_fixed_marginal_has_no_second_stage():
    assert begun("---").steps == 4


@pytest.mark.parametrize("values", [{"average": 0.9}])
def test_an_average_does_not_go_with_it(values):
    with pytest.raises(UserError, match="marginal_epochs 2 does not go with an average of the weights"):
        make_run({**SMALL, **values})
