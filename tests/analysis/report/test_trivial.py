import pandas as pd
import pytest

from rdbench.analysis.report import FORMATS, assemble
from rdbench.analysis.report.trivial import untrained

COINS = 543.4


def checked(store):
    return assemble(store, [], [], None, None)


@pytest.mark.parametrize("status", ["untrained", "ok"])
def test_a_run_worse_than_fair_coins_fails_whatever_its_status(make_store, status):
    error = "worse than fair coins" if status == "untrained" else None
    values = {"distortion": COINS, "rate": 4.0, "elbo_se": 1.0, "status": status, "error": error}
    report = checked(make_store({}, values | {"seed": 1}))
    assert report.exit_code == 1
    (line,) = [line for line in report.regressions if line.startswith("untrained: ")]
    assert f"run {report.runs.set_index('seed')['run_id'][1]}" in line
    assert "fair coins" in line
    assert not any("untrained" in line for line in report.problems)


@pytest.mark.parametrize(
    "values",
    [
        {"rate": 4.0, "elbo_se": 1.4},  # within 3 standard errors
        {"rate": 4.0, "elbo_se": 1.0, "allow_untrained": True},
        {"rate": 4.0, "elbo_se": 1.0, "image_side": 32},  # where coins give 709.8
    ],
)
def test_a_run_near_fair_coins_allowed_or_of_larger_images_is_trained(make_store, values):
    report = checked(make_store({"distortion": COINS, **values}))
    assert not [line for line in report.regressions if "untrained" in line]


def test_ruins_are_untrained_however_large_their_error(make_store):
    report = checked(make_store({"distortion": 1e6, "elbo_se": 1e6}))
    assert [line for line in report.regressions if "untrained" in line]


def test_a_run_behind_independent_pixels_is_named_and_passes(make_store):
    behind = {"independent_pixels": 80.0, "elbo_se": 1.0}
    store = make_store(behind, {"independent_pixels": 80.0, "seed": 1, "distortion": 70.0})
    report = checked(store)
    assert not any("pixels" in line for line in (*report.regressions, *report.problems))
    (line,) = report.notes
    assert f"run {report.runs.set_index('seed')['run_id'][0]}" in line
    for render in (FORMATS[name] for name in ("table", "markdown", "json", "html")):
        assert "independent" in render(report)


def test_a_run_whose_loss_jumped_is_named_and_passes(make_store):
    report = checked(make_store({"jumps": 2}, {"seed": 1, "jumps": 0}))
    (line,) = report.notes
    assert f"run {report.runs.set_index('seed')['run_id'][0]}" in line and "jumped" in line and "2 times" in line
    assert report.exit_code == 0


def test_a_decoder_of_labels_is_judged_by_its_distortion_and_the_toy_by_its_values():
    """R of a decoder of labels is no part of what guessing costs."""
    common = {"family": "a-b-c", "objective": "beta-vae", "beta": 1.0, "status": "ok", "error": None, "elbo_se": 0.1}
    of_labels = common | {"dataset": "mnist", "labels": "digit", "classes": 10, "distortion_se": 0.1}
    runs = pd.DataFrame(
        [
            of_labels | {"run_id": "good", "elbo": -601.0, "distortion": 1.0},
            of_labels | {"run_id": "bad", "elbo": -4.0, "distortion": 3.0},
            common | {"run_id": "toy", "dataset": "toy", "elbo": -3.3, "distortion": 3.0},
            common | {"run_id": "wild", "dataset": "toy", "elbo": -9.0, "distortion": 3.0},
        ]
    )
    assert [line.split()[2] for line in untrained(runs)] == ["bad", "wild"]
