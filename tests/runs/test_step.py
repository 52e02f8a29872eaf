"""One step of training: what a CUDA graph of it would record."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.models import make_model
from rdbench.runs.training import Training

SMALL = {"precision": "float32", "width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "epochs": 8, "batch_size": 16}
OBJECTIVES = [
    {},
    {"beta": 3.0, "anneal_epochs": 4},
    {"objective": "target-rate", "target_rate": 3.0, "anneal_epochs": 4},
    {"objective": "target-rate-penalty", "target_rate": 3.0, "anneal_epochs": 4},
    {"objective": "free-bits", "free_nats": 3.0},
    {"objective": "iwae", "train_samples": 2},
    {"average": 0.9, "schedule": "cosine", "warmup": 0.2},
]


def begun(signs, **values):
    config = make_run({**SMALL, **parse_family(signs)._asdict(), **values})
    images = Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((40, 28, 28)) < 0.2))
    torch.manual_seed(0)
    training = Training(make_model(config), images, images, config)
    training.body.unit_gradients.spread = True  # as on a GPU
    training._prepare_epoch()
    return training


class Recorded(TorchDispatchMode):
    """What a graph would bake in: operations, scalars, and of each tensor its place in memory, its shape and layout.

    What lived before is known by its address; what a step makes itself, by when it was first seen.
    """

    def __init__(self):
        super().__init__()
        self.calls = []
        self.seen = {}
        self.alive = []  # so that no address is used twice

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function.namespace == "profiler":
            return result
        self.alive += [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        self.calls.append((str(function), *map(self._noted, tree_leaves((args, kwargs, result)))))
        return result

    def _noted(self, leaf):
        if not isinstance(leaf, torch.Tensor):
            return repr(leaf)
        address = leaf.untyped_storage().data_ptr()
        return self.seen.setdefault(address, len(self.seen)), leaf.shape, leaf.stride(), leaf.dtype

    @classmethod
    def of(cls, body, lasting):
        recorded = cls()
        for tensor in lasting:
            recorded._noted(tensor)
        with recorded:
            body()
        return recorded.calls


def lasting(training):
    """All that outlives a step."""
    body = training.body
    tensors = [training.train_images.packed, body.clock, body.rate, body.rates, body.places, *body.kept.values()]
    tensors += [body.unit_gradients.owners, body.unit_gradients.buffer]
    return [*tensors, *training.state().tensors.values()]


CASES = [("+-v", values) for values in OBJECTIVES] + [(signs, OBJECTIVES[2]) for signs in ("---", "++-", "-++")]
CASES += [("vq-deconv-autoregressive", {"codes": 5})]


@pytest.mark.parametrize(("signs", "values"), CASES)
def test_two_steps_record_the_same(signs, values):
    training = begun(signs, **values)
    for _ in range(3):
        training.body()
    where = lasting(training)
    one, other = (Recorded.of(training.body, where) for _ in range(2))
    assert len(one) > 100
    for mine, theirs in zip(one, other, strict=True):
        assert mine == theirs


@pytest.mark.parametrize("fault", ["a number of the step", "another tensor"])
def test_what_changes_from_step_to_step_is_seen_in_the_record(fault, monkeypatch):
    training = begun("---")
    forward, steps = training.objective.forward, iter(range(100))

    def at_fault(terms, step):
        if fault == "another tensor":
            training.objective.beta = training.objective.beta.clone()
            return forward(terms, step)
        return forward(terms, step) * (1 + next(steps))

    monkeypatch.setattr(training.objective, "forward", at_fault)
    for _ in range(3):
        training.body()
    where = lasting(training)
    one, other = (Recorded.of(training.body, where) for _ in range(2))
    assert one != other


def test_a_step_has_the_batch_and_the_learning_rate_of_its_place():
    """By the plain reading of each epoch's shuffle, over three epochs of two steps; each leaves out eight images."""
    training, taken = begun("---", epochs=3), []
    forward = training.model.forward
    training.model.forward = lambda images, *others: (taken.append(images), forward(images, *others))[1]
    for step in range(6):
        if step % 2 == 0:
            training.step = step
            training._prepare_epoch()
        start = step % 2 * 16
        expected = training.train_images[training.body.order[start : start + 16]]
        training.body()
        assert (taken[-1] == expected).all()
        assert training.body.rate.item() == pytest.approx(3e-4 * min(1, 2 * (6 - step) / 6))
        assert training.body.clock.item() == step + 1
    assert tree_map(len, taken) == [16] * 6
