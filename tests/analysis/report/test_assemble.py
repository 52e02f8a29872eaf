"""Verdicts and exit codes on stores whose truth is known."""

from pathlib import Path

import pandas as pd
import pytest

from rdbench.analysis.report import FORMATS, assemble
from rdbench.errors import UserError
from rdbench.store.store import EmptyTableError


def checked(store, *, families=(), baseline=None):
    return assemble(store, list(families), [], None, baseline)


def test_sound_runs_pass(make_store):
    report = checked(make_store({}, {"family": "-+v", "distortion": 78.0, "iwae_1": -83.0, "iwae_5": -82.0}))
    assert report.exit_code == 0
    assert {verdict.status for verdict in report.verdicts} == {"holds", "not measured"}


@pytest.mark.parametrize(
    ("values", "claim"),
    [
        ({"entropy": 90.0}, "R + D and −IWAE-k ≥ H"),
        ({"entropy": 84.5, "iwae_5": -34.0}, "R + D and −IWAE-k ≥ H"),  # an inflated IWAE
        ({"entropy": 80.0, "elbo_gap": -0.5, "elbo_gap_se": 0.1}, "R + D and −IWAE-k ≥ H"),  # seen image by image only
        ({"encoder_gap": -0.5, "encoder_gap_se": 0.1}, "nor below the ELBO"),
        ({"iwae_5": -85.5}, "IWAE-k does not fall"),
        ({"rate": -2.0, "iwae_1": -78, "iwae_5": -78}, "R ≥ 0"),
        ({"iwae_5": float("nan")}, "finite"),
    ],
)
def test_a_broken_bound_fails_and_names_its_run(make_store, values, claim):
    store = make_store({"family": "+++"}, values)
    report = checked(store)
    broken = {verdict.claim: verdict.broken for verdict in report.verdicts if verdict.status == "broken"}
    assert report.exit_code == 1
    assert any(claim in words for words in broken)
    named = {run_id for run_ids in broken.values() for run_id in run_ids}
    assert list(report.runs.set_index("run_id").loc[list(named), "family"]) == ["gaussian-deconv-gaussian"]


def test_each_run_is_judged_by_the_k_it_was_asked_for(make_store):
    """Beside a run with another k, IWAE-50 below IWAE-1 is still seen, and what is no exact bound is still none."""
    low = {"seed": 1, "iwae": [1, 50], "iwae_1": -85.0, "iwae_50": -99.0, "iwae_5": float("nan")}
    loose = {"seed": 2, "iwae": [3, 6, 10], "iwae_3": -85.0, "iwae_6": -85.01, "iwae_10": -84.0}
    other = {"seed": 3, "iwae": [3, 6, 30], "iwae_3": -85.0, "iwae_6": -84.0, "iwae_30": -83.0}
    report = checked(make_store({}, low, loose, other))
    broken = [run_id for verdict in report.verdicts for run_id in verdict.broken]
    assert set(report.runs.set_index("run_id").loc[broken, "seed"]) == {1}


def test_one_image_has_no_error_and_so_lacks_a_number(make_store):
    report = checked(make_store({"entropy": 90.0, "images": 1}))
    assert "broken" not in {verdict.status for verdict in report.verdicts}
    assert report.exit_code == 3


def test_a_row_that_is_not_finite_breaks_the_gate_and_nothing_else(make_store):
    store = make_store({"seed": 1}, {"distortion": float("nan")}, {"seed": 2, "distortion": 70.0, "rate": 6.0})
    report = checked(store)
    assert report.exit_code == 1
    assert list(report.runs.set_index("seed")["frontier"][[1, 2]]) == [True, True]


def test_runs_on_other_images_are_not_ranked_together(make_store):
    few = {"family": "+++", "images": 50, "evaluation_images": 50, "rate": 1.0, "distortion": 60.0}
    report = checked(make_store({}, {"family": "--+", "distortion": 81.0}, few))
    assert report.runs.set_index("family").loc["gaussian-deconv-gaussian", "frontier"]
    assert [other[:3] for other in report.differences["other"]] == ["--+"]


def test_other_settings_are_not_other_seeds(make_store):
    report = checked(make_store({}, {"iwae": [1]}, {"seed": 1}))
    assert sorted(report.rows["seeds"]) == [1, 2]


def test_a_bound_missed_by_less_than_its_error_holds(make_store):
    assert checked(make_store({"entropy": 85.2, "iwae_5": -85.0})).exit_code == 0


def test_ks_that_a_run_was_not_asked_for_are_not_missed(make_store):
    assert checked(make_store({}, {"iwae": [1], "seed": 1, "iwae_5": float("nan")})).exit_code == 0


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_run_that_did_not_end_well_is_a_gap_and_not_a_pass(make_store, status):
    report = checked(make_store({}, {"seed": 1, "status": status, "error": "rate nan by step 7"}))
    assert report.exit_code == 3
    assert "rate nan by step 7" in report.problems[0]


def test_nothing_measured_never_passes(make_store):
    report = checked(make_store({"status": "failed"}))
    assert report.exit_code == 3
    assert "no run was measured" in report.problems
    assert {verdict.status for verdict in report.verdicts} == {"not measured"}


@pytest.mark.parametrize("name", ["runs/x.parquet", "plans/x.json"])
def test_an_unreadable_file_is_a_problem(make_store, name):
    store = make_store({})
    (Path(str(store)) / name).write_text("{}")
    report = checked(store)
    assert report.exit_code == 3
    assert name in report.problems[0]


def test_data_of_ones_own_may_have_fewer_images_than_asked_for(make_store):
    assert checked(make_store({"evaluation_images": 1000, "images": 200})).exit_code == 0
    assert checked(make_store({"evaluation_images": 100, "images": 200}, name="more")).exit_code == 1


@pytest.mark.parametrize("other", [{}, {"distortion": 70.0}])
def test_a_run_that_is_there_twice_is_a_problem(make_store, other):
    store = make_store({"seed": 1}, {})
    paths = sorted((Path(str(store)) / "runs").iterdir())
    runs = pd.concat([pd.read_parquet(path) for path in paths])
    for path in paths:
        path.unlink()
    pd.concat([runs, runs.head(1).assign(**other)]).to_parquet(paths[0].with_stem("compacted-0"), index=False)
    report = checked(store)
    assert report.exit_code != 0
    assert any(f"run {runs['run_id'].iloc[0]} is there twice" in line for line in report.problems)


def test_the_same_row_in_two_files_counts_once(make_store):
    """As a crash leaves it between the writing of a merged file and the deletion of what it holds."""
    store = make_store({"seed": 1}, {})
    paths = sorted((Path(str(store)) / "runs").iterdir())
    pd.concat([pd.read_parquet(path) for path in paths]).to_parquet(paths[0].with_stem("compacted-0"), index=False)
    report = checked(store)
    assert report.exit_code == 0, report.problems
    assert len(report.runs) == 2


def test_unreadable_examples_are_a_problem(make_store):
    store = make_store({}, {"family": "--+"})
    for path in (Path(str(store)) / "examples").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    report = checked(store)
    assert report.exit_code == 3
    assert sum("not a table of examples" in line for line in report.problems) == 2


def test_a_store_whose_only_table_is_unreadable_says_so(make_store):
    store = make_store({})
    for path in (Path(str(store)) / "runs").iterdir():
        path.write_text("")
    with pytest.raises(EmptyTableError, match=r"no runs can be read: .*not a table of runs") as caught:
        checked(store)
    assert caught.value.exit_code == 3
    with pytest.raises(UserError, match="not a table of runs"):
        store.finished()


def test_a_store_in_which_every_run_diverged_is_reported(make_store):
    store = make_store({})
    (path,) = (Path(str(store)) / "runs").iterdir()
    runs = pd.read_parquet(path).assign(status="diverged", error="nan nats")
    runs.drop(columns=[name for name in runs if name.startswith(("rate", "distortion", "elbo", "iwae"))]).to_parquet(
        path
    )
    report = checked(store)
    assert report.exit_code == 3
    assert "diverged: nan nats" in report.problems[0]
    for render in FORMATS.values():
        assert "diverged" in render(report)


def test_seeds_become_a_mean_and_a_spread(make_store):
    report = checked(make_store(*({"seed": seed, "distortion": 80.0 + seed} for seed in range(3))))
    (row,) = report.rows.to_dict("records")
    assert (row["seeds"], row["distortion"], row["distortion_se"]) == (3, 81.0, 1.0)


def test_a_mean_over_some_of_the_seeds_says_over_how_many(make_store):
    later = {"iwae_7": -80.0, "iwae_7_se": 0.5}
    store = make_store(*({"seed": seed} | (later if seed else {}) for seed in range(3)), {"family": "--+"})
    lines = FORMATS["table"](checked(store)).splitlines()
    (row,) = [line for line in lines if line.startswith("---") and "±" in line]
    assert "80.00±0.00 (2 of 3)" in row and "80.00±0.00 (2 of 3)*" not in row
    assert row.count(" of 3)") == 1


def test_a_choice_that_leaves_nothing_is_refused(make_store):
    with pytest.raises(UserError, match="none of 1 run has the families"):
        checked(make_store({}), families=["+++"])


def test_the_papers_points_are_answered_and_judged_by_protocol(make_store):
    full = {"epochs": 200, "width": 1.0}
    report = checked(
        make_store(
            {**full, "rate": 27.0, "distortion": 60.3, "iwae_1": -87, "iwae_5": -86},  # printed: 27.1, 60.0
            {**full, "family": "+-v", "rate": 25.0, "distortion": 70.0, "iwae_1": -95, "iwae_5": -94},  # 83.4 printed
            {"epochs": 2, "width": 0.5, "family": "--+"},  # 85.0 for 84.2
            {**full, "family": "+-+", "train_images": 1000},
            {**full, "family": "+--", "rate": 10.0, "distortion": 10.0, "iwae_1": -20, "iwae_5": -20},  # 85.8 printed
            {**full, "family": "-+v", "beta": 0.1, "anneal_epochs": 50, "rate": 150.0},
            {**full, "family": "-+-", "distortion": 130.0, "elbo_se": float("nan")},
        )
    )
    judged = report.paper.set_index("family")["judgement"].to_dict()
    assert judged == {
        "gaussian-deconv-gaussian": "agrees",
        "iaf-deconv-vamp": "worse",
        "gaussian-deconv-maf": "within 0.8 nats of print at 0.0025 of its training compute",  # 2/200 × (1/2)²
        "iaf-deconv-maf": "within 1.3 nats of print at 0.02 of its training compute",  # 1,000 of 50,000 images
        "iaf-deconv-gaussian": "implausible",
        "gaussian-pixelcnn-vamp": "not judged: the sources differ on β",
        "gaussian-pixelcnn-gaussian": "not judged: no standard error",
    }
    assert report.paper.set_index("family").loc["gaussian-deconv-gaussian", "neg_elbo_difference"] == pytest.approx(0.2)
    assert report.exit_code == 1
