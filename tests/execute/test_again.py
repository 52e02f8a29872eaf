"""Runs that are there already: listed, measured again, done again."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from rdbench import data
from rdbench.analysis.report.listing import choose, listing
from rdbench.errors import UserError
from rdbench.execute.again import do_again
from rdbench.execute.remeasure import Wanted, remeasure
from rdbench.execute.task import Settings
from rdbench.runs.remeasuring import is_measured, reevaluate
from rdbench.store.changes import extend, remove
from rdbench.store.claims import Claims
from rdbench.store.plans import announce, announced
from rdbench.store.store import Store
from rdbench.store.unfinished import unfinished

CPU = torch.device("cpu")
FAILED = {"status": "failed", "error": "its process was killed"}
KEPT = ("rate", "elbo", "iwae_3")


@pytest.fixture
def store(undisturbed, tmp_path):
    shutil.copytree(undisturbed[1], tmp_path / "store")
    return Store(tmp_path / "store")


def row_of(store, family="iaf-deconv-vamp", beta=1.0):
    runs = store.read("runs").frame
    (row,) = runs[(runs["family"] == family) & (runs["beta"] == beta)].to_dict("records")
    return row


def test_a_run_measured_again_says_what_it_said(store):
    """The same draws from the same weights: the same numbers to the last bit."""
    row = row_of(store)
    forgetful = {name: value for name, value in row.items() if not name.startswith("iwae_")}
    new = reevaluate(store, forgetful, [1, 3], "test", CPU, None)
    assert new == {name: row[name] for name in ("iwae_1", "iwae_1_se", "iwae_3", "iwae_3_se")}


def test_other_k_and_other_splits_become_columns(store):
    row = row_of(store)
    assert not is_measured(row, [20], "test")
    reevaluate(store, row, [20], "test", CPU, None)
    reevaluate(store, row, [5], "valid", CPU, None)
    after = row_of(store)
    assert is_measured(after, [20], "test") and is_measured(after, [5], "valid")
    assert after["iwae_20"] >= after["iwae_3"] - 3 * after["iwae_3_se"]
    assert after["valid_elbo"] == -(after["valid_rate"] + after["valid_distortion"])
    assert [after[name] for name in KEPT] == [row[name] for name in KEPT]
    images = store.read("examples").frame
    mine = images[images["run_id"] == row["run_id"]]
    assert mine["iwae_20"].mean() == pytest.approx(after["iwae_20"], rel=1e-5)
    assert len(images) == 4 * len(mine) and images["iwae_20"].notna().sum() == len(mine)
    assert len(store.read("runs").frame) == 4


def test_the_training_split_is_replaced_whole(store):
    """A sweep keeps R and D of one draw without errors; beside the ELBO of other draws they would not add up."""
    row = row_of(store)
    reevaluate(store, row, [5], "train", CPU, None)
    after = row_of(store)
    assert after["train_elbo"] == -(after["train_rate"] + after["train_distortion"])
    reevaluate(store, after, [7], "train", CPU, None)
    assert [row_of(store)[f"train_{name}"] for name in ("rate", "elbo", "iwae_5")] == [
        after[f"train_{name}"] for name in ("rate", "elbo", "iwae_5")
    ]
    assert is_measured(row_of(store), [5, 7], "train")
    extend(store, row["run_id"], {"train_elbo": after["train_elbo"] - 3}, {})
    torn = row_of(store)
    assert not is_measured(torn, [5], "train")  # so that the same command mends it
    reevaluate(store, torn, [5], "train", CPU, None)
    mended = row_of(store)
    assert is_measured(mended, [5], "train")
    assert mended["train_elbo"] == -(mended["train_rate"] + mended["train_distortion"])


def test_what_is_measured_already_stays_for_each_image_as_for_the_run(store):
    row = row_of(store)
    reevaluate(store, row, [1, 2], "test", CPU, None)
    images = store.read("examples").frame
    mine, after = images[images["run_id"] == row["run_id"]], row_of(store)
    assert after["iwae_1"] == row["iwae_1"]
    for k in (1, 2, 3):
        assert mine[f"iwae_{k}"].mean() == pytest.approx(after[f"iwae_{k}"], rel=1e-6)


def test_other_data_or_no_weights_are_refused(store):
    row = row_of(store)
    with pytest.raises(UserError, match="was trained on other data"):
        reevaluate(store, row | {"dataset_sha256": "0" * 64}, [2], "test", CPU, None)
    with pytest.raises(UserError, match="unknown split 'tset'; did you mean 'test'"):
        reevaluate(store, row, [2], "tset", CPU, None)
    store.storage.delete(store.checkpoint(row["run_id"]))
    with pytest.raises(UserError, match="there is no checkpoint"):
        reevaluate(store, row, [2], "test", CPU, None)


def test_what_was_measured_of_a_run_that_is_done_again_meanwhile_is_not_added_to_the_new_row(store):
    row = row_of(store)
    extend(store, row["run_id"], {"rate": row["rate"] + 1}, {})  # as with other threads
    with pytest.raises(UserError, match="was done again while it was measured; the same command measures it anew"):
        reevaluate(store, row, [20], "test", CPU, None)
    assert "iwae_20" not in row_of(store)


def test_runs_that_failed_are_done_again(store, assert_same, tmp_path):
    row = row_of(store)
    extend(store, row["run_id"], FAILED | {"replaces": row["created_at"]}, {})
    assert choose(store, [], "failed") == [row["run_id"]]
    assert not do_again(store, choose(store, [], "failed")).failed
    with pytest.raises(UserError, match=r"no run in .* is failed"):
        choose(store, [], "failed")
    ours = row_of(store)
    assert [ours[name] for name in KEPT] == [row[name] for name in KEPT]


def test_a_list_shows_what_is_done_running_unfinished_and_missing(store):
    row = row_of(store)
    extend(store, row["run_id"], FAILED | {"replaces": row["created_at"]}, {})
    announce(store.storage, "more", "rdbench sweep more", {"r": "a run", "u": "another", "m": "a third"})
    for run_id in ("u", row["run_id"]):  # a failed run may go on from its state
        store.storage.write(f"checkpoints/{run_id}.unfinished-a.safetensors", b"")
    again = row_of(store, beta=0.5)["run_id"]
    with Claims(store.storage) as claims:
        claims.take(["r", again])
        cells, cost = listing(store)
        table = pd.DataFrame(cells.rows, columns=cells.headers).set_index("run_id")
    assert table["status"].value_counts().to_dict() == {
        "ok": 2,
        "failed": 1,
        "running": 2,
        "unfinished": 1,
        "missing": 1,
    }
    assert table.loc[["r", "u", "m"], "status"].tolist() == ["running", "unfinished", "missing"]
    assert "its process was killed" in table.loc[row["run_id"], "what"]
    assert table.loc[["r", "u", "m"], "run"].tolist() == ["a run", "another", "a third"]
    assert "by process" in table.loc["r", "what"] and "by process" in table.loc[again, "what"]
    assert "s of training" in cost
    assert [cell[0] for cell in listing(store, "failed")[0].rows] == [row["run_id"]]


def test_the_beginning_of_an_id_is_enough_where_it_is_of_one_run(store):
    ids = sorted(store.read("runs").frame["run_id"])
    assert choose(store, [ids[0][:12]], None) == [ids[0]]
    with pytest.raises(UserError, match=r"begins the ids of 4 runs in .*; expected one"):
        choose(store, [""], None)
    assert choose(store, ids[:2], None) == ids[:2]


def test_what_is_missing_or_unfinished_can_be_done_again_or_removed(store, sweep, assert_same):
    """As a sweep notes it that was killed after it had begun."""
    one, other = sorted(store.finished())[:2]
    remove(store, [one, other])
    assert one not in announced(store.storage)
    runs = {run.run_id(data.checksum(run.dataset, None)): run for run in sweep.runs()}
    settings = {run_id: run.model_dump(mode="json") for run_id, run in runs.items()}
    announce(store.storage, "demo", "rdbench sweep demo", dict.fromkeys(runs, "words"), settings)
    store.storage.write(f"checkpoints/{one}.unfinished-a.safetensors", b"killed")
    assert choose(store, [], "unfinished") == [one] and choose(store, [], "missing") == [other]
    assert not do_again(store, [one, other]).failed
    assert_same(Path(str(store)))


def test_what_is_missing_or_unfinished_can_be_removed(store):
    announce(store.storage, "more", "rdbench sweep more", {"u": "a run", "m": "another", "k": "a third"})
    store.storage.write("checkpoints/u.unfinished-a.safetensors", b"killed")
    before = set(announced(store.storage)) - {"u", "m"}
    remove(store, choose(store, ["u", "m"], None))
    assert set(announced(store.storage)) == before and "k" in before
    assert not unfinished(store.storage)
    remove(store, ["k"])
    with pytest.raises(UserError, match=r"no run in .* is missing"):
        choose(store, [], "missing")


def test_a_run_whose_settings_are_not_noted_says_what_does_it(store):
    announce(store.storage, "more", "rdbench sweep more", {"m": "another"})
    with pytest.raises(UserError, match=r"the settings of run m are not noted in .*; do it with: rdbench sweep more"):
        do_again(store, ["m"])


def test_a_missing_run_is_not_done_with_other_sources_than_were_planned(store, sweep):
    settings = sweep.runs()[0].model_dump(mode="json") | {"sources": [f"encoder gaussian {'0' * 64}"]}
    announce(store.storage, "mine", "rdbench sweep mine", {"m": "words"}, {"m": settings})
    with pytest.raises(UserError, match=r"encoder gaussian: here it is rdbench's own, the run was described with 0000"):
        do_again(store, ["m"])


def test_what_was_measured_before_an_error_is_at_rest(store):
    """Each run is there once, for readers that know nothing of rdbench."""
    rows = store.read("runs").frame.to_dict("records")
    store.storage.delete(store.checkpoint(rows[-1]["run_id"]))
    with pytest.raises(UserError, match="there is no checkpoint"):
        remeasure(store, rows, Wanted([20], "test", []), Settings(quiet=True))
    runs = pd.read_parquet(f"{store}/runs")
    assert len(runs) == 4 and runs["iwae_20"].notna().sum() == 3
    images = pd.read_parquet(f"{store}/examples")
    assert not images.duplicated(["run_id", "index"]).any()
