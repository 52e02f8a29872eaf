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


@pytest.mark.parametrize("judge", [["--labels"], ["--ais=3"], ["--iwae=2", "--labels"]])
@pytest.mark.parametrize("split", ["valid", "train", "tset"])
def test_another_split_is_of_iwae_alone(judge, split, rdbench_command):
    code, out, err = rdbench_command("evaluate", "nowhere", *judge, f"--split={split}")
    assert (code, out) == (2, "")
    assert f"--split {split}: --labels and --ais measure the test split" in err and err.count("\n") == 1


@pytest.mark.parametrize("option", ["--chains=2", "--images=5", "--from-encoder"])
@pytest.mark.parametrize("others", [["--iwae=2"], ["--labels"]])
def test_settings_of_annealing_need_annealing(option, others, rdbench_command):
    code, out, err = rdbench_command("evaluate", "nowhere", *others, option)
    assert (code, out) == (2, "")
    assert "say how to anneal; set --ais TEMPERATURES too" in err and err.count("\n") == 1
