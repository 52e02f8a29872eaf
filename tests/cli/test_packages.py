"""A plug-in in a package that pip installs, from its entry points to the plane; and an objective from a file."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from readme_plugin import install
from typer.testing import CliRunner

from rdbench.cli import app
from rdbench.errors import UserError
from rdbench.store.store import Store

OBJECTIVE = """
import torch
from rdbench import Part
from rdbench.runs.objectives import Objective


class Squared(Objective):
    '''D + R²: a rate that costs more the larger it is.'''

    @classmethod
    def of(cls, run, steps_per_epoch):
        return cls()

    def forward(self, terms, step):
        return terms.mean_distortion + terms.mean_rate**2


PARTS = [Part("objective", "squared", "Squared", "D + R²")]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the installed package and a small dataset."""
    folder = tmp_path_factory.mktemp("packaged")
    install(folder)
    np.savez(folder / "noise.npz", (np.random.default_rng(0).random((60, 28, 28)) < 0.2).astype(np.uint8))
    return folder


def started(folder, *words, site="site"):
    paths = [str(folder / site), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    command = [sys.executable, "-m", "rdbench", *words]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(folder, *words, code=0, site="site"):
    process = started(folder, *words, site=site)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == code, told
    return told


def sweep(*more, family="thick-deconv-gaussian"):
    small = ("width=0.05", "latent_dim=3", "epochs=2", "batch_size=8", "iwae=1", "generated_images=3",
             "train_images=all", "evaluation_images=all", "rate_samples=2", "dataset=noise.npz")  # fmt: skip
    values = [word for value in small for word in ("--set", value)]
    return ["sweep", "demo", f"--family={family}", "--beta=0.5", "--beta=1", *values, "--store=store", *more]


@pytest.mark.slow
def test_an_installed_part_is_trained_in_processes_killed_and_resumed(folder, monkeypatch):
    """And reported without the package; with another source it has another id, and evaluate refuses."""
    process = started(folder, *sweep("--jobs=2", "--checkpoint-every=0.01s"))
    until = time.monotonic() + 60
    while not list(folder.glob("store/checkpoints/*unfinished*")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run(folder, *sweep("--jobs=2"))
    before = Store(folder / "store").read("runs").frame.set_index("run_id")
    assert list(before["encoder"]) == ["thick", "thick"] and list(before["status"]) == ["ok", "ok"]
    monkeypatch.chdir(folder)
    assert re.search(r"encoder +thick +housemade +1.2", run(folder, "plugins"))
    assert "thick-deconv-gaussian" in CliRunner().invoke(app, ["report", str(folder / "store")]).stdout  # without it
    with pytest.raises(UserError, match=r"unknown encoder 'thick'.* installed package"):
        CliRunner().invoke(app, ["evaluate", str(folder / "store"), "--iwae=2"], catch_exceptions=False)
    shutil.copytree(folder / "site", folder / "edited")
    with (folder / "edited" / "housemade" / "__init__.py").open("a") as source:
        source.write("# edited\n")
    assert "2 of 2 runs to do" in run(folder, *sweep("--dry-run"), site="edited")
    told = run(folder, "evaluate", "store", "--iwae=2", code=2, site="edited")
    assert re.search(r"encoder thick: the source in /\S+/edited/housemade is \w+, the run was described with \w+", told)


def test_an_objective_of_ones_own_trains(folder):
    """Its runs have its name, and no β."""
    (folder / "squared.py").write_text(OBJECTIVE)
    words = ["--set", "objective=squared", "--set", "learning_rate=0.01", "--plugin", "squared.py"]
    told = [word for word in sweep(*words, family="---") if not word.startswith("--beta")]
    run(folder, *[word.replace("--store=store", "--store=priced") for word in told])
    (row,) = Store(folder / "priced").read("runs").frame.to_dict("records")
    assert row["status"] == "ok" and row["objective"] == "squared" and np.isfinite(row["rate"])
