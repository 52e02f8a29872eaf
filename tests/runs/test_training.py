import gc
import weakref
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch.distributions import Independent

from rdbench.config.family import parse_family
from rdbench.config.run_config import RunConfig, make_run
from rdbench.config.sweep import load_sweep
from rdbench.data import load
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.data.trivial import fair_coins
from rdbench.measures.bounds import measure
from rdbench.models import VAE, Terms, make_model
from rdbench.runs.host import StoppedError
from rdbench.runs.splits import Splits
from rdbench.runs.totals import MOST_SKIPPED, DivergedError, Totals
from rdbench.runs.training import Training

CONFIG = RunConfig(precision="float32", width=0.05, latent_dim=4, pseudo_inputs=3, epochs=2, batch_size=16)
VALUES = {name: value for name, value in CONFIG.model_dump().items() if name in RunConfig.model_fields}
"""Without the settings of its parts, for other parts to take its place."""


@pytest.fixture
def images():
    return Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((40, 28, 28)) < 0.2))


def begun(config, images, valid=None):
    torch.manual_seed(config.seed)
    return Training(make_model(config), images, images if valid is None else valid, config)


def trained(config, images, valid=None):
    training = begun(config, images, valid)
    training.run()
    return training.model, training.history


def test_every_family_trains_downwards(family, images):
    config = make_run({**VALUES, **family._asdict(), "epochs": 4, "learning_rate": 3e-3})
    _, epochs = trained(config, images)
    assert epochs[-1].train_rate + epochs[-1].train_distortion < epochs[0].train_rate + epochs[0].train_distortion
    assert [epoch.step for epoch in epochs] == [2, 4, 6, 8]  # 40 images fill two batches of 16


def test_the_same_seed_gives_the_same_numbers(images):
    def numbers(seed):
        model, epochs = trained(CONFIG.model_copy(update={"seed": seed, "encoder": "iaf"}), images)
        return [epoch.train_distortion for epoch in epochs], torch.cat([p.flatten() for p in model.parameters()])

    (one, weights), (same, same_weights), (other, _) = numbers(1), numbers(1), numbers(2)
    assert one == same != other
    assert (weights == same_weights).all()


def test_precision_is_chosen_by_hardware_unless_it_is_given(images, monkeypatch):
    for supported, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert begun(CONFIG.model_copy(update={"precision": "auto"}), images).precision == precision
        assert begun(CONFIG, images).precision == "float32"


def test_bfloat16_trains_with_float32_weights_and_sums(images):
    model, epochs = trained(CONFIG.model_copy(update={"precision": "bfloat16"}), images)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(np.isfinite(epoch.valid_distortion) for epoch in epochs)


def test_beta_is_annealed_and_the_learning_rate_falls_after_half(images):
    _, epochs = trained(CONFIG.model_copy(update={"epochs": 4, "anneal_epochs": 2, "beta": 3.0}), images)
    assert [epoch.beta for epoch in epochs] == pytest.approx([0.75, 2.25, 3, 3])  # after 2 steps an epoch
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx([3e-4, 3e-4, 3e-4 * 0.75, 3e-4 * 0.25])


def test_the_learning_rate_rises_over_its_warmup(images):
    _, epochs = trained(CONFIG.model_copy(update={"epochs": 8, "warmup": 0.5}), images)
    assert [epoch.learning_rate / 3e-4 for epoch in epochs] == pytest.approx([0.25, 0.5, 0.75, 1, 1 - 1 / 8, *(
        2 * (16 - step) / 16 for step in (11, 13, 15)
    )])  # fmt: skip


def first_distortions(steps, **values):
    """D of the first steps of `demo`'s -+- with seed 5, which once ended with a rate of 15,929 nats."""
    (config,) = load_sweep("demo").with_values({"family": "-+-", "beta": 1.0, "seed": 5, **values}).runs()
    splits = Splits.of(load("sprites"), config, torch.device("cpu"))
    training, seen = begun(config, splits.train, splits.valid), []

    def after_step():
        seen.append(float(training.totals.last_good[2]))
        if training.step == steps:
            raise StoppedError

    with pytest.raises(StoppedError):
        training.run(after_step=after_step)
    return seen


def test_the_first_steps_of_the_demo_learn_and_do_not_blow_up():
    assert max(first_distortions(5, learning_rate=1e-2, warmup=0)) > 1000
    assert max(first_distortions(5)) < 560


def test_a_jump_above_fair_coins_is_counted_once_and_only_from_below():
    """Fair coins give 543.4 nats; 489.1 is nine tenths of it. A step that is not finite is no jump."""
    totals, beta = Totals(torch.device("cpu"), fair_coins(28)), torch.tensor(1.0)

    def steps(*losses):
        for loss in losses:
            terms = Terms(torch.zeros(1, 2), torch.full((1, 2), -loss), torch.zeros(1, 2))
            totals.add(terms, beta, torch.tensor(loss < 1e6), torch.tensor(0))
        return int(totals.jumps)

    assert steps(600.0, 490.0, 544.0) == 0
    assert steps(489.0, 1e9, 543.0) == 0
    assert steps(544.0, 9e4, 544.0) == 1
    assert steps(500.0, 700.0) == 1
    assert steps(400.0, 700.0, 400.0) == 2
    totals.begin_epoch()
    assert steps(543.0, 543.5, 100.0) == 1


def test_jumps_of_the_loss_are_kept_in_the_history(images, monkeypatch):
    """Between two steps the weights of the last layer are made a thousand times larger, then put back."""
    training = begun(CONFIG.model_copy(update={"epochs": 12, "learning_rate": 1e-2}), images)
    last = training.model.decoder.logits[-1].bias

    def after_step():
        with torch.no_grad():
            if training.step in (20, 21):
                last.add_(1000 if training.step == 20 else -1000)

    training.run(after_step=after_step)
    assert [epoch.jumps for epoch in training.history] == [0] * 10 + [1, 0]
    assert training.jumps == 1


def test_the_effective_beta_is_the_mean_over_an_epoch_with_its_spread(images):
    run = make_run({**VALUES, "beta": None, "objective": "target-rate", "target_rate": 3.0, "epochs": 2})
    training, betas = begun(run.model_copy(update={"batch_size": 4}), images), []
    training.run(after_step=lambda: betas.append(float(training.objective.beta)))
    first, last = training.history
    assert (first.beta_mean, first.beta_sd) == pytest.approx((np.mean(betas[:10]), np.std(betas[:10])), rel=1e-6)
    assert (last.beta_mean, last.beta_sd) == pytest.approx((np.mean(betas[10:]), np.std(betas[10:])), rel=1e-6)
    assert last.beta == betas[-1]
    _, epochs = trained(CONFIG.model_copy(update={"beta": 0.1}), images)
    assert (epochs[-1].beta_mean, epochs[-1].beta_sd) == (np.float32(0.1), 0)


def test_a_loss_that_is_not_finite_ends_training(images):
    training = begun(CONFIG.model_copy(update={"epochs": 10}), images)
    with torch.no_grad():
        training.model.encoder.mean.bias.fill_(float("nan"))
    with pytest.raises(DivergedError, match="nan nats of rate and distortion on the validation split after epoch 1"):
        training.run()


def poisoned(training, monkeypatch, steps):
    """The loss is not finite at some steps, as when a batch overflows."""
    forward = training.objective.forward

    def overflow(terms, step):
        return forward(terms, step) * (float("inf") if int(step) in steps else 1)

    monkeypatch.setattr(training.objective, "forward", overflow)


@pytest.mark.parametrize(
    "objective", [{}, {"objective": "target-rate", "target_rate": 3.0, "beta": None}, {"average": 0.9}]
)
def test_a_step_that_is_not_finite_is_skipped_and_counted(images, monkeypatch, objective):
    """Skipping changes neither weights, moments nor multiplier: as if the step's batch had not been drawn."""
    config = make_run({**VALUES, "epochs": 4, **objective})
    training = begun(config, images)
    poisoned(training, monkeypatch, {3})
    seen = {}

    def after_step():
        state = training.state().tensors
        parts = ("model", "optimizer", "objective.integral", "average")
        seen[training.step] = {name: value.clone() for name, value in state.items() if name.startswith(parts)}

    training.run(after_step=after_step)
    assert training.skipped_steps == 1
    assert all((seen[4][name] == value).all() for name, value in seen[3].items())
    assert any((seen[5][name] != value).any() for name, value in seen[4].items())
    assert np.isfinite(training.history[-1].train_distortion)


def test_a_run_that_diverges_names_its_last_good_numbers(images, monkeypatch):
    training = begun(CONFIG.model_copy(update={"epochs": 20}), images)
    poisoned(training, monkeypatch, set(range(5, 100)))
    told = rf"{MOST_SKIPPED} steps .* by step 15; last finite at step 5: R [\d.]+, D [\d.]+ nats"
    with pytest.raises(DivergedError, match=told):
        training.run()


def test_the_seconds_of_an_epoch_hold_the_wait_for_its_last_step(images, monkeypatch):
    """On a GPU the host has queued all steps long before they end; the wait is played by a clock that jumps."""
    training = begun(CONFIG, images)
    clock, means = [0.0], training.totals.means

    def waiting():
        clock[0] += 100.0
        return means()

    monkeypatch.setattr("rdbench.runs.training.working_seconds", lambda: clock[0])
    monkeypatch.setattr(training.totals, "means", waiting)
    training.run()
    assert [epoch.seconds for epoch in training.history] == [100.0, 100.0]


def test_the_seconds_that_are_kept_hold_the_wait_for_the_steps_that_were_queued(images, monkeypatch):
    training = begun(CONFIG, images)
    clock, kept = [0.0], []
    monkeypatch.setattr("rdbench.runs.training.working_seconds", lambda: clock[0])
    monkeypatch.setattr(training.pace, "wait", lambda: clock.__setitem__(0, clock[0] + 7.0))
    training.run(after_step=lambda: kept.append(training.state().facts["seconds"]))
    assert kept == [7.0, 0.0, 7.0, 0.0]  # in the middle of an epoch, and after its end


@pytest.mark.parametrize("signs", ["+--", "+-v"])
def test_nothing_holds_the_activations_of_a_step_or_of_a_try_that_failed(images, monkeypatch, signs):
    """An iaf encoder remembers its last sample, and with it all that its gradient needs."""
    training = begun(make_run({**VALUES, **parse_family(signs)._asdict()}), images)
    drawn, score = [], Independent.log_prob

    def watched(distribution, value):
        drawn.append(weakref.ref(value))
        return score(distribution, value)

    monkeypatch.setattr(Independent, "log_prob", watched)
    training.body()
    assert drawn and not any(reference() is not None for reference in drawn)

    def full(z):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training.model.decoder, "forward", full)
    drawn.clear()
    with suppress(torch.OutOfMemoryError):
        training.body()
    gc.collect()
    assert drawn and not any(reference() is not None for reference in drawn)


def mean(distribution, shape=()):
    return distribution.loc.expand(*shape, *distribution.loc.shape)


@pytest.mark.parametrize(
    "objective",
    [{}, {"objective": "target-rate", "target_rate": 3.0}, {"objective": "iwae", "train_samples": 2}],
    ids=lambda values: values.get("objective", "beta-vae"),
)
def test_a_batch_too_large_for_memory_passes_in_parts_and_is_the_same_step(images, monkeypatch, objective):
    """Where z is not drawn but the mean, a step in parts is that of the whole batch; a GPU's memory is played."""
    config = make_run({**VALUES, "beta": None, "epochs": 1, **objective})
    monkeypatch.setattr(torch.distributions.Normal, "rsample", mean)
    whole, weights, told = VAE.forward, {}, []
    for room in (16, 5):

        def forward(model, x, samples=1, targets=None, room=room):
            if len(x) > room:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return whole(model, x, samples, targets)

        training = begun(config, images, images[:4])
        monkeypatch.setattr(VAE, "forward", forward)
        training.run(say=told.append)
        weights[room] = torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])
        assert training.micro_batch == {16: 16, 5: 4}[room]
    torch.testing.assert_close(weights[16], weights[5], atol=1e-6, rtol=1e-4)
    assert [line.partition("parts of ")[2] for line in told] == [
        f"{count} images, for the same batch of 16" for count in (8, 4)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("signs", ["+-v", "-+-"])
def test_a_target_rate_is_reached(signs):
    sprites = load("sprites")
    images, valid = (Images.on(torch.device("cpu"), split[:640]) for split in (sprites.train, sprites.valid))
    values = {"objective": "target-rate", "target_rate": 3.0, "width": 0.03, "latent_dim": 4, "pseudo_inputs": 3}
    values |= {"epochs": 10, "batch_size": 10, "learning_rate": 1e-2}
    run = make_run(values | parse_family(signs)._asdict())
    _, epochs = trained(run, images, valid)
    assert abs(epochs[-1].valid_rate - 3) < 0.2
    assert len({epoch.beta for epoch in epochs}) == 10


def test_iwae_trains_on_several_samples(images):
    _, epochs = trained(make_run({**VALUES, "beta": None, "objective": "iwae", "train_samples": 3}), images)
    assert np.isfinite(epochs[-1].valid_distortion)


def test_what_is_validated_and_kept_are_the_averaged_weights(images):
    """Training is that of the same run without an average; what is kept is the mean by its definition."""
    plain, averaged = begun(CONFIG, images), begun(CONFIG.model_copy(update={"average": 0.5}), images)
    seen = [plain.model.decoder.logits[-1].bias.detach().clone()]
    for training in (plain, averaged):
        torch.manual_seed(1)
        training.run(after_step=lambda: seen.append(plain.model.decoder.logits[-1].bias.detach().clone()))
    trained_on = [(epoch.train_rate, epoch.train_distortion) for epoch in plain.history]
    assert trained_on == [(epoch.train_rate, epoch.train_distortion) for epoch in averaged.history]
    assert plain.history[-1].valid_distortion != averaged.history[-1].valid_distortion
    expected = seen[0]
    for n, bias in enumerate(seen[1:5], 1):
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * bias
    assert torch.allclose(averaged.trained.decoder.logits[-1].bias, expected, atol=1e-7)
    assert plain.trained is plain.model
    torch.manual_seed(CONFIG.seed)
    again = measure(averaged.trained, images)
    assert averaged.history[-1].valid_distortion == float(again.distortion.mean())
