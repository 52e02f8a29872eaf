import io

import pandas as pd
import pytest

from rdbench.analysis.report import FORMATS, assemble
from rdbench.analysis.report.cells import with_error


@pytest.fixture
def report(make_store):
    failed = {"family": "+++", "status": "failed", "error": "50% & more_\\n"}
    return assemble(make_store({}, {"family": "-+v", "rate": 0.5}, failed), [], [], None, None)


def test_latex_is_a_booktabs_table_that_says_what_the_report_says(report):
    lines = FORMATS["latex"](report).splitlines()
    assert all(line.isascii() for line in lines if not line.startswith("%"))
    body = lines[lines.index(r"\toprule") : lines.index(r"\bottomrule")]
    rows = [line for line in body if line.endswith(r"\\")]
    (columns,) = [line for line in lines if line.startswith(r"\begin{tabular}")]
    assert {line.count(" & ") + 1 for line in rows} == {len(columns.split("{")[-1].rstrip("}"))}
    assert len(rows) == 1 + 3
    (run,) = [run for run in report.rows.to_dict("records") if run["rate"] == 0.5]
    rate = with_error(run, "rate").replace("±", r"$\pm$")
    assert any(line.startswith("{-}+v") and f" {rate} &" in line for line in rows)


def test_csv_has_every_number_of_every_run_unrounded(report):
    found = pd.read_csv(io.StringIO(FORMATS["csv"](report))).set_index("run_id")
    assert sorted(found.index) == sorted(report.runs["run_id"])
    for run in report.runs.to_dict("records"):
        for name in ("rate", "distortion_se", "elbo", "iwae_5"):
            assert found.loc[run["run_id"], name] == run[name]
