"""Several sweeps on one store: which runs other processes have finished."""

import shutil

from rdbench import data
from rdbench.execute import doing
from rdbench.execute.finished_elsewhere import FinishedElsewhere
from rdbench.execute.runner import run_sweep
from rdbench.store.changes import compact, extend
from rdbench.store.schema import serialized
from rdbench.store.store import Store


def test_a_run_that_ends_while_another_sweep_makes_ready_is_not_done_again(
    sweep, undisturbed, assert_same, tmp_path, monkeypatch
):
    folder, make_ready, done = tmp_path / "store", data.make_ready, []

    def slowly(*arguments):
        shutil.copytree(undisturbed[1], folder, dirs_exist_ok=True)  # as another sweep would leave it
        return make_ready(*arguments)

    monkeypatch.setattr(data, "make_ready", slowly)
    monkeypatch.setattr(doing, "execute", lambda *arguments: done.append(arguments))
    assert not run_sweep(sweep, folder).failed
    assert not done
    assert_same(folder)


def test_an_old_failure_that_another_sweep_merges_is_no_news(undisturbed, tmp_path):
    shutil.copytree(undisturbed[1], folder := tmp_path / "store")
    store = Store(folder)
    failed, again, new = sorted(store.finished())[:3]
    rows = store.arrow("runs")
    for path in (folder / "runs").iterdir():
        path.unlink()
    store.write_compacted("runs", rows.filter([run_id == new for run_id in rows["run_id"].to_pylist()]))
    for run_id in (failed, again):
        one = rows.filter([run_id == other for other in rows["run_id"].to_pylist()])
        store.storage.write(f"runs/{run_id}.parquet", serialized(one))
        before = store.current()[run_id].date
        extend(store, run_id, {"status": "failed", "error": "out of memory", "replaces": before}, {})
    elsewhere = FinishedElsewhere(store)
    extend(store, again, {"status": "ok"}, {})
    compact(store)
    assert elsewhere.finished([failed, again, new]) == {again}
