import numpy as np
import pytest

from rdbench.config import load_sweep
from rdbench.plan import plan
from rdbench.store import Record, Store


@pytest.fixture
def runs():
    return load_sweep("demo").with_values({"beta": [0.5, 1]}).runs()


def test_what_has_a_row_is_not_pending(runs, tmp_path):
    store = Store(tmp_path)
    first = plan(runs, store, None)
    assert len(first.runs) == len(first.pending) == 24
    store.prepare()
    done = list(first.runs)[3:10]
    for run_id in done:
        weights = {"weight": np.zeros(1, np.float32)}
        store.write(
            Record(
                run_id,
                {"run_id": run_id, "status": "ok"},
                {"run_id": [], "epoch": []},
                {"run_id": [], "index": []},
                weights,
            )
        )
    assert set(plan(runs, store, None).pending) == set(first.runs) - set(done)
