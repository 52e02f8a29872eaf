"""Weights and states from strangers: none makes a model that it does not fit, or ends in a traceback."""

import json
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hostile import SHA256, SMALL, one_line, put, row
from safetensors.numpy import save as save_weights

from rdbench.config.run_config import make_run
from rdbench.data import load
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.errors import UserError
from rdbench.models import make_model
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import peak_memory
from rdbench.runs.host import StoppedError
from rdbench.runs.state import State, UnreadableStateError, _digest
from rdbench.runs.trained import load_model
from rdbench.runs.training import Epoch, Training


def tensors(entries, body=b"", size=None):
    """A safetensors file of any header and size of it."""
    content = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return (len(content) if size is None else size).to_bytes(8, "little") + content + body


def entry(kind, shape, *offsets):
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


ABSURD = {
    "nothing": b"",
    "a header without end": tensors(b"{}", size=2**63),
    "a header longer than the file": tensors(b"{}", size=1000),
    "no JSON": tensors(b"{'a'"),
    "deep JSON": tensors(b'{"__metadata__":' + b'{"a":' * 100_000),
    "overlapping tensors": tensors({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, b"0" * 6),
    "a tensor beyond the file": tensors({"a": entry("U8", [4], 0, 4)}),
    "a tensor of another size": tensors({"a": entry("F32", [4], 0, 4)}, b"0000"),
    "more bytes than there are": tensors({"a": entry("F32", [2**62, 2**62], 0, 4)}, b"0000"),
    "a number that is none": tensors(b'{"a":{"dtype":"U8","shape":[1e400],"data_offsets":[0,1]}}', b"0"),
    "a negative shape": tensors(b'{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', b"0"),
    "half bytes": tensors({"a": entry("F4", [2], 0, 1)}, b"0"),
}
NOT_WEIGHTS = ABSURD | {
    "a kind that NumPy lacks": tensors({"a": entry("BF16", [1], 0, 2)}, b"00"),
    "nothing, very wide": tensors({"a": entry("F32", [2**62, 0], 0, 0)}),
    "a hundred dimensions": tensors({"a": entry("F32", [1] * 100, 0, 4)}, b"0000"),
}


@pytest.mark.parametrize("content", NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_absurd_weights_are_refused_in_one_line(store, content):
    store.storage.write(store.checkpoint("a"), content)
    with pytest.raises(UserError, match=r"cannot read the checkpoint .*a\.safetensors") as error:
        store.load_weights("a")
    assert one_line(error)


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ({}, lambda weights: {}),
        ({}, lambda weights: {name: value[:0] for name, value in weights.items()}),
        ({}, lambda weights: {name: value * np.float32(np.nan) for name, value in weights.items()}),
        ({}, lambda weights: {name: value.astype(np.int32) for name, value in weights.items()}),
        ({}, lambda weights: weights | {"../../evil": np.zeros(1, np.float32)}),
        ({"latent_dim": 10**12}, dict),  # of which a model does not fit into any memory
        ({"pseudo_inputs": 2**62, "marginal": "vamp"}, dict),
        ({"dataset": "toy", "encoder": "discrete", "decoder": "discrete", "marginal": "discrete"}, dict),
    ],
)
def test_weights_that_do_not_fit_their_description_are_refused_before_a_model_is_made(store, values, change):
    honest = row(**SMALL)
    torch.manual_seed(0)
    weights = {name: value.numpy() for name, value in make_model(make_run(SMALL)).state_dict().items()}
    store.storage.write(store.checkpoint(honest["run_id"]), save_weights(weights))
    assert load_model(store, honest)
    hostile = row(**SMALL | values)
    store.storage.write(store.checkpoint(hostile["run_id"]), save_weights(change(weights)))
    with pytest.raises(UserError, match=r"does not hold this run's weights|describes no model") as error:
        load_model(store, hostile)
    assert one_line(error)


def test_no_memory_is_taken_for_a_model_that_its_weights_do_not_fit(store):
    hostile = row(**SMALL | {"marginal": "vamp", "pseudo_inputs": 300_000})  # a gigabyte
    store.storage.write(store.checkpoint(hostile["run_id"]), save_weights({"weight": np.zeros(1, np.float32)}))
    before = peak_memory(torch.device("cpu"))
    with pytest.raises(UserError, match="does not hold this run's weights"):
        load_model(store, hostile)
    assert peak_memory(torch.device("cpu")) - before < 2**28


@pytest.mark.parametrize("config", [None, "", "[]", "nonsense", "[" * 100_000, '{"latent_dim": 1e400}', '{"x": 1}'])
def test_a_config_that_describes_no_run_makes_no_model(store, config):
    store.storage.write(store.checkpoint("a"), save_weights({}))
    with pytest.raises(UserError) as error:
        load_model(store, {"run_id": "a", "config": config})
    assert one_line(error)


def test_weights_so_large_that_probabilities_are_none_are_told_of(store, rdbench_command, tmp_path):
    images = np.random.default_rng(0).random((20, 28, 28)) < 0.2
    np.save(tmp_path / "mine.npy", images)
    dataset = load(str(tmp_path / "mine.npy"))
    hostile = row(**SMALL, dataset=str(tmp_path / "mine.npy")) | {"dataset_sha256": dataset.sha256}
    put(store, hostile)
    weights = {name: value.numpy() for name, value in make_model(make_run(SMALL)).state_dict().items()}
    huge = {name: np.full_like(value, 3e38) for name, value in weights.items()}
    store.storage.write(store.checkpoint(hostile["run_id"]), save_weights(huge))
    code, _, told = rdbench_command("plot", store, "--kind", "samples", "--out", tmp_path / "out")
    assert code == 2 and "draws no images" in told
    put(store, hostile | {"dataset_sha256": SHA256})
    store.storage.write(store.checkpoint(hostile["run_id"]), save_weights(weights))
    code, _, told = rdbench_command("plot", store, "--kind", "samples", "--out", tmp_path / "out")
    assert code == 2 and "was trained on other data" in told  # no images but those it says it was trained on


@pytest.mark.parametrize("content", ABSURD.values(), ids=ABSURD)
def test_an_absurd_state_is_refused(content):
    with pytest.raises(UnreadableStateError) as error:
        State.from_bytes(content)
    assert str(error.value).isprintable()


def state(facts, checksum=True):
    """A file whose facts are the given text, with the checksum that belongs to it."""
    whole = State({"a": torch.zeros(2)}, {}).to_bytes()
    metadata = {"facts": facts, "sha256": _digest({"a": torch.zeros(2)}, facts) if checksum else "0"}
    entries = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")]) | {"__metadata__": metadata}
    return tensors(entries, bytes(8))


@pytest.mark.parametrize(
    "facts",
    ["", "null", "[]", "3", "[" * 100_000, '{"a": ' * 100_000, "9" * 5000, '{"run_id": "a"}', '{"serial": 1}']
    + [f'{{"run_id": "a", "serial": {serial}}}' for serial in ("1e400", "NaN", "-1", '"1"', "[1]", "1.5", "null")]
    + ['{"run_id": ["a"], "serial": 1}', '{"run_id": "\\u001b[31m", "serial": 1}'],
)
def test_a_state_of_absurd_facts_is_named_and_passed_over(store, facts):
    checkpoint = Checkpoint(store.storage, "a")
    store.storage.write(checkpoint.names[0], state(facts))
    store.storage.write(checkpoint.names[1], state('{"run_id": "a", "serial": 7}'))
    (found,), _, (line,) = checkpoint.states()
    assert found.facts["serial"] == 7 and checkpoint.serial == 8
    assert "not a state of this run" in line and line.isprintable()


def test_a_state_without_its_checksum_is_refused():
    with pytest.raises(UnreadableStateError, match="does not match its checksum"):
        State.from_bytes(state("{}", checksum=False))


def first(state, name):
    return next(key for key in state.tensors if key.startswith("optimizer.") and key.endswith(name))


@pytest.mark.parametrize(
    "change",
    [
        *(lambda state, step=step: {"step": step} for step in ("1", -3, 7, 10**30, 1e400, None, True, [1])),
        *(lambda state, parts=parts: {"micro_batch": parts} for parts in ("8", 0, -1, 10**30, None)),
        *(lambda state, seconds=seconds: {"seconds": seconds} for seconds in ("1", None, [1])),
        *(lambda state, history=history: {"history": history} for history in ("x", {"a": 1}, [{"epoch": 1}], [3])),
        lambda state: {"history": [dict.fromkeys(Epoch.__dataclass_fields__, "x")]},
        *(lambda state, name=name: {first(state, name): torch.zeros(1)} for name in ("exp_avg", "exp_avg_sq")),
        lambda state: {first(state, "step"): torch.zeros(3)},
        lambda state: {"optimizer.999.step": torch.zeros(())},
        lambda state: {"optimizer.evil.step": torch.zeros(())},
        lambda state: {"totals.sums": torch.zeros(7)},
        lambda state: {"random": torch.zeros(5, dtype=torch.uint8)},
        lambda state: {"order": torch.full((24,), 10**6)},
        lambda state: {"order": torch.full((24,), -(10**6))},
        lambda state: {"order": torch.zeros(3, dtype=torch.int64)},
        lambda state: {"order": torch.rand(24)},
        lambda state: {"order": torch.arange(24.0)},
        lambda state: {"history": [dict.fromkeys(Epoch.__dataclass_fields__, 1)]},
    ],
)
def test_a_training_does_not_go_on_from_a_state_that_is_none(change):
    run = make_run(SMALL | {"epochs": 2, "batch_size": 8})
    images = Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((24, 28, 28)) < 0.2))

    def training():
        return Training(make_model(run), images, images, run)

    begun = training()
    with pytest.raises(StoppedError):
        begun.run(after_step=Mock(side_effect=StoppedError))
    state = begun.state()
    training().restore(state)
    wrong = change(state)
    tensors = {name: value for name, value in wrong.items() if isinstance(value, torch.Tensor)}
    facts = {name: value for name, value in wrong.items() if name not in tensors}
    with pytest.raises((AttributeError, KeyError, RuntimeError, TypeError, ValueError)):  # which a run tells as damage
        training().restore(State({**state.tensors, **tensors}, {**state.facts, **facts}))
