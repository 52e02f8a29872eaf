"""A model of somebody's own, from the README's text to the plane."""

import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from readme_plugin import PLUGIN

from rdbench.store.store import Store

FAMILY = "dense-deconv-gaussian"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the README's plug-in and a small dataset."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "my_model.py").write_text(PLUGIN)
    images = (np.random.default_rng(0).random((60, 28, 28)) < 0.2).astype(np.uint8)
    np.savez(folder / "noise.npz", images)
    return folder


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "rdbench", *words]


def run(folder, *words: str, code: int = 0) -> str:
    done = subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def sweep(*more: str) -> list[str]:
    small = ("width=0.05", "latent_dim=3", "epochs=2", "batch_size=8", "iwae=1", "generated_images=3",
             "train_images=all", "evaluation_images=all", "rate_samples=2")  # fmt: skip
    values = [word for value in ("dataset=noise.npz", *small) for word in ("--set", value)]
    return ["sweep", "demo", f"--family={FAMILY}", "--beta=0.5", "--beta=1", *values, "--store=store", *more]


@pytest.fixture(scope="module")
def swept(folder):
    """The folder once the plug-in was trained in two processes."""
    run(folder, *sweep("--plugin", "my_model.py", "--jobs", "2"), code=0)
    return folder


def test_the_readmes_model_keeps_the_contract(folder):
    told = run(folder, "selftest", "--plugin", "my_model.py", f"--family={FAMILY}")
    assert re.search(r"(\d+) of \1 passed", told)


def test_a_broken_clause_is_named_and_how_to_mend_it(folder):
    broken = PLUGIN.replace("Independent(Normal(mean, spread), 1)", "Normal(mean, spread)")
    assert broken != PLUGIN
    (folder / "broken.py").write_text(broken)
    told = run(folder, "selftest", "--plugin", "broken.py", f"--family={FAMILY}", code=1)
    assert "encoder(x) is a distribution with a batch of images; it has batch_shape (6, 2), expected (6,)" in told
    assert "to mend it: take images of" in told


def test_a_store_is_reported_and_drawn_without_the_plugin(swept):
    assert FAMILY in run(swept, "report", "store", "--family", FAMILY)
    told = run(swept, "runs", "store")
    assert "2 ok" in told and "the columns hidden are kept" in told
    assert "hidden" not in run(swept, "runs", "store", "--plugin", "my_model.py")
    assert "plane.png" in run(swept, "plot", "store", "--kind", "plane")
    told = run(swept, "plot", "store", "--kind", "samples", code=2)
    assert "unknown encoder 'dense'" in told
    assert "--plugin" in told
    run(swept, "plot", "store", "--kind", "samples", "--plugin", "my_model.py")


def test_the_same_command_finds_the_runs_done_and_another_source_does_not(swept):
    assert "0 of 2 runs to do" in run(swept, *sweep("--plugin", "my_model.py", "--dry-run"))
    (swept / "other").mkdir(exist_ok=True)
    (swept / "other" / "my_model.py").write_text(PLUGIN + "# edited\n")
    assert "2 of 2 runs to do" in run(swept, *sweep("--plugin", "other/my_model.py", "--dry-run"))
    told = run(swept, "evaluate", "store", "--iwae", "2", "--plugin", "other/my_model.py", code=2)
    assert re.search(r"encoder dense: the source in other/my_model.py is \w+, the run was described with \w+", told)
    assert "2 of 2 runs measured" in run(swept, "evaluate", "store", "--iwae", "2", "--plugin", "my_model.py")


def test_a_killed_run_of_a_plugin_goes_on(swept, tmp_path):
    """From its last state, to the numbers of the run that nobody killed."""
    for name in ("my_model.py", "noise.npz"):
        shutil.copy(swept / name, tmp_path)
    words = command(*sweep("--plugin", "my_model.py", "--checkpoint-every", "0.01s"))
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("store/checkpoints/*unfinished*")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "of 2 runs to do" in run(tmp_path, *sweep("--plugin", "my_model.py", "--dry-run"))
    run(tmp_path, *sweep("--plugin", "my_model.py"))
    mine, theirs = (Store(place / "store").read("runs").frame.set_index("run_id") for place in (tmp_path, swept))
    assert (mine["elbo"].sort_index() == theirs["elbo"].sort_index()).all()


def test_the_parts_from_elsewhere_are_listed(folder):
    assert re.search(r"encoder +dense +my_model.py", run(folder, "plugins", "--plugin", "my_model.py"))
    assert "no parts from elsewhere" in run(folder, "plugins")
    told = run(folder, "families", "--plugin", "my_model.py")
    assert re.search(r"encoder +dense +e\(z\|x\): two dense layers\.", told)
    assert re.search(r"hidden +dense +256 +≥ 1 +hidden units", told)
