"""Paired differences between runs measured on the same images."""

import numpy as np
import pytest
from scipy import stats

from rdbench.analysis.report import assemble
from rdbench.analysis.report.paired import beside_the_best, interval
from rdbench.store.parquet import files


def test_paired_differences_see_through_noise_that_images_share(make_store):
    store = make_store({}, {"family": "--+", "distortion": 80.5}, {"family": "--v", "distortion": 95.0})
    differences = assemble(store, [], [], None, None).differences.set_index("other")
    close = differences.loc["--+  β 1"]
    assert close["difference"] == pytest.approx(0.5, abs=1e-4)
    assert close["finding"] == "behind"  # though the images' own spread is 10 nats
    assert close["low"] <= close["difference"] <= close["high"]


def test_the_interval_is_students():
    values = np.random.default_rng(1).exponential(2, 7)
    expected = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    assert interval(values, 0.9) == pytest.approx(expected)


@pytest.mark.parametrize("images", [2, 5, 100])
def test_intervals_cover_the_truth_as_often_as_they_say(images):
    samples = np.random.default_rng(images).normal(0.3, 2, (2000, images))
    ends = np.array([interval(values, 0.95) for values in samples])
    covered = np.mean((ends[:, 0] <= 0.3) & (ends[:, 1] >= 0.3))
    assert covered == pytest.approx(0.95, abs=0.02)  # four standard errors


@pytest.mark.parametrize("images", [5, 100])
def test_of_twelve_equal_models_hardly_ever_is_one_behind(images):
    generator, seen = np.random.default_rng(0), 0
    for _ in range(200):
        values = generator.normal(80, 5, (12, images))
        order = values.mean(axis=1).argsort()
        best = [{"run_id": f"{index}", "dataset": "equal", "label": f"{index}"} for index in order]
        rows = beside_the_best(best, {f"{index}": nats for index, nats in enumerate(values)}, 12)
        seen += any(row["finding"] == "behind" for row in rows)
    assert seen <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_one_image_is_too_few(make_store):
    store = make_store(*({"family": family, "images": 1, "distortion": 80.0 + number}
                         for number, family in enumerate(("---", "--+"))))  # fmt: skip
    (row,) = assemble(store, [], [], None, None).differences.to_dict("records")
    assert row["finding"] == "too few images"


def test_no_other_run_is_crowned_where_the_best_has_no_examples(make_store, tmp_path):
    store = make_store({"distortion": 70.0}, {"family": "--+"}, {"family": "--v", "distortion": 85.0})
    best = assemble(store, [], [], None, None).differences["run_ids"].iloc[0][0]
    store.storage.delete(*files(store.storage, "examples", [best]))
    report = assemble(store, [], [], None, None)
    assert report.exit_code == 3
    assert any(f"run {best}, the best, has no 200 examples" in line for line in report.problems)
    assert report.differences.empty
