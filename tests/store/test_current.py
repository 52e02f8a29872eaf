"""Which row of a run counts."""

import numpy as np
import pytest

from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError
from rdbench.store.schema import Record
from rdbench.store.store import Store

ALWAYS = {"config": RunConfig().model_dump_json(), "dataset_sha256": "d" * 64, "error": None}


def record(status, rate=1.5):
    row = {"run_id": "a", "status": status, "rate": rate, **ALWAYS}
    return Record("a", row, {"run_id": []}, {"run_id": []}, {"weight": np.full(1, rate, np.float32)})


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def merged_in(store, status, date):
    """A row that lies beside the others, as a merge leaves it."""
    other = Store(f"{store}-other")
    other.prepare()
    other.put(record(status, 9.0), date)
    store.write_compacted("runs", other.arrow("runs"))


def status_and_rate(store):
    (row,) = store.read("runs").frame.to_dict("records")
    return row["status"], row["rate"]


@pytest.mark.parametrize("date", ["2026-01-01T00:00:00", "2998-01-01T00:00:00+00:00"])
@pytest.mark.parametrize("failure_first", [True, False])
def test_a_failure_hides_no_answer_whatever_their_dates_say(store, date, failure_first):
    if failure_first:
        merged_in(store, "failed", date)
    assert store.write(record("ok"))
    if not failure_first:
        merged_in(store, "failed", date)
    assert store.finished() == {"a"} and status_and_rate(store) == ("ok", 1.5)


@pytest.mark.parametrize(
    "date", ["2998-12-31T23:59:59+00:00", "9999-12-31T23:59:59.999999+00:00", "zzz", "2026-99-99T00:00:00", ""]
)
def test_a_row_is_dated_after_all_that_it_replaces(store, date):
    """With a clock that is ahead, or a date of a stranger's that is none."""
    merged_in(store, "ok", date)
    assert store.write(record("ok"), replacing=store.current()["a"])
    assert status_and_rate(store) == ("ok", 1.5)
    assert store.write(record("diverged"), replacing=store.current()["a"])
    assert status_and_rate(store)[0] == "diverged"


def test_a_failure_that_was_asked_for_counts_until_there_is_an_answer(store):
    merged_in(store, "ok", "2026-01-01T00:00:00")
    assert store.write(record("failed"), replacing=store.current()["a"])
    assert store.finished() == set()
    assert store.write(record("failed", 2.5), replacing=store.current()["a"])  # by the sweep after it
    assert store.finished() == set() and status_and_rate(store) == ("failed", 2.5)
    assert store.write(record("ok", 3.5), replacing=store.current()["a"])
    assert status_and_rate(store) == ("ok", 3.5)


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_an_answer_that_came_meanwhile_is_not_written_over(store, status):
    store.write(record("failed", 0.5))
    planned_with = store.current()["a"]
    store.write(record("ok", 2.5), replacing=planned_with)
    assert not store.write(record(status), replacing=planned_with)
    assert status_and_rate(store) == ("ok", 2.5)
    assert store.load_weights("a")["weight"].tolist() == [2.5]


def test_a_file_that_cannot_be_read_now_is_named_and_not_written_over(store, monkeypatch):
    store.write(record("ok"))
    storage = type(store.storage)
    opened = storage.open

    def refused(storage, name):
        if name.startswith("runs/a."):
            raise PermissionError(13, "Permission denied")
        return opened(storage, name)

    monkeypatch.setattr(storage, "open", refused)
    with pytest.raises(
        UserError, match=r"runs/a\.\w+\.parquet: cannot be read \(Permission denied\); make it readable"
    ):
        store.finished()
    with pytest.raises(UserError, match="Permission denied"):
        store.write(record("ok", 2.5))
    monkeypatch.undo()
    assert status_and_rate(store) == ("ok", 1.5)
