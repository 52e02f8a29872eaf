"""Where `rdbench plot` writes its figures, and what it says of that."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rdbench.cli import app
from rdbench.store.store import Store

DEMO = Path(__file__).parents[2] / "results" / "demo"
PLANE = ["--kind", "plane", "--family=---", "--format", "svg"]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DEMO, tmp_path / "store", ignore=shutil.ignore_patterns("figures"))
    return tmp_path / "store"


def plot(*arguments):
    done = CliRunner().invoke(app, ["plot", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def test_figures_of_other_content_are_not_replaced_silently(store):
    first, again, other = plot(store, *PLANE), plot(store, *PLANE), plot(store, *PLANE, "--width", "4")
    assert first.stderr == again.stderr == ""
    assert other.stderr == f"other figures were replaced in {store}/figures: plane.svg; --out FOLDER spares them\n"


def test_a_figure_replaces_a_link_and_leaves_what_it_led_to(store, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (store / "figures").mkdir()
    (store / "figures" / "plane.svg").symlink_to(tmp_path / "mine")
    plot(store, *PLANE)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (store / "figures" / "plane.svg").is_symlink()
    assert [path.name for path in (store / "figures").iterdir()] == ["plane.svg"]


def test_a_folder_of_figures_that_is_a_link_is_refused(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (store / "figures").symlink_to(tmp_path / "elsewhere")
    done = CliRunner().invoke(app, ["plot", str(store), *PLANE])
    assert f"{store}/figures is a link" in str(done.exception) and not list((tmp_path / "elsewhere").iterdir())


def test_figures_of_a_store_that_is_only_read_are_elsewhere_and_said_to_be(store, monkeypatch):
    allowed = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode, **more: not (mode & os.W_OK and str(path) == str(store)) and allowed(path, mode),
    )
    done = plot(store, *PLANE)
    assert done.stdout == "outputs/store/figures/plane.svg\n"
    assert done.stderr == f"{store} is only read; its figures are in outputs/store/figures\n"
    assert Path("outputs/store/figures/plane.svg").exists() and not (store / "figures").exists()


def test_figures_in_a_store_under_outputs_need_no_word(store):
    Path("outputs").mkdir()
    shutil.move(store, "outputs/demo")
    assert plot("outputs/demo", *PLANE).stderr == ""


def test_samples_are_drawn_with_images_from_the_folder_that_was_named(store, tmp_path, monkeypatch):
    asked = []
    (store / "checkpoints").mkdir(exist_ok=True)
    for run_id in Store(store).finished():
        (store / "checkpoints" / f"{run_id}.safetensors").touch()  # so that it counts as one that can be drawn

    def draw_samples(source, row, data_dir):
        asked.append(data_dir)
        return [np.zeros((2, 28, 28))] * 5

    monkeypatch.setattr("rdbench.runs.trained.draw_samples", draw_samples)
    plot(store, "--kind", "samples", "--family=---", "--beta", "1", "--format", "svg", "--data-dir", tmp_path)
    assert set(asked) == {tmp_path}
