import numpy as np
import pytest

from rdbench.errors import UserError
from rdbench.plan import plan
from rdbench.store import Record, Store
from rdbench.sweep import load_sweep


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


@pytest.mark.parametrize(
    ("dataset", "target", "ceiling"), [("sprites", 31.7, "31.61"), ("toy", 3.1, "3.02"), ("mnist", 544, "543.43")]
)
def test_a_target_above_what_the_data_can_carry_is_refused_with_the_ceiling(dataset, target, ceiling, tmp_path):
    family = "ddd" if dataset == "toy" else "---"
    values = {"dataset": dataset, "family": family, "objective": "target-rate", "target_rate": target}
    with pytest.raises(UserError, match=f"{dataset} carries at most {ceiling} nats"):
        plan(load_sweep("demo").with_values(values).runs(), Store(tmp_path), None)
