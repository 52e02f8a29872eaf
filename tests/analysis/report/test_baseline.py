"""Runs beside those of another store."""

from rdbench.analysis.report import assemble


def findings(now, before, by="family"):
    return assemble(now, [], [], None, before).baseline.set_index(by)["finding"].to_dict()


def test_a_baseline_is_matched_on_description(make_store):
    before = make_store({}, {"family": "--+"}, {"family": "--v"}, {"family": "+--"}, name="before")
    changed = ({"distortion": 80.1}, {"family": "--+", "distortion": 87.0}, {"family": "--v", "distortion": 74.0})
    now = make_store(*changed, {"family": "+++"}, name="now")
    assert findings(now, before) == {
        "gaussian-deconv-gaussian": "same",
        "gaussian-deconv-maf": "regression",
        "gaussian-deconv-vamp": "better",
        "iaf-deconv-gaussian": "missing here",
        "iaf-pixelcnn-maf": "not in the baseline",
    }
    assert assemble(now, [], [], None, before).exit_code == 1


def test_images_are_paired_where_both_stores_have_them(make_store, tmp_path):
    before, now = make_store({}, name="before"), make_store({"distortion": 86.0}, name="now")
    assert findings(now, before, "seed") == {0: "regression"}  # the error of the mean is 0.7 nats, of pairs none
    for path in (tmp_path / "now" / "examples").iterdir():
        path.unlink()
    assert findings(now, before, "seed") == {0: "same"}


def test_as_many_nats_of_rate_as_of_distortion_are_a_change(make_store):
    before = make_store({"rate": 8.0}, name="before")
    now = make_store({"rate": 0.5, "distortion": 87.5}, name="now")
    assert findings(now, before, "seed") == {0: "moved"}
    assert assemble(now, [], [], None, before).exit_code == 1


def test_seeds_tell_the_noise_of_training(make_store):
    quiet = [{"seed": seed, "distortion": 80 + 0.1 * seed} for seed in range(5)]
    noisy = [{"seed": seed, "distortion": 80 + 6.0 * seed} for seed in range(5)]
    for runs, finding in ((quiet, "regression"), (noisy, "same")):
        before = make_store(*runs, name=f"before-{finding}")
        worse = [run | {"distortion": run["distortion"] + 2} for run in runs]
        assert set(findings(make_store(*worse, name=f"now-{finding}"), before, "seed").values()) == {finding}


def test_a_run_without_an_error_cannot_be_compared(make_store):
    before, now = make_store({}, name="before"), make_store({"elbo_se": float("nan")}, name="now")
    assert findings(now, before, "seed") == {0: "no error known"}
