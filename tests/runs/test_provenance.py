import subprocess
from pathlib import Path

import pytest

import rdbench
from rdbench.runs.provenance import git_commit

CHECKOUT = Path(rdbench.__file__).parent.parent


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="rdbench runs from no checkout")
def test_a_row_names_the_commit_of_the_checkout_that_rdbench_runs_from():
    told = subprocess.run(["git", "-C", CHECKOUT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    found = git_commit()
    assert found is not None
    assert found.removesuffix("+") == told.stdout.strip()
