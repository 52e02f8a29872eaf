import pytest

from rdbench.analysis.report import FORMATS, assemble
from rdbench.analysis.stores import Stores, each, holder
from rdbench.store.store import EmptyTableError, Store


def test_several_stores_are_read_as_one(make_store):
    one = make_store({"seed": 1}, {"seed": 2}, name="one")
    other = make_store({"seed": 2}, {"seed": 3, "family": "+++"}, name="other")
    both = Stores([one, other])
    runs = both.read("runs").frame
    assert sorted(runs["seed"]) == [1, 2, 3]
    assert len(both.read("examples").frame) == 600
    stores = {run["seed"]: holder(both, run["run_id"]) for run in runs.to_dict("records")}
    assert stores == {1: one, 2: one, 3: other}
    report = assemble(both, [], [], None, None)
    assert len(report.runs) == 3 and len(report.differences) == 1
    assert report.store == f"{one}, {other}"
    assert "+++" in FORMATS["table"](report)
    assert each(both) == [one, other] and each(one) == [one]


def test_a_store_that_is_not_there_is_named(make_store, tmp_path):
    with pytest.raises(EmptyTableError, match=r"there is no store .*none"):
        Stores([make_store({}), Store(tmp_path / "none")]).read("runs")
