"""What `rdbench evaluate` refuses before it opens a store."""

import pytest


@pytest.mark.parametrize(
    "options",
    [
        ["--softened=0", "--iwae=2"],
        ["--softened=-1", "--iwae=2"],
        ["--softened=nan", "--iwae=2"],
        ["--softened=0.5"],
        ["--softened=0.5", "--iwae=2", "--split=valid"],
    ],
)
def test_a_softened_bound_needs_a_positive_tau_a_k_and_the_test_split(options, rdbench_command):
    code, out, err = rdbench_command("evaluate", "nowhere", *options)
    assert (code, out) == (2, "")
    assert "expected τ above 0, --iwae K, and no other split than test" in err and err.count("\n") == 1
