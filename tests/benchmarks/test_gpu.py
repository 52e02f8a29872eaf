import json
import subprocess
import sys
from pathlib import Path

import pytest

import rdbench

SCRIPT = Path(rdbench.__file__).parent.parent / "benchmarks" / "gpu.py"


@pytest.mark.slow
def test_the_command_for_a_card_runs_to_its_end_where_there_is_none(tmp_path):
    """On a CPU, with small models: all that can be checked there passes, and the table comes last."""
    arguments = ["--device", "cpu", "--small", "--minutes", "3", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["what"] for row in rows if row["passed"] is False] == []
    assert sum(row["passed"] is True for row in rows) >= 6
    assert not any("no time" in str(row["found"]) for row in rows)
    lines = done.stdout.splitlines()
    assert len(lines) == len(rows) + 1
    assert lines[-1] == "no sweep is proposed: not all twelve families were timed"


def test_what_there_is_no_time_for_is_said(tmp_path):
    arguments = ["--device", "cpu", "--small", "--minutes", "0", "--out", str(tmp_path)]
    subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["found"] for row in rows if row["what"] in ("peaks", "equal", "jobs")} == {"left out: no time"}
