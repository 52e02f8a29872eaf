import json
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbench import data
from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.config.sweep import Sweep, load_sweep
from rdbench.errors import UserError
from rdbench.execute.plan import parse_shard, plan
from rdbench.store.schema import Record
from rdbench.store.store import Store

PUBLISHED = sorted((Path(__file__).parent.parent.parent / "results").glob("*/runs"))
SPRITES = "886289882fcc86549af392fbf3314f4c101c427dc4b07857b362167497720cf5"


def some(*values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)


GRIDS = st.fixed_dictionaries(
    {"dataset": st.just(("sprites",)), "family": some("---", "-+v", "gaussian-deconv-gaussian", "iaf-deconv-maf")},
    optional={
        "seed": some(0, 1, "1", 7, 2**63 - 1),
        "beta": some(0, 0.5, "0.5", 1, 1e-7, 1e22),
        "objective": st.sampled_from([("beta-vae",), ("free-bits",), ("target-rate",)]),
        "free_nats": some(2, 3.5),
        "target_rate": some(2.5, 8),
        "anneal_epochs": some(0, 5, 20),
        "epochs": some(10, "10", 30),
        "iwae": st.sampled_from([((5, 1),), ((1, 5), [7])]),
        "train_images": some("all", 100),
    },
)


def one_by_one(grid):
    """Every run of a grid of one objective once, each made and validated by itself."""
    last = ("seed", "family") if "seed" in grid else ("family",)
    keys = [*(key for key in grid if key not in last), *last]
    points = [dict(zip(keys, point, strict=True)) for point in product(*(grid[key] for key in keys))]
    return dict.fromkeys(make_run(point | parse_family(point.pop("family"))._asdict()) for point in points)


def outcome(make):
    """The runs, or why there are none."""
    try:
        return list(make())
    except UserError as error:
        return str(error)


def finish(store, run_ids):
    """Keep a row of each of these runs."""
    store.prepare()
    for run_id in run_ids:
        store.write(
            Record(
                run_id,
                {"run_id": run_id, "status": "ok"},
                {"run_id": [], "epoch": []},
                {"run_id": [], "index": []},
                {"weight": np.zeros(1, np.float32)},
            )
        )


@pytest.fixture
def sweep():
    return load_sweep("demo").with_values({"beta": [0.5, 1]})


def test_what_has_a_row_is_not_pending(sweep, tmp_path):
    store = Store(tmp_path)
    first = plan(sweep, store.finished(), None)
    assert len(first.runs) == len(first.pending) == 24
    done = list(first.runs)[3:10]
    finish(store, done)
    assert set(plan(sweep, store.finished(), None).pending) == set(first.runs) - set(done)


@given(GRIDS)
def test_a_plan_has_the_runs_that_are_made_one_by_one(grid):
    found, expected = outcome(Sweep("mine", "", (grid,)).runs), outcome(partial(one_by_one, grid))
    assert found == expected
    if isinstance(found, list):
        planned = plan(Sweep("mine", "", (grid,)), (), None)
        named = [(run.run_id(SPRITES), run) for run in expected]
        assert list(planned.runs.items()) == list(planned.pending.items()) == named


@pytest.mark.parametrize("seeds", [(-1, 0), (0, 2**63), (0, "x"), (0, 0.5)])
def test_a_bad_seed_is_refused_wherever_it_stands(seeds):
    with pytest.raises(UserError, match="seed: found") as caught:
        Sweep("mine", "", ({"family": ("---",), "seed": seeds},)).runs()
    assert str(caught.value) == outcome(partial(one_by_one, {"family": ("---",), "seed": seeds}))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.parent.name)
def test_published_runs_keep_their_ids(folder):
    rows = pq.read_table(folder, columns=["run_id", "config", "dataset_sha256"]).to_pylist()
    assert rows
    for row in rows:
        assert make_run(json.loads(row["config"])).run_id(row["dataset_sha256"]) == row["run_id"]


def test_a_dry_run_of_what_is_done_loads_neither_torch_nor_pandas(sweep, tmp_path):
    finish(Store(tmp_path), list(plan(sweep, (), None).runs))
    command = ["sweep", "demo", "--beta", "0.5", "--beta", "1", "--dry-run", "--store", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "rdbench", *command], capture_output=True, text=True, check=True
    )
    assert "0 of 24 runs to do" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "rdbench.execute.plan" in loaded and not {"torch", "pandas"} & loaded


@pytest.mark.parametrize(
    ("dataset", "target", "ceiling"), [("sprites", 31.7, "31.61"), ("toy", 3.1, "3.02"), ("mnist", 544, "543.43")]
)
def test_a_target_above_what_the_data_can_carry_is_refused_with_the_ceiling(dataset, target, ceiling, tmp_path):
    family = "ddd" if dataset == "toy" else "---"
    values = {"dataset": dataset, "family": family, "objective": "target-rate", "target_rate": target}
    with pytest.raises(UserError, match=f"{dataset} carries at most {ceiling} nats"):
        plan(load_sweep("demo").with_values(values), (), None)


def test_a_plan_fetches_nothing_unless_it_may(monkeypatch):
    monkeypatch.setattr(data, "load", lambda *_: pytest.fail("it opened the files"))
    monkeypatch.setattr(data, "present", lambda *_: False)
    both = Sweep("both", "", ({"family": ("---",), "dataset": ("mnist", "omniglot")},))
    planned = plan(both, (), None, fetch=False)
    mnist, omniglot = (make_run({"dataset": name}) for name in ("mnist", "omniglot"))
    assert list(planned.pending.values()) == [mnist, omniglot]
    assert next(iter(planned.pending)) == mnist.run_id(data.DATASETS["mnist"].sha256)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0/4", "a part from 1/4 to 4/4"), ("5/4", "a part from 1/4 to 4/4"), ("x", "such as 3/16"), ("1/0", "such as")],
)
def test_a_shard_that_is_not_there_is_refused_with_those_that_are(text, expected):
    with pytest.raises(UserError, match=expected):
        parse_shard(text)
