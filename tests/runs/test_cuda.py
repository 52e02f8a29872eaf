"""What only a CUDA device can show: ``pytest -m cuda``. It is skipped, with the reason, where there is none."""

import numpy as np
import pytest
import torch

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.models import make_model
from rdbench.runs.training import Training

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here: nothing of it is shown"),
]

SMALL = {"precision": "float32", "width": 0.1, "latent_dim": 4, "pseudo_inputs": 3, "epochs": 3, "batch_size": 8}


def begun(signs, graph=True):
    config = make_run({**SMALL, **parse_family(signs)._asdict()})
    images = Images.on(torch.device("cuda"), pack(np.random.default_rng(0).random((80, 28, 28)) < 0.2))
    torch.manual_seed(0)
    training = Training(make_model(config).cuda(), images, images, config)
    if not graph:
        training.do_step = training.eager
    torch.manual_seed(1)
    return training


def weights(training):
    return torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()]).cpu()


@pytest.mark.parametrize("signs", ["---", "+-v", "-++"])
def test_a_graph_gives_the_weights_of_eager_steps(signs):
    graph, eager = begun(signs), begun(signs, graph=False)
    torch.manual_seed(1)
    graph.run()
    torch.manual_seed(1)
    eager.run()
    assert graph.captured.graph is not None and eager.captured.graph is None
    torch.testing.assert_close(weights(graph), weights(eager), rtol=1e-3, atol=1e-4)


def test_no_step_waits_for_the_device():
    training = begun("-++", graph=False)
    training._prepare_epoch()
    training.body()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.body()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_training_that_goes_on_has_the_weights_of_one_that_did_not_stop():
    class StopError(Exception):
        pass

    whole, first, second = begun("---"), begun("---"), begun("---")
    torch.manual_seed(1)
    whole.run()

    def stop():
        if first.step == 17:
            raise StopError

    torch.manual_seed(1)
    with pytest.raises(StopError):
        first.run(after_step=stop)
    second.restore(first.state())
    second.run()
    torch.testing.assert_close(weights(second), weights(whole), rtol=1e-3, atol=1e-4)
