"""The information bottleneck beside closed forms, exact sums and naive twins."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn
from torch.distributions import Independent, Normal

from rdbench.config.family import Family
from rdbench.data import load, sprites, toy
from rdbench.data.dataset import pack, unpack
from rdbench.data.images import Images
from rdbench.measures.labels import predict
from rdbench.models import VAE, Size, build
from rdbench.models.label_decoders import LinearDecoder
from rdbench.models.marginals import GaussianMarginal
from rdbench.runs.objectives import BetaVAE

SIZE = Size(latent_dim=2, classes=2)


class LinearGaussian(nn.Module):
    """N(Wx + b, diag s²), with W, b and s learned."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mean = nn.Linear(inputs, outputs)
        self.log_scale = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return Independent(Normal(self.mean(x), self.log_scale.exp().expand(*x.shape[:-1], -1)), 1)


def trained(model, draw, beta, steps, rate):
    """The model after steps of Adam on D + βR; ``draw`` gives a batch of x and of what is to be explained."""
    objective = BetaVAE(beta)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for step in range(steps):
        x, y = draw()
        optimizer.zero_grad()
        objective(model(x, 1, y), torch.tensor(step)).backward()
        optimizer.step()
        schedule.step()
    return model


@pytest.mark.parametrize("weight", [1.5, 8.0])
def test_a_gaussian_bottleneck_reaches_its_closed_form(weight):
    """Two pairs of correlated normals: "Information bottleneck for Gaussian variables" (Chechik et al., 2005).

    ``weight`` is that of I(Z;Y), so β is 1 / weight. At 1.5 only the first pair is worth its rate, at 8 both are.
    """
    correlations = torch.tensor([0.95, 0.7])
    left = 1 - correlations.double().numpy() ** 2
    used = left[weight * (1 - left) > 1]
    of_x = 0.5 * np.log((weight - 1) * (1 - used) / used).sum()
    of_y = of_x - 0.5 * np.log(weight * (1 - used)).sum()

    def draw(count=512):
        x = torch.randn(count, 2)
        return x, correlations * x + (1 - correlations**2).sqrt() * torch.randn(count, 2)

    model = VAE(LinearGaussian(2, 2), LinearGaussian(2, 2), GaussianMarginal(SIZE, nn.Identity()))
    trained(model, draw, 1 / weight, 500, 0.03)
    with torch.no_grad():
        terms = model_terms(model, draw)
    entropy = 1.0 + math.log(2 * math.pi)  # of two standard normals
    assert float(terms.mean_rate) == pytest.approx(of_x, abs=0.03)
    assert entropy - float(terms.mean_distortion) == pytest.approx(of_y, abs=0.02)


def model_terms(model, draw):
    x, y = draw(200_000)
    return model(x, 1, y)


def frontier(joint, weight, rounds=500):
    """I(X;Z) and I(Z;Y) where I(X;Z) − weight · I(Z;Y) is least, by the self-consistent equations (Blahut-Arimoto)."""
    p, y_given_x = joint.sum(0), (joint / joint.sum(0)).T
    e = np.random.default_rng(0).dirichlet(np.ones(len(p)), len(p)) * 0.1 + 0.9 * np.eye(len(p))
    for _ in range(rounds):
        m = p @ e
        y_given_z = (e * p[:, None]).T @ y_given_x / m[:, None]
        apart = (y_given_x[:, None] * np.log(y_given_x[:, None] / y_given_z)).sum(-1)
        log_e = np.log(m) - weight * apart
        e = np.exp(log_e - logsumexp(log_e, axis=1, keepdims=True)) + 1e-300
    return toy.information(p[:, None] * e), toy.information(joint @ e)


@pytest.fixture(scope="module")
def toy_bottleneck():
    """Points on the toy's frontier, by weight."""
    return {weight: frontier(toy.joint(), weight) for weight in (2.0, 4.0, 8.0, 16.0)}


def test_the_bottleneck_of_the_toy_is_the_known_one(toy_bottleneck):
    """Values found by another program: I(X;Z) 0.550, 0.689, 1.101 with I(Z;Y) 0.417, 0.457, 0.492."""
    rates, kept = np.array(sorted(toy_bottleneck.values())).T
    assert np.interp([0.550, 0.689, 1.101], rates, kept) == pytest.approx([0.417, 0.457, 0.492], abs=0.01)


def test_a_model_of_the_toys_class_comes_to_its_frontier_and_not_beyond(toy_bottleneck):
    probabilities = torch.from_numpy(toy.joint().ravel()).float()
    positions = torch.from_numpy(toy.positions()).float()[:, None]

    def draw(count=512):
        index = probabilities.multinomial(count, replacement=True)
        return positions[index % toy.VALUES], index // toy.VALUES

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 4))

        def forward(self, x):
            mean, log_scale = self.network(4 * x).chunk(2, -1)
            return Independent(Normal(mean, log_scale.exp()), 1)

    model = VAE(Encoder(), LinearDecoder(SIZE), GaussianMarginal(SIZE, nn.Identity()))
    trained(model, draw, 1 / 8, 500, 0.02)
    with torch.no_grad():
        terms = model_terms(model, draw)
    rate, kept = float(terms.mean_rate), toy.class_entropy() - float(terms.mean_distortion)
    rates, best = np.array([(0.0, 0.0), *sorted(toy_bottleneck.values()), (9.0, toy.CLASS_INFORMATION)]).T
    reached = float(np.interp(rate, rates, best))  # chords of a concave curve, so it lies a little above them
    assert reached - 0.08 < kept < reached + 0.02
    assert rate > 0.3


def test_the_shape_of_a_sprite_is_known_from_its_image():
    """I(X;Y) = log 4 − H(Y|X), by enumeration of all templates: the frontier min(R, log 4) is exact to 1e-4 nats."""
    dataset = load("sprites")
    flips = sprites.hamming(unpack(dataset.test).reshape(len(dataset.test), -1), sprites.templates())
    log_joint = flips * (np.log(sprites.FLIP) - np.log1p(-sprites.FLIP))
    of_shape = logsumexp(log_joint.reshape(len(flips), 4, -1), axis=2)
    log_shape = of_shape - logsumexp(of_shape, axis=1, keepdims=True)
    left = -(np.exp(log_shape) * log_shape).sum(1)
    assert left.mean() < 1e-4
    assert (log_shape.argmax(1) == dataset.labels["test"]).mean() > 0.999


def test_predictions_are_those_of_a_naive_sum():
    images = pack(np.random.default_rng(0).random((7, 8, 8)) < 0.3)
    labels = np.arange(7) % 3
    model = build(Family("gaussian", "linear", "gaussian"), Size(0.05, 2, 3, 8, 3))
    split = Images.on(torch.device("cpu"), images, labels)
    torch.manual_seed(1)
    found = predict(model, split, 3, (1, 3, 60))
    torch.manual_seed(1)
    with torch.no_grad():
        encoder = model.encoder(split[:])
        z = torch.cat([encoder.sample((50,)), encoder.sample((10,))])
        p = model.decoder.logits(z).double().softmax(-1).numpy()
    right = p[:, np.arange(7), labels]
    assert found.distortion == pytest.approx(-np.log(right).mean(0), rel=1e-5)
    assert found.predictive[60] == pytest.approx(np.log(right.mean(0)), rel=1e-5)
    assert found.predictive[3] == pytest.approx(np.log(right.reshape(20, 3, 7).mean(1)).mean(0), rel=1e-5)
    assert (found.wrong == (p.mean(0).argmax(1) != labels)).all()
    row = found.summary(math.log(3))
    assert row["label_information"] == pytest.approx(math.log(3) - found.distortion.mean())
    assert row["label_error_se"] == pytest.approx(found.wrong.std(ddof=1) / 7**0.5)
