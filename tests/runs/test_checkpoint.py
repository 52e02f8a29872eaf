"""Runs that are stopped, and go on."""

import errno

import numpy as np
import pytest
import torch

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import Dataset, pack
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.host import QuietHost, StoppedError
from rdbench.runs.run import execute
from rdbench.runs.state import State, UnreadableStateError, UnusableStateError
from rdbench.store.location import open_storage

SMALL = {"precision": "float32", "width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "epochs": 2, "batch_size": 8,
         "iwae": [1, 3], "rate_samples": 4, "generated_images": 5, "train_information": True}  # fmt: skip
TARGET = {"objective": "target-rate", "target_rate": 3.0}
IWAE = {"objective": "iwae", "train_samples": 2}
CLOCKS = {"created_at", "train_seconds", "eval_seconds", "images_per_second", "peak_memory_bytes", "seconds"}


class ImpatientHost(QuietHost):
    """Asks to stop after it was asked so many times whether to."""

    def __init__(self, patience):
        self.patience = patience
        self.said = []

    def stop_asked(self):
        self.patience -= 1
        return self.patience < 0

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def dataset():
    bits = pack(np.random.default_rng(0).random((40, 28, 28)) < 0.2)
    return Dataset("noise", bits[:24], bits[24:30], bits[30:])


@pytest.fixture
def checkpoint(tmp_path):
    storage = open_storage(tmp_path)
    storage.prepare("checkpoints")
    return Checkpoint(storage, "a-run")


def attempt(config, dataset, checkpoint, patience):
    """The record, or None if it was stopped; and what was said."""
    host = ImpatientHost(patience)
    torch.rand(17)  # what the process did before must not matter
    fresh = Checkpoint(checkpoint.storage, checkpoint.run_id)
    try:
        return execute(config, "test", dataset, torch.device("cpu"), host, fresh), host.said
    except StoppedError:
        return None, host.said


def assert_same(one, other):
    for part in ("row", "history", "examples", "weights"):
        ours, theirs = getattr(one, part), getattr(other, part)
        assert list(ours) == list(theirs)
        for name in set(ours) - CLOCKS:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=f"{part} {name}")


@pytest.mark.parametrize(
    ("signs", "values"),
    [
        ("---", {}),
        ("+-v", TARGET),
        ("-++", {"objective": "iwae", "train_samples": 2}),
        ("--+", {"precision": "bfloat16"}),
        ("vq-deconv-autoregressive", {"codes": 5, "epochs": 8}),
        ("vq2-deconv-autoregressive", {"codes": 5, "epochs": 8}),
        ("--v", {"average": 0.9, "schedule": "cosine", "warmup": 0.2}),
    ],
)
def test_a_run_stopped_again_and_again_has_the_numbers_of_one_that_was_not(signs, values, dataset, checkpoint):
    config = make_run(SMALL | values | parse_family(signs)._asdict())
    undisturbed = execute(config, "test", dataset, torch.device("cpu"))
    record, stops = None, 0
    while record is None:
        record, said = attempt(config, dataset, checkpoint, patience=1 + stops % 12)  # a piece may need as many
        stops += record is None
        assert len(said) == (stops > 1 or record is not None)
        assert stops < 100
    assert stops > 5
    assert_same(record, undisturbed)


def stopped_at(step, dataset, checkpoint, config):
    assert attempt(config, dataset, checkpoint, patience=step - 1)[0] is None


def test_a_damaged_state_is_named_and_the_one_before_is_gone_on_from(dataset, checkpoint):
    config = make_run(SMALL)
    undisturbed = execute(config, "test", dataset, torch.device("cpu"))
    stopped_at(2, dataset, checkpoint, config)
    stopped_at(1, dataset, checkpoint, config)
    path = checkpoint.storage.folder / checkpoint.names[1]  # the newer of the two
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    record, said = attempt(config, dataset, checkpoint, patience=1000)
    assert "unfinished-b" in said[0] and "does not match its checksum" in said[0]
    assert said[1:] == ["going on from step 2 of 6"]
    assert_same(record, undisturbed)


def test_a_run_without_a_whole_state_begins_anew_and_says_so(dataset, checkpoint):
    config = make_run(SMALL)
    undisturbed = execute(config, "test", dataset, torch.device("cpu"))
    stopped_at(2, dataset, checkpoint, config)
    path = checkpoint.storage.folder / checkpoint.names[0]
    path.write_bytes(path.read_bytes()[:1000])
    record, said = attempt(config, dataset, checkpoint, patience=1000)
    assert "unfinished-a" in said[0] and said[1:] == ["beginning anew"]
    assert_same(record, undisturbed)


def contents(checkpoint):
    return {name: checkpoint.storage.read(name) for name in checkpoint.storage.names("checkpoints")}


def refuses(config, dataset, checkpoint, why):
    """That the run ends with this reason, and what was kept is there as it was."""
    before = contents(checkpoint)
    with pytest.raises(UnusableStateError, match=why) as error:
        attempt(config, dataset, checkpoint, patience=1000)
    assert f"retry {checkpoint.run_id}" in str(error.value)
    assert contents(checkpoint) == before


def test_the_state_of_another_run_is_refused_and_stays(dataset, checkpoint):
    stopped_at(2, dataset, checkpoint, make_run(SMALL))
    other = Checkpoint(checkpoint.storage, "another-run")
    other.storage.write(other.names[0], checkpoint.storage.read(checkpoint.names[0]))
    refuses(make_run(SMALL), dataset, other, "it is of run a-run")


def test_a_state_that_does_not_fit_the_model_is_refused_and_stays(dataset, checkpoint):
    stopped_at(2, dataset, checkpoint, make_run(SMALL))
    refuses(make_run(SMALL | {"latent_dim": 5}), dataset, checkpoint, "does not fit this run .*size mismatch")


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ESTALE, "Stale file handle"),
        MemoryError("no memory"),
    ],
)
def test_a_state_that_cannot_be_read_now_is_kept_and_gone_on_from_later(dataset, checkpoint, monkeypatch, error):
    config = make_run(SMALL)
    undisturbed = execute(config, "test", dataset, torch.device("cpu"))
    stopped_at(2, dataset, checkpoint, config)
    with monkeypatch.context() as patch:
        patch.setattr(type(checkpoint.storage), "open", raising(error))
        with pytest.raises(UnusableStateError, match=error.args[-1]):
            attempt(config, dataset, checkpoint, patience=1000)
    record, said = attempt(config, dataset, checkpoint, patience=1000)
    assert said == ["going on from step 2 of 6"]
    assert_same(record, undisturbed)


def test_a_device_without_memory_for_a_state_leaves_it(dataset, checkpoint, monkeypatch):
    stopped_at(2, dataset, checkpoint, make_run(SMALL))
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", raising(full))
    refuses(make_run(SMALL), dataset, checkpoint, "CUDA out of memory")


def test_a_state_of_another_kind_of_device_is_refused_and_stays(dataset, checkpoint):
    stopped_at(2, dataset, checkpoint, make_run(SMALL))
    name = checkpoint.names[0]
    state = State.from_bytes(checkpoint.storage.read(name))
    assert state.facts["device"] == "cpu"
    checkpoint.storage.write(name, State(state.tensors, {**state.facts, "device": "cuda"}).to_bytes())
    refuses(make_run(SMALL), dataset, checkpoint, "saved on cuda, and this is cpu: use --device cuda")
    facts = {key: value for key, value in state.facts.items() if key != "device"}  # as states were before
    checkpoint.storage.write(name, State({**state.tensors, "random_cuda": torch.zeros(16)}, facts).to_bytes())
    refuses(make_run(SMALL), dataset, checkpoint, "saved on cuda, and this is cpu: use --device cuda")


def raising(error):
    def fail(*_):
        raise error

    return fail


def test_a_state_survives_its_file():
    state = State({"model.a": torch.arange(3), "b": torch.zeros(2, 0)}, {"step": 3, "loss": 0.1 + 0.2})
    again = State.from_bytes(state.to_bytes())
    assert again.facts == state.facts
    assert (again.part("model")["a"] == torch.arange(3)).all() and again.tensors["b"].shape == (2, 0)


@pytest.mark.parametrize("content", [b"", b"junk" * 9, b"\\x80\\x04.", (2**62).to_bytes(8, "little") + b"{}"])
def test_what_is_no_state_is_refused(content):
    with pytest.raises(UnreadableStateError):
        State.from_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda rates: rates[:1],
        lambda rates: rates.float(),
        lambda rates: rates[None],
        lambda rates: rates.reshape(2, 5),
    ],
    ids=["one for all", "single precision", "one row", "a table"],
)
def test_pieces_of_another_shape_are_not_broadcast_into_numbers(dataset, checkpoint, change):
    config = make_run(SMALL)
    patience, name = 1, "piece.test split/0.rate"
    while not (checkpoint.states().states and name in checkpoint.states().states[0].tensors):
        attempt(config, dataset, checkpoint, patience)
        patience += 1
    state = checkpoint.states().states[0]
    checkpoint.save(State({**state.tensors, name: change(state.tensors[name]).contiguous()}, state.facts))
    with pytest.raises(UnusableStateError, match="its piece test split/0 is of another evaluation"):
        attempt(config, dataset, checkpoint, 1000)


def test_a_run_goes_on_with_the_number_of_threads_that_it_began_with(dataset, checkpoint):
    """Whatever the process has; the row says the number. A state that names none goes on with that of the process."""
    config, before = make_run(SMALL | {"epochs": 1}), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        undisturbed = execute(config, "test", dataset, torch.device("cpu"))
        stopped_at(2, dataset, checkpoint, config)
        torch.set_num_threads(1)
        record, _ = attempt(config, dataset, checkpoint, patience=1000)
    finally:
        torch.set_num_threads(before)
    assert record.row["threads"] == 2
    assert_same(record, undisturbed)


@pytest.mark.parametrize("threads", [0, "2", 10**9, True])
def test_a_state_with_no_number_of_threads_is_refused(threads, dataset, checkpoint):
    config = make_run(SMALL)
    stopped_at(2, dataset, checkpoint, config)
    path = checkpoint.storage.folder / checkpoint.names[0]
    state = State.from_bytes(path.read_bytes())
    path.write_bytes(State(state.tensors, {**state.facts, "threads": threads}).to_bytes())
    with pytest.raises(UnusableStateError, match=r"found .* threads; expected a number up to 4096"):
        attempt(config, dataset, checkpoint, patience=1000)
