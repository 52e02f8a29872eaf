"""Files from strangers run no code."""

import ast
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hostile import one_line, put, row
from safetensors.numpy import save

import rdbench
from rdbench.config.run_config import make_run
from rdbench.data import checksum, load
from rdbench.data.files import cache_folder
from rdbench.data.packed import load_packed
from rdbench.errors import UserError
from rdbench.runs.checkpoint import Checkpoint
from rdbench.store.claims import owners
from rdbench.store.plans import announce


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


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """The file that a module makes when it is imported; it lies in the current folder, which is on the path."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w')\nPARTS = []")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "marker"


@pytest.mark.parametrize(
    "line",
    [
        "plugin = 'evil.py'",
        "plugins = ['evil.py']",
        "encoder = 'evil'",
        "family = 'evil-deconv-gaussian'",
        "family = ['evil:PARTS-deconv-gaussian']",
        "objective = 'evil:PARTS'",
        "dataset = 'evil.py'",
        "dataset = 'evil:PARTS'",
        "executor = 'evil:PARTS'",
        "sources = ['encoder evil 00']",
        "[[also]]\nplugin = 'evil.py'",
    ],
)
def test_a_sweep_file_brings_no_code(evil, line, tmp_path, rdbench_command):
    (tmp_path / "mine.toml").write_text(line)
    code, _, told = rdbench_command("sweep", "mine.toml", "--store", "store", "--dry-run")
    assert code == 2 and told.startswith("rdbench: ") and told.count("\n") == 1
    assert not evil.exists()


@pytest.mark.parametrize("table", ["runs", "plans"])
def test_a_table_and_a_plan_bring_no_code(evil, table, store, rdbench_command):
    """A run is described with parts that are called like a module, as it is where its plug-in is not loaded."""
    honest = row(dataset="sprites", dataset_sha256=checksum("sprites"), test_images=2000)
    settings = json.loads(honest["config"]) | {"encoder": "evil", "sources": [f"encoder evil {'0' * 64}"]}
    run = make_run(settings, reading=True)
    run_id = run.run_id(honest["dataset_sha256"])
    if table == "plans":
        announce(store.storage, "mine", "rdbench sweep mine --plugin evil.py", {run_id: "words"}, {run_id: settings})
    else:
        put(store, honest | run.columns() | {"run_id": run_id, "config": run.model_dump_json()})
        store.storage.write(store.checkpoint(run_id), save({"none": np.zeros(1)}))
    asked = [("runs", store, "retry", run_id)]
    asked += [("evaluate", store, "--iwae", "2"), ("plot", store, "--kind", "samples")] if table == "runs" else []
    for words in asked:
        code, _, told = rdbench_command(*words)
        assert code == 2 and "unknown encoder 'evil'" in told
    assert not evil.exists()
