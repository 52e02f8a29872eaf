import numpy as np
import pytest
import torch

from rdbench.config import RunConfig, make_run
from rdbench.data import load
from rdbench.data.dataset import pack
from rdbench.family import parse_family
from rdbench.images import Images
from rdbench.run import make_model
from rdbench.train import DivergedError, normalize_gradients, train

CONFIG = RunConfig(width=0.05, latent_dim=4, pseudo_inputs=3, epochs=2, batch_size=16)


@pytest.fixture
def images():
    return Images.on(torch.device("cpu"), pack(np.random.default_rng(0).random((40, 28, 28)) < 0.2))


def trained(config, images, progress=lambda step: None):
    torch.manual_seed(config.seed)
    model = make_model(config)
    return model, list(train(model, images, images, config, progress))


def test_every_family_trains_downwards(family, images):
    config = CONFIG.model_copy(update={**family._asdict(), "epochs": 4, "learning_rate": 3e-3})
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


def test_bfloat16_trains_with_float32_weights_and_sums(images):
    model, epochs = trained(CONFIG.model_copy(update={"precision": "bfloat16"}), images)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(np.isfinite(epoch.valid_distortion) for epoch in epochs)


def test_gradients_have_norm_one_each(images):
    model = make_model(CONFIG)
    terms = model(images[0:8])
    (terms.rate + 1000 * terms.distortion).mean().backward()
    direction = model.encoder.mean.weight.grad / model.encoder.mean.weight.grad.norm()
    normalize_gradients(model)
    for parameter in model.parameters():
        assert parameter.grad.norm().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(model.encoder.mean.weight.grad, direction)


def test_a_zero_gradient_stays_zero():
    layer = torch.nn.Linear(2, 2)
    (0 * layer(torch.ones(1, 2))).sum().backward()
    normalize_gradients(layer)
    assert (layer.weight.grad == 0).all()


def test_beta_is_annealed_and_the_learning_rate_falls_after_half(images):
    _, epochs = trained(CONFIG.model_copy(update={"epochs": 4, "anneal_epochs": 2, "beta": 3.0}), images)
    assert [epoch.beta for epoch in epochs] == pytest.approx([0.75, 2.25, 3, 3])  # after 2 steps an epoch
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx([3e-4, 3e-4, 3e-4 * 0.75, 3e-4 * 0.25])


def test_a_loss_that_is_not_finite_ends_training(images):
    torch.manual_seed(0)
    model = make_model(CONFIG)
    with torch.no_grad():
        model.encoder.mean.bias.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"nan.* by step 2"):
        list(train(model, images, images, CONFIG, lambda step: None))


@pytest.mark.slow
@pytest.mark.parametrize("signs", ["+-v", "-+-"])
def test_a_target_rate_is_reached(signs):
    sprites = load("sprites")
    images, valid = (Images.on(torch.device("cpu"), split[:640]) for split in (sprites.train, sprites.valid))
    values = {"objective": "target-rate", "target_rate": 3.0, "width": 0.03, "latent_dim": 4, "pseudo_inputs": 3}
    values |= {"epochs": 10, "batch_size": 10, "learning_rate": 1e-2}
    torch.manual_seed(0)
    run = make_run(values | parse_family(signs)._asdict())
    epochs = list(train(make_model(run), images, valid, run, lambda step: None))
    assert abs(epochs[-1].valid_rate - 3) < 0.2
    assert len({epoch.beta for epoch in epochs}) == 10


def test_iwae_trains_on_several_samples(images):
    _, epochs = trained(
        make_run({**CONFIG.model_dump(), "beta": None, "objective": "iwae", "train_samples": 3}), images
    )
    assert np.isfinite(epochs[-1].valid_distortion)
