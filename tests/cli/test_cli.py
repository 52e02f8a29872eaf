"""The commands as a user types them, in processes of their own where exit codes matter."""

import json
import shutil
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from rdbench import selftest
from rdbench.cli import app
from rdbench.data import load

TINY = ["--set", "width=0.05", "--set", "latent_dim=4", "--set", "pseudo_inputs=3", "--set", "evaluation_images=40",
        "--set", "iwae=1,5", "--set", "rate_samples=4", "--beta", "1"]  # fmt: skip


def rdbench(*arguments, cwd=None):
    command = [sys.executable, "-m", "rdbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A dataset of 100 images of the user's own."""
    path = tmp_path_factory.mktemp("images") / "mine.npy"
    np.save(path, np.random.default_rng(0).random((100, 28, 28)) < 0.2)
    return path


@pytest.fixture(scope="module")
def swept(images, tmp_path_factory):
    """A store of all twelve families, trained for two epochs."""
    store = tmp_path_factory.mktemp("sweep") / "store"
    done = rdbench("sweep", "demo", *TINY, "--set", f"dataset={images}", "--epochs", "2", "--store", store, "--seed", 1)
    assert done.returncode == 0, done.stderr
    return store, done.stdout


@pytest.mark.slow
def test_a_sweep_ends_with_its_table_and_what_to_do_next(swept):
    store, out = swept
    assert "12/12" in out and "++v" in out and "−ELBO" in out
    assert f"rdbench plot {store}" in out


@pytest.mark.slow
def test_the_tables_hold_what_was_measured(swept):
    store, _ = swept
    runs = pd.read_parquet(store / "runs")
    assert len(runs) == runs["family"].nunique() == 12
    assert (runs["status"] == "ok").all() and (runs["epochs"] == 2).all() and (runs["seed"] == 1).all()
    assert (-runs["elbo"] == runs["rate"] + runs["distortion"]).all()
    measured = ["rate", "distortion", "elbo", "iwae_1", "iwae_5"]
    assert runs[measured + [f"{name}_se" for name in measured]].notna().all(axis=None)
    assert (
        runs[["train_rate", "train_distortion", "parameters", "train_seconds", "peak_memory_bytes"]]
        .notna()
        .all(axis=None)
    )
    examples, history = pd.read_parquet(store / "examples"), pd.read_parquet(store / "history")
    assert len(examples) == 12 * 10 and len(history) == 24
    per_run = examples.groupby("run_id")[["rate", "distortion", "iwae_5"]].mean()
    joined = runs.set_index("run_id")
    for name in per_run:
        assert per_run[name].to_numpy() == pytest.approx(joined.loc[per_run.index, name].to_numpy(), rel=1e-4, abs=1e-3)


@pytest.mark.slow
def test_runs_that_are_there_are_not_run_again(swept, images):
    store, _ = swept
    before = {path: path.stat().st_mtime_ns for path in (store / "runs").iterdir()}
    done = rdbench("sweep", "demo", *TINY, "--set", f"dataset={images}", "--epochs", "2", "--store", store, "--seed", 1)
    assert done.returncode == 0 and "12 of them already there" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (store / "runs").iterdir()} == before


@pytest.mark.slow
def test_plot_draws_every_kind(swept, tmp_path):
    store, _ = swept
    drawn = rdbench("plot", store, "--family", "--+", "--out", tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    kinds = ("plane", "skew", "history", "phase", "samples", "attribution")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{kind}.{suffix}" for kind in kinds for suffix in ("png", "svg")
    }


@pytest.mark.slow
def test_a_figure_that_cannot_be_drawn_is_left_out_with_its_reason_or_refused(swept, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(swept[0], store, ignore=shutil.ignore_patterns("checkpoints"))
    drawn = rdbench("plot", store, "--format", "png", "--out", tmp_path)
    assert drawn.returncode == 0
    assert "samples left out: " in drawn.stderr
    assert "keeps no weights" in drawn.stderr
    assert rdbench("plot", store, "--kind", "samples", "--out", tmp_path).returncode == 2
    assert "did you mean 'plane'" in rdbench("plot", store, "--kind", "plain").stderr
    assert "unknown format 'jpg'" in rdbench("plot", store, "--format", "png,jpg").stderr


@pytest.mark.slow
def test_a_report_is_a_gate(swept, tmp_path):
    store, _ = swept
    assert rdbench("report", store, "--check").returncode == 0
    broken = tmp_path / "broken"
    shutil.copytree(store, broken)
    for path in (broken / "runs").iterdir():
        runs = pd.read_parquet(path)
        runs["elbo"] += 1
        runs.to_parquet(path)
    assert rdbench("report", broken, "--check").returncode == 1
    assert rdbench("report", broken).returncode == 0


@pytest.mark.slow
def test_what_is_there_is_listed_merged_and_measured_again(swept, tmp_path):
    store, _ = swept
    into = tmp_path / "into"
    runs = len(pd.read_parquet(store / "runs"))
    assert f"{runs} runs came into" in rdbench("merge", store, store, "--into", into).stdout
    listed = rdbench("runs", into)
    assert f"{runs} ok" in listed.stdout and "s of training" in listed.stdout
    run_ids = pd.read_parquet(into / "runs")["run_id"]
    shown = rdbench("runs", into, "show", *run_ids.str[:10]).stdout
    assert all(f"run_id: {run_id}" in shown for run_id in run_ids)
    assert shown.count("peak_memory_bytes: ") == runs
    done = rdbench("evaluate", into, "--iwae", 7)
    assert done.returncode == 0 and f"{runs} of {runs} runs measured now" in done.stdout
    assert "−IWAE-7" in rdbench("report", into).stdout
    assert rdbench("report", into, "--check").returncode == 0
    removed = run_ids.iloc[-1]
    assert rdbench("runs", into, "rm", removed).returncode == 0
    listed = rdbench("runs", into).stdout  # a run that was removed is no longer waited for
    assert f"{runs - 1} ok" in listed and "missing" not in listed and removed not in listed
    for wrong in (
        ("runs", into, "shwo"),
        ("runs", into, "--status", "faild"),
        ("runs", into, "rm"),
        ("runs", into, "show", "x"),
        ("evaluate", into, "--iwae", 0),
    ):
        assert rdbench(*wrong).returncode == 2


@pytest.mark.slow
def test_an_interrupted_sweep_does_not_pass(swept, tmp_path):
    store, _ = swept
    gap = tmp_path / "gap"
    shutil.copytree(store, gap)
    for path in (gap / "runs").iterdir():
        pd.read_parquet(path).iloc[1:].to_parquet(path)
    checked = rdbench("report", gap, "--check")
    assert checked.returncode == 3
    assert "is missing; finish it with: rdbench sweep demo" in checked.stdout


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_same_command_does_the_rest(images, tmp_path):
    store = tmp_path / "store"
    arguments = ["sweep", "demo", *TINY, "--set", f"dataset={images}", "--set", "batch_size=1", "--epochs", "6"]
    arguments += ["--family", "---", "--family", "--v", "--seed", "1", "--seed", "2", "--store", str(store)]
    command = [sys.executable, "-m", "rdbench", *arguments]
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell starts in the background ignores it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=hear) as running:
        assert any("[1/4]" in line for line in running.stdout)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "of 4 runs are whole in" in told and told.count("\n") == 1
    kept = len(pd.read_parquet(store / "runs"))
    assert 1 <= kept < 4
    done = rdbench(*arguments)
    assert done.returncode == 0 and f"{kept} of them already there" in done.stdout
    assert len(pd.read_parquet(store / "runs")) == 4


def test_a_dry_run_lists_and_writes_nothing(tmp_path):
    done = rdbench(
        "sweep", "--family", "-+v", "--family", "iaf-deconv-maf", "--beta", 0.5, "--beta", 2, "--dry-run", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("gaussian-pixelcnn-vamp") == done.stdout.count("iaf-deconv-maf") == 2
    assert done.stdout.count("β 0.5") == done.stdout.count("β 2") == 2
    assert "4 of 4 runs to do" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mnits"], "unknown sweep 'mnits'; did you mean 'mnist'"),
        (["--set", "widht=1"], "unknown key 'widht'; did you mean 'width'"),
        (["--family", "gaussian-pixelcn-vamp"], "unknown decoder 'pixelcn'; did you mean 'pixelcnn'"),
        (["--beta", "-1"], "beta: found -1.0"),
        (["--set", "iwae=0"], "iwae: found '0'"),
        (["--set", "beta="], "beta: found ''"),
        (["--set", "dataset=absent.npz"], "absent.npz: no such file"),
        (["--set", "dataset=minst"], "unknown dataset 'minst'; did you mean 'mnist'"),
        (["--device", "gpu"], "--device: found 'gpu'; expected auto, cpu or cuda"),
        (["--device", "gpu", "--dry-run"], "--device: found 'gpu'; expected auto, cpu or cuda"),
        (["--executor", "slurm", "--dry-run"], "--executor: found 'slurm'; expected local or ray"),
        (["--shard", "1/99999999999999999999", "--dry-run"], "--shard: found '1/99999999999999999999'"),
        (["--store", "/proc/store"], "cannot write to the store /proc/store"),
        (["--store", "s3://"], "the store 's3://' has no name; expected a folder, or a URL"),
        (["--store", ""], "the store '' has no name; expected a folder, or a URL"),
        (["absent.toml"], "cannot read the sweep absent.toml"),
        (["mnist", "--data-dir", "nowhere"], "data folder nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_refused_before_training(arguments, told, tmp_path):
    done = rdbench("sweep", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_an_empty_list_is_refused(tmp_path):
    (tmp_path / "mine.toml").write_text("beta = []")
    done = rdbench("sweep", "mine.toml", cwd=tmp_path)
    assert done.returncode == 2 and "beta: found an empty list" in done.stderr


@pytest.mark.parametrize("command", ["plot", "report"])
def test_an_absent_store_is_refused(command, tmp_path):
    done = rdbench(command, tmp_path / "absent")
    assert done.returncode == 2 and "there is no store" in done.stderr


def test_families_as_json():
    families = json.loads(rdbench("families", "--json").stdout)
    assert len(families) == 12
    assert families[0]["parameters"] == {"encoder": 1999424, "decoder": 998753, "marginal": 0, "total": 2998177}


def test_data_commands(data_dir):
    listed = rdbench("data", "list", "--data-dir", data_dir)
    assert listed.returncode == 0 and "sprites" in listed.stdout
    verified = rdbench("data", "verify", "mnist", "--data-dir", data_dir)
    assert verified.returncode == 0 and "50,000 train" in verified.stdout and "as expected" in verified.stdout
    assert rdbench("data", "fetch", "sprites").returncode == 0
    assert "did you mean 'omniglot'" in rdbench("data", "fetch", "omniglt").stderr


def test_the_same_description_gives_the_same_numbers(images, tmp_path):
    def numbers(store):
        done = rdbench(
            "sweep", "demo", "--family", "+-v", *TINY, "--set", f"dataset={images}", "--store", tmp_path / store
        )
        assert done.returncode == 0, done.stderr
        return pd.read_parquet(tmp_path / store / "runs")[["run_id", "rate", "distortion", "iwae_5"]].to_dict("records")

    load.cache_clear()
    assert numbers("one") == numbers("two")


def test_the_toy_trains_reports_and_draws(tmp_path):
    result = rdbench("toy", "--seeds", "2", "--epochs", "12", "--store", tmp_path / "toy")
    assert result.returncode == 0
    assert "built by hand" in result.stdout
    assert "100%" in result.stdout  # of the best: the model built by hand
    assert (tmp_path / "toy" / "figures" / "toy.png").stat().st_size > 10_000
    assert rdbench("report", tmp_path / "toy", "--check").returncode == 0
    information = rdbench("report", tmp_path / "toy", "--columns", "information")
    assert "I(Z;z*)" in information.stdout
    refused = rdbench("plot", tmp_path / "toy", "--kind", "samples")
    assert refused.returncode == 2
    assert "no figure of toy" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["target_rate=8"], "not a setting of objective beta-vae"),
        (["objective=target-rate", "target_rate=99"], "sprites carries at most 31.61 nats"),
        (["objective=target-rate", "target_rate=-1"], "greater than or equal to 0"),
        (["objective=target-rate", "target_rate=3", "beta=1"], "not a setting of objective target-rate"),
    ],
)
def test_targets_that_make_no_sense_are_refused(settings, told, tmp_path):
    given = [word for setting in settings for word in ("--set", setting)]
    result = rdbench("sweep", "demo", *given, "--store", tmp_path / "store")
    assert result.returncode == 2
    assert told in result.stderr
    assert not (tmp_path / "store").exists()


def test_a_choice_of_columns_that_is_not_there_is_refused(tmp_path):
    result = rdbench("report", tmp_path, "--columns", "infromation")
    assert result.returncode == 2
    assert "did you mean 'information'" in result.stderr


def test_selftest_says_what_failed_by_its_exit_code(monkeypatch):
    for estimate, code in ((1.0, 0), (2.0, 1)):
        checks = [selftest.Check("x", 1.0, estimate)]
        monkeypatch.setattr(selftest, "check_estimators", lambda checks=checks: checks)
        result = CliRunner().invoke(app, ["selftest"])
        assert result.exit_code == code
        assert ("FAILED" in result.stdout) == (code == 1)
    assert rdbench("selftest", "--family", "nobody").returncode == 2
