"""What the tests of strangers' files share: rows as they should be, and what a refusal must look like."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rdbench.analysis.report import FORMATS, assemble
from rdbench.config.run_config import RunConfig, make_run
from rdbench.errors import UserError

SHA256 = "d" * 64
EVIL_IDS = ["../../evil", "/tmp/evil", "a\nb", "a/b", "..", "", "a" * 65]
ESCAPE, CSI = "\x1b[31m", "\x9b31m"
SMALL = {"width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "iwae": [1]}


def row(**values):
    """The row of an honest run; what is no setting of a run replaces a column."""
    columns = {key: values.pop(key) for key in list(values) if key not in RunConfig.model_fields}
    sha256 = columns.get("dataset_sha256", SHA256)
    run = make_run({"iwae": [1, 5], "epochs": 20, **values})
    measured = {"rate": 5.0, "distortion": 80.0, "elbo": -85.0, "iwae_1": -85.0, "iwae_5": -84.0}
    return {
        **run.columns(), "precision": "float32", "run_id": run.run_id(sha256), "status": "ok", "error": None,
        "config": run.model_dump_json(), "dataset_sha256": sha256, "test_images": 20, "train_seconds": 3.0,
        "sweep": "demo", "command": "rdbench sweep demo", "created_at": "2026-01-01T00:00:00",
        **measured, **{f"{name}_se": 0.1 for name in measured}, **columns,
    }  # fmt: skip


def put(store, columns, name=None, table="runs"):
    """Write one row as a table of its own, in whatever types it has."""
    path = Path(str(store)) / table / f"{name or columns['run_id']}.parquet"
    pq.write_table(pa.table({key: [value] for key, value in columns.items()}), path)


def one_line(error):
    """What a UserError says, held to be one line that a terminal can show."""
    assert isinstance(error.value, UserError)
    assert str(error.value).isprintable(), str(error.value)
    return str(error.value)


def refused(store):
    """The one line that a report has for the one thing in a store that is none of ours, beside an honest run."""
    report = assemble(store, [], [], None, None)
    assert list(report.runs["run_id"]) == [row()["run_id"]]
    (line,) = report.skipped
    assert line.isprintable()
    assert FORMATS["table"](report) and FORMATS["json"](report)
    return line
