"""Finished runs judged again: what is added to their rows, what is refused, and what an interruption costs."""

import math

import numpy as np
import pytest
import torch

from rdbench.config.run_config import RunConfig
from rdbench.data import load
from rdbench.errors import UserError
from rdbench.measures import annealed, enumerated
from rdbench.runs import judging
from rdbench.runs.judging import Annealing, LabelProbe, SoftenedBound, judge_run
from rdbench.runs.run import execute
from rdbench.runs.trained import load_model
from rdbench.store.store import Store

SMALL = {
    "dataset": "sprites", "width": 0.02, "latent_dim": 3, "pseudo_inputs": 3, "epochs": 1, "batch_size": 16,
    "iwae": (1,), "rate_samples": 2, "train_images": 64, "evaluation_images": 7, "generated_images": 2,
}  # fmt: skip
NAMES = [f"ais_4{suffix}{error}" for suffix in ("", "_upper", "_gap", "_less_iwae") for error in ("", "_se")]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(judging, "COMPARED_DRAWS", 30)
    monkeypatch.setattr(judging, "ANNEALED_AT_ONCE", 3)


@pytest.fixture
def judged(tmp_path):
    """A store of one run; the function judges it and gives its row and what was said."""

    def make(judge, **family):
        store = Store(tmp_path)
        if not store.storage.is_there() or store.rows_or_none().empty:
            store.prepare()
            store.write(execute(RunConfig(**SMALL | family), "test", load("sprites"), torch.device("cpu")))
        (row,) = store.read("runs").frame.to_dict("records")
        said = []
        judge_run(judge, store, row, torch.device("cpu"), None, lambda done, of: None, said.append)
        (row,) = store.read("runs").frame.to_dict("records")
        return store, row, said

    return make


def test_annealing_adds_both_bounds_and_the_curve_and_says_its_cost_first(judged):
    judge = Annealing(4, 2, 5)
    _, row, said = judged(judge)
    assert all(math.isfinite(row[name]) for name in NAMES)
    assert (row["ais_images"], row["ais_chains"], row["ais_start"]) == (5, 2, "marginal")
    assert len(row["ais_rates"]) == len(row["ais_distortions"]) == 4
    assert said[0].startswith("176 passes of the decoder on 10 images each, some ")
    assert judge.is_done(row) and not Annealing(5, 2, 5).is_done(row)
    assert not Annealing(4, 2, 5, from_encoder=True).is_done(row)


def test_an_interrupted_annealing_goes_on_after_its_last_piece_with_the_same_numbers(judged, monkeypatch):
    """Seven images are three pieces; the third is interrupted, and only it is walked again."""
    store, whole, _ = judged(Annealing(4, 2, 7))
    forward, walked = annealed.forward, []

    def counted(*arguments):
        walked.append(arguments)
        if len(walked) == 5:
            raise KeyboardInterrupt
        return forward(*arguments)

    monkeypatch.setattr(annealed, "forward", counted)
    with pytest.raises(KeyboardInterrupt):
        judged(Annealing(4, 2, 7))
    kept = [name for name in store.storage.names("checkpoints") if "judged" in name]
    assert len(kept) == 1
    _, again, _ = judged(Annealing(4, 2, 7))
    assert len(walked) == 7
    assert [again[name] for name in NAMES] == [whole[name] for name in NAMES]
    assert list(again["ais_rates"]) == list(whole["ais_rates"])
    assert store.storage.names("checkpoints") == [store.checkpoint(again["run_id"])]


def test_the_pieces_of_another_judge_or_a_damaged_file_are_not_used(judged, monkeypatch):
    store, _, _ = judged(Annealing(4, 2, 7))
    monkeypatch.setattr(annealed, "backward", lambda *_: pytest.fail("interrupted"))
    with pytest.raises(pytest.fail.Exception):
        judged(Annealing(4, 2, 7))
    monkeypatch.undo()
    monkeypatch.setattr(judging, "COMPARED_DRAWS", 30)
    name = next(name for name in store.storage.names("checkpoints") if "judged" in name)
    assert judged(Annealing(3, 2, 7))[1]["ais_3_gap"] is not None
    store.storage.write(name, b"nonsense")
    _, row, _ = judged(Annealing(4, 2, 7))
    assert not store.storage.exists(name) and math.isfinite(row["ais_4"])


def test_a_path_from_the_encoder_has_bounds_and_no_curve(judged):
    _, row, _ = judged(Annealing(4, 2, 5, from_encoder=True))
    assert all(math.isfinite(row[name]) for name in NAMES) and row["ais_start"] == "encoder"
    assert row.get("ais_rates") is None


def test_an_encoder_whose_density_takes_an_inverse_is_no_start(judged):
    with pytest.raises(UserError, match=r"--from-encoder: log e.* of iaf takes a pass a dimension; leave it out"):
        judged(Annealing(4, 2, 5, from_encoder=True), encoder="iaf")


@pytest.mark.parametrize("decoder", ["deconv", "pixelcnn"])
def test_few_values_of_discrete_z_are_summed(judged, decoder):
    store, row, _ = judged(Annealing(4, 2, 5), encoder="bernoulli", marginal="autoregressive", decoder=decoder)
    model = load_model(store, row)
    images = judging.Splits.of(load("sprites"), RunConfig(**SMALL), torch.device("cpu")).test[:5]
    truth = enumerated.log_likelihood(model, images, enumerated.every_z(model.encoder)).mean()
    assert row["ais_4"] == pytest.approx(float(truth), rel=1e-6)
    assert row["ais_4_gap"] == row["ais_4_gap_se"] == 0
    assert row["ais_4_less_iwae"] > -4 * row["ais_4_less_iwae_se"] - 0.05
    assert row.get("ais_accepted") is None or math.isnan(row["ais_accepted"])


def test_too_many_values_of_discrete_z_are_refused(judged):
    with pytest.raises(UserError, match=r"--ais: z of this bernoulli has more than 4,096 values.*use --iwae"):
        judged(Annealing(4, 2, 5), encoder="bernoulli", marginal="uniform", latent_dim=13)


def test_a_probe_tells_what_it_reads_and_of_how_much(judged):
    _, row, _ = judged(LabelProbe())
    assert row["probe_entropy"] == pytest.approx(math.log(4))
    assert 0 <= row["probe_error"] <= 1
    assert row["probe_information"] < math.log(4)
    assert all(np.isfinite(row[f"probe_{name}_se"]) for name in ("information", "error"))
    assert LabelProbe().is_done(row)


CODES = {"encoder": "vq", "marginal": "uniform", "codes": 3, "grid": 4, "evaluation_images": 205}


def test_a_softened_bound_has_its_tau_and_is_measured_again_with_another(judged):
    judge = SoftenedBound(0.5, (1, 3))
    _, row, _ = judged(judge, **CODES)
    names = [f"softened_iwae_{k}" for k in (1, 3)]
    assert all(row[name] < 0 < row[f"{name}_se"] and row[f"{name}_tau"] == 0.5 for name in names)
    assert judge.is_done(row)
    assert not SoftenedBound(0.4, (1,)).is_done(row) and not SoftenedBound(0.5, (4,)).is_done(row)
    _, other, _ = judged(SoftenedBound(0.4, (1,)), **CODES)
    assert (other["softened_iwae_1_tau"], other["softened_iwae_3_tau"]) == (0.4, 0.5)
    assert other["softened_iwae_1"] != row["softened_iwae_1"]


def test_an_interrupted_softened_bound_goes_on_after_its_last_piece_with_the_same_numbers(judged, monkeypatch):
    """205 images are three pieces; the second is interrupted."""
    _, whole, _ = judged(SoftenedBound(0.5, (2,)), **CODES)
    forward, passes = judging.SoftenedEncoder.forward, []

    def counted(*arguments):
        passes.append(arguments)
        if len(passes) == 2:
            raise KeyboardInterrupt
        return forward(*arguments)

    monkeypatch.setattr(judging.SoftenedEncoder, "forward", counted)
    with pytest.raises(KeyboardInterrupt):
        judged(SoftenedBound(0.5, (2,)), **CODES)
    _, again, _ = judged(SoftenedBound(0.5, (2,)), **CODES)
    assert len(passes) == 4
    for name in ("softened_iwae_2", "softened_iwae_2_se"):
        assert again[name] == whole[name]


def test_only_codes_have_a_softened_bound(judged):
    with pytest.raises(UserError, match=r"--softened: z of encoder gaussian is not codes; .*choose by --family"):
        judged(SoftenedBound(0.5, (1,)))
