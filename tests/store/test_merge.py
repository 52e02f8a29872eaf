import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save

from rdbench.errors import UserError
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.state import State
from rdbench.store.changes import compact, extend, remove
from rdbench.store.claims import Claims
from rdbench.store.columns import TABLES
from rdbench.store.merge import Weights, merge
from rdbench.store.plans import announce, announced
from rdbench.store.schema import Record
from rdbench.store.store import Store
from rdbench.store.unfinished import unfinished


@pytest.fixture
def make_store(tmp_path):
    """A store of invented runs, each a run_id with the values of its row."""

    def make(name, compacted=False, **runs):
        store = Store(tmp_path / name)
        store.prepare()
        for run_id, values in runs.items():
            row = {"run_id": run_id, "status": "ok", "error": None, "created_at": "2026-01-01T00:00:00", "rate": 1.0}
            examples = {"run_id": [run_id] * 2, "index": [0, 1], "rate": [1.0, 2.0]}
            history = {"run_id": [run_id], "epoch": [1], "valid_rate": [1.0]}
            weights = {"weight": np.full(2, len(run_id), np.float32)}
            row |= values
            store.put(Record(run_id, row, history, examples, weights), row["created_at"])
        announce(store.storage, name, f"rdbench sweep {name}", dict.fromkeys(runs, "words"))
        if compacted:
            compact(store)
        return store

    return make


def ids(store):
    return sorted(store.read("runs", columns=["run_id", "status"]).frame["run_id"])


@pytest.mark.parametrize("compacted", [False, True])
def test_equal_runs_count_once_and_everything_comes_along(make_store, tmp_path, compacted):
    one = make_store("one", compacted, aa={"device": "cpu"}, bb={})
    other = make_store("other", compacted, aa={"device": "another", "train_seconds": 9.0}, cc={"rate": 3.0})
    into = Store(tmp_path / "into")
    assert merge([one, other], into) == (3, 3)
    assert ids(into) == ["aa", "bb", "cc"]
    for table in TABLES:
        rows = into.read(table, columns=["run_id", "status", "index", "epoch", "rate"]).frame
        assert len(rows) == {"runs": 3, "history": 3, "examples": 6}[table]
    assert into.load_weights("cc")["weight"].tolist() == [2, 2]
    assert set(announced(into.storage)) == {"aa", "bb", "cc"}
    assert merge([one, other], into) == (0, 3)


def test_different_answers_to_one_description_are_refused_and_both_shown(make_store, tmp_path):
    one, other = make_store("one", aa={"rate": 1.5}), make_store("other", aa={"rate": 1.25}, bb={})
    with pytest.raises(UserError, match=r"two answers.*one: .*rate 1.5.* against .*other: .*rate 1.25.* rm aa"):
        merge([one, other], Store(tmp_path / "into"))
    assert not (tmp_path / "into").exists()


def test_an_answer_that_comes_while_a_merge_makes_ready_is_not_written_over(make_store, tmp_path, monkeypatch):
    one, into = make_store("one", aa={"rate": 1.0}), Store(tmp_path / "into")
    prepare = Store.prepare

    def meanwhile(store):
        prepare(store)
        monkeypatch.setattr(Store, "prepare", prepare)
        make_store("into", aa={"rate": 2.0})

    monkeypatch.setattr(Store, "prepare", meanwhile)
    with pytest.raises(
        UserError, match=r"two answers, which differ in rate: .*into: .*rate 2.* against .*one: .*rate 1"
    ):
        merge([one], into)
    assert into.read("runs", columns=["rate"]).frame["rate"].tolist() == [2.0]


def test_an_answer_counts_for_more_than_a_failure(make_store, tmp_path):
    one = make_store("one", aa={"status": "failed", "rate": None, "created_at": "2026-01-02T00:00:00"})
    other = make_store("other", aa={"rate": 2.0})
    into = Store(tmp_path / "into")
    merge([one, other], into)
    assert into.finished() == {"aa"}


def test_an_answer_replaces_a_failure_that_is_newer_and_there_already(make_store):
    into = make_store("into", aa={"status": "failed", "rate": None, "created_at": "2026-01-02T00:00:00"}, bb={})
    other = make_store("other", aa={"rate": 2.0}, bb={"iwae_5000": -80.0, "created_at": "2025-01-01T00:00:00"})
    assert merge([other], into) == (2, 2)
    assert into.finished() == {"aa", "bb"} and merge([other], into) == (0, 2)
    rows = into.read("runs", columns=["run_id", "created_at", "iwae_5000"]).frame.set_index("run_id")
    assert rows.loc["bb", "iwae_5000"] == -80
    assert len(into.read("examples", columns=["run_id", "index", "created_at"]).frame) == 4


def test_a_place_that_takes_no_more_is_told(make_store, tmp_path, monkeypatch):
    one, into = make_store("one", aa={}), Store(tmp_path / "into")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(into, "write_compacted", full)
    with pytest.raises(
        UserError, match=r"cannot write to the store .*into: No space left on device; what was copied is"
    ):
        merge([one], into)


def test_of_equal_answers_the_one_that_says_more_counts(make_store, tmp_path):
    one, other = make_store("one", aa={}), make_store("other", aa={"iwae_5000": -80.0})
    into = Store(tmp_path / "into")
    merge([one, other], into)
    assert pd.read_parquet(tmp_path / "into" / "runs")["iwae_5000"].tolist() == [-80.0]


def test_what_is_unfinished_comes_along_unless_it_is_finished(make_store, tmp_path):
    one, other = make_store("one", aa={}), make_store("other", bb={})
    for run_id in ("aa", "cc"):
        Checkpoint(other.storage, run_id).save(State({}, {"step": 1}))
    into = Store(tmp_path / "into")
    merge([one, other], into)
    states = [name for name in into.storage.names("checkpoints") if "unfinished" in name]
    assert states == ["checkpoints/cc.unfinished-a.safetensors"]


def test_a_state_that_came_goes_when_the_answer_comes(make_store, tmp_path):
    one, into = make_store("one", aa={}), Store(tmp_path / "into")
    Checkpoint(one.storage, "bb").save(State({}, {"step": 1}))
    merge([one], into)
    assert unfinished(into.storage) == {"bb"}
    merge([make_store("other", bb={})], into)
    assert ids(into) == ["aa", "bb"]
    assert not unfinished(into.storage)


@pytest.mark.parametrize(
    ("ours", "theirs", "comes"),
    [
        ((5, 0), (3, 0), False),
        ((3, 0), (5, 0), True),
        ((5, 1), (5, 2), True),
        ((5, 1), (5, 1), False),
        (None, (1, 0), True),
    ],
)
def test_of_two_states_the_one_that_is_further_along_is_kept(make_store, ours, theirs, comes):
    """Whatever the numbers by which each store counts how often it kept one."""

    def begun(name, how_far):
        store = make_store(name, aa={})
        for steps in range(how_far[0] if how_far else 0):  # two files, as a run leaves them
            tensors = {f"piece.{index}.rate": torch.zeros(1) for index in range(how_far[1])}
            checkpoint = Checkpoint(store.storage, "bb")
            checkpoint.serial = steps
            checkpoint.save(State(tensors, {"step": steps + 1, "device": "cpu", "of": name}))
        return store

    into, other = begun("into", ours), begun("other", theirs)
    merge([other], into)
    kept = Checkpoint(into.storage, "bb").states().states
    assert {state.facts["of"] for state in kept} == {"other" if comes else "into"}
    assert kept[0].facts["step"] == (theirs if comes else ours)[0]


def test_a_state_that_a_sweep_goes_on_from_now_is_left_to_it(make_store):
    into, other = make_store("into"), make_store("other")
    Checkpoint(other.storage, "bb").save(State({}, {"step": 1}))
    with Claims(into.storage) as claims:
        assert claims.take(["bb"])
        merge([other], into)
        assert not unfinished(into.storage)
    merge([other], into)
    assert unfinished(into.storage) == {"bb"}


def test_a_file_that_is_no_state_does_not_come_along(make_store):
    into, other = make_store("into"), make_store("other")
    for index, content in enumerate((b"", b"state", b"\xff" * 100, b"\2" + bytes(7) + b"{}", b"\2" + bytes(7) + b"[]")):
        other.storage.write(f"checkpoints/b{index}.unfinished-a.safetensors", content)
    merge([other], into)
    assert not unfinished(into.storage)


def test_a_store_that_is_not_there_is_refused(make_store, tmp_path):
    with pytest.raises(UserError, match="there is no store"):
        merge([make_store("one", aa={}), Store(tmp_path / "absent")], Store(tmp_path / "into"))


@pytest.mark.parametrize("compacted", [False, True])
def test_what_is_removed_is_gone_and_the_rest_is_whole(make_store, compacted):
    store = make_store("store", compacted, aa={}, bb={}, cc={})
    store.storage.write("checkpoints/bb.unfinished-b.safetensors", b"state")
    remove(store, ["bb"])
    assert ids(store) == ["aa", "cc"]
    assert len(store.read("examples", columns=["run_id", "index"]).frame) == 4
    assert {name.split("/")[1][:2] for name in store.storage.names("checkpoints")} == {"aa", "cc"}


@pytest.mark.parametrize("compacted", [False, True])
def test_columns_are_added_to_a_row_and_its_images(make_store, compacted):
    store = make_store("store", compacted, aa={}, bb={})
    extend(store, "aa", {"iwae_9": -1.5, "evaluated_with": "rdbench evaluate"}, {"iwae_9": [-1.0, -2.0]})
    compact(store)
    columns = ["run_id", "status", "created_at", "rate", "iwae_9"]
    runs = store.read("runs", columns=columns).frame.set_index("run_id")
    assert runs.loc["aa", "iwae_9"] == -1.5 and np.isnan(runs.loc["bb", "iwae_9"])
    assert list(runs["rate"]) == [1.0, 1.0]
    images = store.read("examples", columns=["run_id", "index", "created_at", "rate", "iwae_9"]).frame
    assert len(images) == 4
    assert images[images["run_id"] == "aa"].sort_values("index")["iwae_9"].tolist() == [-1.0, -2.0]


def test_copies_that_were_measured_at_different_k_give_all_columns(make_store, tmp_path):
    """Whichever comes first, and whether one of them is the store that is to hold them."""
    for name in ("one", "other"):
        make_store(name, aa={}, bb={}, rate_by_dimension_of={"rate_by_dimension": [1.0, 2.0]})
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    extend(one, "aa", {"iwae_5": -5.0}, {"iwae_5": [-4.0, -6.0]})
    extend(other, "aa", {"iwae_7": -7.0, "iwae_7_se": 0.5}, {"iwae_7": [-6.5, -7.5]})
    extend(other, "bb", {"iwae_7": -8.0}, {"iwae_7": [-7.0, -9.0]})
    shutil.copytree(tmp_path / "one", tmp_path / "third")
    third, into = Store(tmp_path / "third"), Store(tmp_path / "into")
    assert merge([other], third) == (2, 3)
    assert merge([one, other], into) == (3, 3)
    for store in (into, third):
        runs = pd.read_parquet(f"{store}/runs").set_index("run_id")
        assert runs.loc["aa", ["iwae_5", "iwae_7", "iwae_7_se", "rate"]].tolist() == [-5, -7, 0.5, 1]
        assert runs.loc["bb", "iwae_7"] == -8 and np.isnan(runs.loc["bb", "iwae_5"]) and len(runs) == 3
        images = pd.read_parquet(f"{store}/examples").sort_values(["run_id", "index"])
        mine = images[images["run_id"] == "aa"]
        assert mine["iwae_5"].tolist() == [-4, -6] and mine["iwae_7"].tolist() == [-6.5, -7.5]
        assert len(images) == 6 and images["rate"].notna().all()
        assert merge([one, other], store) == (0, 3)


def of_split(split, distortion, **more):
    group = {"rate": 1.0, "distortion": distortion, "elbo": -1.0 - distortion, "elbo_se": 0.5, "rate_se": 0.4}
    return {f"{split}_{name}": value for name, value in (group | more).items()}


@pytest.mark.parametrize("turned", [False, True])
def test_a_measurement_of_another_split_comes_whole(make_store, tmp_path, turned):
    """Other draws gave other numbers; the training split of a sweep has no errors, and its ELBO would not add up."""
    swept = {"train_rate": 1.1, "train_distortion": 79.9, "iwae_7": -80.0, "iwae_9": -79.0, "iwae_8": -79.5}
    stores = [
        make_store("one", aa=swept | of_split("valid", 80.0, iwae_3=-80.0)),
        make_store("other", aa=of_split("train", 80.2) | of_split("valid", 80.3, iwae_6=-79.0)),
    ]
    merge(stores[::-1] if turned else stores, Store(tmp_path / "into"))
    (row,) = pd.read_parquet(tmp_path / "into" / "runs").to_dict("records")
    assert {name: row[name] for name in of_split("train", 80.2)} == of_split("train", 80.2)
    assert {name: row[name] for name in of_split("valid", 80.3)} == of_split("valid", 80.3)
    assert (row["iwae_7"], row["valid_iwae_3"], row["valid_iwae_6"]) == (-80, -80, -79)


def test_measurements_of_a_split_that_draws_do_not_explain_are_refused(make_store, tmp_path):
    one, other = (make_store(f"{nats}", aa=of_split("valid", nats)) for nats in (80.0, 80.6))
    with pytest.raises(UserError, match="two answers, which differ in valid_distortion"):
        merge([one, other], Store(tmp_path / "into"))


def test_images_that_contradict_each_other_are_refused(make_store, tmp_path):
    one, other = make_store("one", aa={}), make_store("other", aa={})
    extend(one, "aa", {"iwae_5": -5.0}, {"iwae_5": [-4.0, -6.0]})
    extend(other, "aa", {"iwae_5": -5.0, "iwae_7": -6.0}, {"iwae_5": [-5.0, -5.0], "iwae_7": [-6.0, -6.0]})
    extend(one, "aa", {"iwae_9": -4.0}, {"iwae_9": [-4.0, -4.0]})
    with pytest.raises(UserError, match="iwae_5 in examples differs between stores"):
        merge([one, other], Store(tmp_path / "into"))


def test_best_weights_alone_come_in_float16_and_never_replace_whole_ones(make_store, tmp_path):
    family = {"encoder": "gaussian", "decoder": "deconv", "marginal": "maf", "dataset": "sprites"}
    other = family | {"marginal": "vamp"}
    store = make_store(
        "one",
        low={**family, "elbo": -90.0}, high={**family, "elbo": -80.0}, of={**other, "elbo": -95.0},
        gone={**family, "elbo": -1.0, "status": "diverged"},
    )  # fmt: skip
    Checkpoint(store.storage, "unfinished").save(State({}, {"step": 1}))
    weights = {"a": np.full(3, 1 / 3, np.float32), "large": np.full(2, 1e5, np.float32), "order": np.arange(3)}
    store.storage.write(store.checkpoint("high"), save(weights))
    into = Store(tmp_path / "into")
    assert "unfinished" not in store.with_weights()
    assert merge([store], into, Weights.BEST) == (4, 4)
    assert into.storage.names("checkpoints") == ["checkpoints/high.safetensors", "checkpoints/of.safetensors"]
    assert into.with_weights() == {"high", "of"}
    kept = into.load_weights("high")
    assert {name: value.dtype for name, value in kept.items()} == {"a": "float16", "large": "float32", "order": "int64"}
    np.testing.assert_allclose(kept["a"], weights["a"], rtol=2**-11)
    extend(into, "high", {"iwae_7": -79.0}, {"iwae_7": [-79.0, -79.0]})
    merge([into], store)
    assert store.load_weights("high")["a"].dtype == "float32"
    assert -79 in set(store.read("runs", columns=["iwae_7"]).frame["iwae_7"])
