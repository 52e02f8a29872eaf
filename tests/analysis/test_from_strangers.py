"""Tables from strangers: what is no run's is named and skipped, the rest is reported and drawn."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import ESCAPE, put, refused, row
from safetensors.numpy import save as save_weights

from rdbench.analysis.plots import Look, draw
from rdbench.analysis.plots.others import paper_points
from rdbench.analysis.report import FORMATS, assemble
from rdbench.execute.finished_elsewhere import FinishedElsewhere
from rdbench.measures.exact import optimal
from rdbench.store import parquet

LIST = [0.5] * 64


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"config": None}, "its config is not JSON"),
        ({"config": "{"}, "its config is not JSON"),
        ({"config": "[" * 100_000}, "its config is not JSON"),
        ({"config": '{"seed": ' + "9" * 5000 + "}"}, "its config is not JSON"),
        ({"config": "[1]"}, "valid dictionary"),
        ({"config": '{"evil": 1}'}, "epochs is 20 in its column and 200 in its config"),  # evil: a newer setting
        ({"config": '{"\\u001b[31m": 1}'}, "\\x1b[31m: not the setting of a part"),
        ({"config": '{"iwae": [[1]]}'}, "iwae: found"),
        ({"config": '{"iwae": {"a": 1}}'}, "iwae: found"),
        ({"config": '{"epochs": 1e400}'}, "epochs: found inf"),
        ({"config": '{"latent_dim": 9223372036854775808}'}, "latent_dim: found"),
        ({"config": '{"beta": NaN}'}, "beta: found nan"),
        ({"config": '{"seed": true, "width": "wide"}'}, "width: found"),
        ({"config": '{"objective": "evil"}'}, "objective is beta-vae in its column and evil in its config"),
        ({"family": "<script>"}, "family is <script> in its column"),
        ({"family": f"{ESCAPE}\n"}, "family is \\x1b[31m\\n in its column"),
        ({"objective": "evil"}, "objective is evil in its column"),
        ({"beta": 3.0}, "beta is 3.0 in its column"),
        ({"seed": 17}, "seed is 17 in its column"),
        ({"status": "<b>"}, "status: found"),
        ({"status": None}, "status: found"),
        ({"test_images": 0}, "test_images: found 0"),
        ({"test_images": -(2**63)}, "test_images: found"),
        ({"entropy": -1.0}, "entropy: found -1"),
        ({"entropy": np.inf}, "entropy: found inf"),
        ({"rate": 1e308}, "a number is beyond 1e+100"),
        ({"rate_se": -1.0}, "a standard error is below 0"),
        ({"rate_by_dimension": LIST[1:]}, "found 63 rates; expected 64"),
        ({"rate": "1; drop table"}, "column rate: found string"),
        ({"rate": [1.0]}, "column rate: found list"),
        ({"rate": {"a": 1}}, "column rate: found struct"),
        ({"seed": 1.5}, "column seed: found double"),
        ({"error": b"\xff\xfe"}, "column error: found binary"),
        ({"family": {"a": 1}}, "column family: found struct"),
        ({"rate_by_dimension": "[1]"}, "column rate_by_dimension: found string"),
    ],
)
def test_a_row_that_is_of_no_run_is_named_and_skipped(store, changes, told):
    put(store, row(rate_by_dimension=LIST, entropy=80.0))
    put(store, row(seed=1, rate_by_dimension=LIST, entropy=80.0) | changes, "x")
    assert told in refused(store)


def test_what_is_left_of_a_hostile_store_is_reported_and_drawn(store, rdbench_command, tmp_path):
    put(store, row(seed=1) | {"config": "{"})
    code, _, told = rdbench_command("report", store)
    assert code == 3 and "no runs can be read" in told and told[:-1].isprintable()
    put(store, row())
    code, out, _ = rdbench_command("report", store, "--baseline", store)
    assert code == 3 and "1 of 1 run measured" in out
    code, _, told = rdbench_command("plot", store, "--kind", "phase", "--format", "png", "--out", tmp_path)
    assert code == 3 and "its config is not JSON" in told


def test_a_whole_row_counts_beside_a_newer_one_that_is_none(store):
    put(store, row())
    put(store, row(created_at="2027-01-01T00:00:00") | {"config": "{"}, "x")
    assert "its config is not JSON" in refused(store)


@pytest.mark.parametrize("table", ["runs", "history", "examples"])
def test_a_table_of_odd_construction_is_skipped_or_read_as_numbers(store, table):
    honest = row()
    put(store, honest)
    folder = Path(str(store)) / table
    keys = {"runs": honest, "history": {"epoch": 1}, "examples": {"index": 1}}[table]
    columns = {**keys, "run_id": honest["run_id"]}
    twice = pa.table([[value] for value in (*columns.values(), 1.0, 2.0)], names=[*columns, "rate", "rate"])
    pq.write_table(twice, folder / "twice.parquet")
    text = pa.array([b"\xff\xfe"]).view(pa.string())  # bytes that are no UTF-8
    pq.write_table(pa.table({**{key: [value] for key, value in columns.items()}, "error": text}), folder / "u.parquet")
    rows = store.read(table) if table == "runs" else None
    skipped = rows.skipped if rows else parquet.load(store.storage, table, None, None)[1]
    assert ["twice.parquet" in line or "u.parquet" in line for line in skipped] == [True, True]


def test_what_a_stranger_notes_for_pandas_is_ignored(store):
    noted = {"index_columns": ["run_id"], "columns": [{"name": "rate", "numpy_type": "evil"}]}
    metadata = {"pandas": json.dumps(noted)}
    table = pa.table({key: [value] for key, value in row().items()}).replace_schema_metadata(metadata)
    pq.write_table(table, Path(str(store)) / "runs" / "x.parquet")
    assert list(store.read("runs").frame["run_id"]) == [row()["run_id"]]


@pytest.mark.parametrize(
    "column",
    ["note", "rate_paper", "seeds", "frontier", "label", "description", "_family", "annealed", "neg_elbo", "judgement",
     "family_se", "config_se", "status_se", "seed_se", "iwae_007", "iwae_0", "iwae_٣", "iwae_" + "9" * 5000, "iwae_9"],
)  # fmt: skip
def test_columns_with_names_that_a_report_uses_itself_change_nothing(store, column):
    for seed in (0, 1):
        put(store, row(seed=seed, epochs=200))
    before = assemble(store, [], [], None, store)
    for seed in (0, 1):
        put(store, row(seed=seed, epochs=200) | {column: 3.0})
    after = assemble(store, [], [], None, store)
    assert after.paper.equals(before.paper) and len(after.paper) == 2
    if not column.startswith("iwae_9"):
        assert FORMATS["table"](after) == FORMATS["table"](before)
    assert FORMATS["json"](after)


@pytest.mark.parametrize(
    "missing",
    ["family", "objective", "beta", "seed", "dataset", "anneal_epochs", "error", "elbo", "test_images", "rate_se",
     "iwae_1", "iwae_1_se", "created_at", "command"],
)  # fmt: skip
def test_a_table_without_a_column_is_reported_and_drawn(store, missing, tmp_path):
    others = {"status": "failed"}, {"encoder": "iaf"}, {"dataset": "omniglot", "dataset_sha256": "e" * 64}
    for values in ({}, *({"seed": 1} | other for other in others)):
        put(store, {key: value for key, value in row(entropy=80.0, **values).items() if key != missing})
    report = assemble(store, [], [], None, store)
    assert len(report.runs) == 4 and FORMATS["table"](report) and FORMATS["json"](report)
    if missing != "elbo":
        paths, *_ = draw(store, report.runs, ["plane"], ["png"], tmp_path / "out", Look(others=paper_points()))
        assert len(paths) == 2


@pytest.mark.parametrize(
    "examples",
    [
        {"index": [0, 1]},
        {"index": [0, 1], "rate": [1.0, np.nan], "distortion": [1.0, 1.0]},
        {"index": [0, 1], "rate": [1.0, np.inf], "distortion": [1.0, 1.0]},
        {"index": [0], "rate": [1.0], "distortion": [1.0]},
        {"index": [0, None, 2], "rate": [1.0] * 3, "distortion": [1.0] * 3},
    ],
)
def test_images_that_are_none_are_compared_with_nothing(store, examples):
    whole = {"index": [0, 1], "rate": [1.0, 2.0], "distortion": [1.0, 1.0]}
    others = whole if "rate" in examples else examples
    for encoder, columns in {"gaussian": others, "iaf": examples}.items():
        run = row(encoder=encoder, test_images=2)
        put(store, run)
        columns = {"run_id": [run["run_id"]] * len(columns["index"]), **columns}
        pq.write_table(pa.table(columns), Path(str(store)) / "examples" / f"{run['run_id']}.parquet")
    report = assemble(store, [], [], None, None)
    assert report.differences.empty and FORMATS["table"](report)


@pytest.mark.parametrize(
    ("epochs", "value"),
    [([1, 2**62], 1.0), ([1, 2, -(2**62)], 1.0), ([1, 2, 0], 1.0), ([1, 2, None], 1.0), ([None, 2**62, 1], 1e308)]
    + [([1, 2], value) for value in (np.inf, 1e308, -1e308, np.nan, "absent")],
)
def test_a_hostile_history_is_drawn(store, epochs, value, rdbench_command, tmp_path):
    put(store, row())
    columns = {"run_id": [row()["run_id"]] * len(epochs), "epoch": pa.array(epochs, pa.int64())}
    if value != "absent":
        columns |= {name: [value] * len(epochs) for name in ("valid_rate", "valid_distortion", "beta")}
    pq.write_table(pa.table(columns), Path(str(store)) / "history" / f"{row()['run_id']}.parquet")
    assert rdbench_command("plot", store, "--kind", "history", "--format", "png", "--out", tmp_path)[0] == 0


@pytest.mark.parametrize(("epoch", "told"), [(-1, "has no epoch"), (1, "one epoch makes no line")])
def test_a_history_without_two_epochs_is_left_out(store, rdbench_command, tmp_path, epoch, told):
    put(store, row())
    put(store, {"run_id": row()["run_id"], "epoch": epoch}, table="history")
    code, _, error = rdbench_command("plot", store, "--kind", "history", "--out", tmp_path)
    assert code == 2 and told in error


def test_a_compacted_file_that_is_none_tells_a_sweep_nothing(store):
    elsewhere = FinishedElsewhere(store)
    store.storage.write("runs/compacted-x.parquet", b"no Parquet")
    put(store, {"run_id": "../../evil", "status": "ok"}, "compacted-y")
    put(store, row(), "compacted-z")
    assert elsewhere.finished([row()["run_id"], "../../evil"]) == {row()["run_id"]}


def test_tables_of_the_toy_that_are_none_are_not_drawn(store, rdbench_command, tmp_path):
    toy = {"dataset": "toy", "encoder": "discrete", "decoder": "discrete", "marginal": "discrete"}
    put(store, elbo := row(**toy))
    put(store, target := row(**toy, objective="target-rate", target_rate=5.0))
    honest = optimal()._asdict()
    no_numbers = [{name: np.full_like(table, np.nan) for name, table in honest.items()},
                  {name: np.zeros(table.shape, np.complex64) for name, table in honest.items()}]  # fmt: skip
    for found in ({}, {"evil": np.zeros(1)}, {"log_encoder": np.zeros(1)}, *no_numbers):
        for run in (elbo, target):
            store.storage.write(store.checkpoint(run["run_id"]), save_weights(found))
        code, _, told = rdbench_command("plot", store, "--kind", "toy", "--out", tmp_path / "out")
        assert code == 2 and "does not hold this run's tables" in told
