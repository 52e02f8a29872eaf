"""Steps recorded as a CUDA graph: which steps are, and that a training with one is the training without.

There is no GPU here, so CUDA is played: while a step is recorded its work is undone at the end, for a recording does
none of it; a replay does the step.
"""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.models import make_model
from rdbench.runs.capture import WARM_UP
from rdbench.runs.training import Training

SMALL = {"precision": "float32", "width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "epochs": 3, "batch_size": 8}
TARGET = {"objective": "target-rate", "target_rate": 3.0, "anneal_epochs": 2}
STEPS = 15
"""Three epochs of five."""


class Cuda:
    """What of ``torch.cuda`` a recording needs; ``does`` says what was done, in order."""

    def __init__(self, training, monkeypatch):
        self.training = training
        self.does = []
        played = {"Stream": lambda: Stream(self), "current_stream": lambda: Stream(self), "graph": self.graph}
        for name, value in {**played, "stream": self.stream, "CUDAGraph": lambda: Graph(self)}.items():
            monkeypatch.setattr(torch.cuda, name, value)
        body = training.body
        step = type(body).__call__
        monkeypatch.setattr(type(body), "__call__", lambda body: (self.does.append("step"), step(body))[1])

    @contextmanager
    def stream(self, stream):
        self.does.append("aside")
        yield

    @contextmanager
    def graph(self, graph):
        self.does.append("record")
        body = self.training.body
        lasting = [*self.training.state().tensors.values(), body.clock, body.rate, *body.kept.values()]
        before, random = [tensor.clone() for tensor in lasting], torch.get_rng_state()
        try:
            yield
        finally:
            for tensor, value in zip(lasting, before, strict=True):
                tensor.detach().copy_(value)
            torch.set_rng_state(random)


class Stream:
    def __init__(self, cuda):
        self.cuda = cuda

    def wait_stream(self, other):
        self.cuda.does.append("wait")


class Graph:
    def __init__(self, cuda):
        self.cuda = cuda

    def replay(self):
        self.cuda.does.append("replay")
        self.cuda.training.body.update(*self.cuda.training.body.backward())


def begun(signs="---", **values):
    config = make_run({**SMALL, **parse_family(signs)._asdict(), **values})
    images = Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((40, 28, 28)) < 0.2))
    torch.manual_seed(0)
    return Training(make_model(config), images, images[:4], config)


def captured(training, monkeypatch):
    training.do_step = training.captured
    return Cuda(training, monkeypatch)


def numbers(training):
    parameters = [*training.model.parameters(), *training.trained.parameters()]
    weights = torch.cat([parameter.detach().flatten() for parameter in parameters])
    history = [str({**vars(epoch), "seconds": 0}) for epoch in training.history]  # text, since NaN is not itself
    return history, weights.tolist()


WARM = ["wait", "aside", "wait"]
"""A step on a stream of its own: it waits for all before, and all after waits for it."""


@pytest.mark.parametrize("values", [{}, TARGET, {"objective": "iwae", "train_samples": 2}, {"average": 0.9}], ids=str)
def test_a_training_by_a_graph_is_the_training_without(values, monkeypatch):
    plain, graphed = begun("+-v", **values), begun("+-v", **values)
    torch.manual_seed(1)
    plain.run()
    cuda = captured(graphed, monkeypatch)
    torch.manual_seed(1)
    graphed.run()
    assert numbers(graphed) == numbers(plain)
    assert cuda.does == WARM * WARM_UP + ["record", "step"] + ["replay"] * (STEPS - WARM_UP)


def test_a_training_that_goes_on_records_anew_and_has_the_same_numbers(monkeypatch):
    whole, first, second = begun(**TARGET), begun(**TARGET), begun(**TARGET)
    torch.manual_seed(1)
    whole.run()

    class StopError(Exception):
        pass

    def stop():
        if first.step == 7:
            raise StopError

    cuda = captured(first, monkeypatch)
    torch.manual_seed(1)
    with pytest.raises(StopError):
        first.run(after_step=stop)
    assert cuda.does.count("record") == 1
    cuda = captured(second, monkeypatch)
    second.restore(first.state())
    second.run()
    assert numbers(second) == numbers(whole)
    assert cuda.does.count("record") == 1 and cuda.does.count("replay") == STEPS - 7 - WARM_UP


def test_a_restored_training_forgets_its_graph(monkeypatch):
    """The graph would work on the optimiser's old tensors."""
    training = begun()
    captured(training, monkeypatch)
    training.run()
    assert training.captured.graph is not None
    training.restore(training.state())
    assert training.captured.graph is None and training.captured.warmed == 0


@pytest.mark.parametrize("part", ["objective", "encoder"])
def test_what_says_so_is_not_recorded(part, monkeypatch):
    training = begun()
    module = training.objective if part == "objective" else training.model.encoder
    module.graphable = False
    cuda = captured(training, monkeypatch)
    training.run()
    assert cuda.does == WARM * WARM_UP
    assert training.step == STEPS


def test_a_batch_in_parts_is_not_recorded(monkeypatch):
    """Memory is too small for more than five images, as the second step finds out."""
    training = begun()
    cuda = captured(training, monkeypatch)
    forward, calls, said = training.model.forward, [], []

    def small(images, *others):
        calls.append(len(images))
        if len(calls) > 1 and len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(images, *others)

    training.model.forward = small
    training.run(say=said.append)
    assert calls[:6] == [8, 8, 4, 4, 4, 4]  # each part once for its loss and once more for its gradient
    assert said == ["out of GPU memory: going on in parts of 4 images, for the same batch of 8"]
    assert cuda.does == WARM * WARM_UP and training.step == STEPS


def test_training_goes_on_without_a_graph_where_memory_is_too_small_for_one(monkeypatch):
    plain, training = begun(), begun()
    torch.manual_seed(1)
    plain.run()
    cuda, said = captured(training, monkeypatch), []

    @contextmanager
    def full(graph):
        cuda.does.append("record")
        yield
        raise torch.OutOfMemoryError("CUDA out of memory")

    def nothing(body):
        cuda.does.append("step")

    monkeypatch.setattr(torch.cuda, "graph", full)
    monkeypatch.setattr(type(training.body), "__call__", nothing)
    torch.manual_seed(1)
    training.run(say=said.append)
    assert said == ["out of GPU memory for the graph of a step: going on without one"]
    assert cuda.does == WARM * WARM_UP + ["record", "step"]
    assert numbers(training) == numbers(plain)
