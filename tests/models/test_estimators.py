"""Estimators of gradients beside exact ones, by enumeration of every z and by closed forms."""

import itertools

import pytest
import torch
from scipy.integrate import quad
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from rdbench.models import VAE, estimators
from rdbench.models.discrete import DiscreteEncoder, FactorisedMarginal
from rdbench.models.distributions.discrete import Bits, OneHots
from rdbench.models.estimators import RELAXED, Power, SpikeExponential, SymmetricPower, make_estimator, through
from rdbench.models.size import Size

DRAWS = 40_000
IMAGE = (torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(2)) < 0.4).float()


class Encoder(DiscreteEncoder):
    """Logits that do not depend on the image: three bits, or two variables of three values."""

    def __init__(self, factors, gradient):
        super().__init__()
        self.factors = factors
        self.logits_shape = (3,) if factors is Bits else (2, 3)
        self.logits = nn.Parameter(torch.randn(self.logits_shape, generator=torch.Generator().manual_seed(0)))
        self.estimator = make_estimator(gradient, 4, 0.0)

    def forward(self, images):
        return self.factors(self.logits.expand(len(images), *self.logits_shape))


class Decoder(nn.Module):
    """Pixels independent given z."""

    def __init__(self, inputs):
        super().__init__()
        self.weight = nn.Parameter(1.5 * torch.randn(16, inputs, generator=torch.Generator().manual_seed(1)))

    def forward(self, z):
        return Independent(Bernoulli(logits=(z @ self.weight.T).unflatten(-1, (4, 4)), validate_args=False), 2)


def tiny(factors, gradient):
    encoder = Encoder(factors, gradient)
    marginal = FactorisedMarginal(Size(), encoder)
    with torch.no_grad():
        marginal.logits.copy_(torch.linspace(-1, 1, marginal.logits.numel()).reshape(marginal.logits.shape))
    return VAE(encoder, Decoder(3 if factors is Bits else 6), marginal)


def every_z(factors):
    if factors is Bits:
        return torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)))
    eye = torch.eye(3)
    return torch.stack([torch.cat([eye[i], eye[j]]) for i in range(3) for j in range(3)])


def exact_gradient(factors):
    """∇ Σ_z e(z|x) (log e(z|x) − log m(z) − log d(x|z)) in the encoder's logits."""
    model, z = tiny(factors, "score"), every_z(factors)
    log_e = model.encoder(IMAGE).log_prob(z)
    loss = (log_e.exp() * (log_e - model.marginal().log_prob(z) - model.decoder(z).log_prob(IMAGE))).sum()
    return torch.autograd.grad(loss, model.encoder.logits)[0]


def estimated_gradient(factors, gradient):
    """The mean of many estimates, each of a batch of two, and its standard error."""
    model, images = tiny(factors, gradient), IMAGE.expand(2, 4, 4)
    logits = model.encoder.logits
    found = []
    for _ in range(DRAWS // 100):
        batches = images.repeat(50, 1, 1)
        each = logits.detach().expand(100, *logits.shape).clone().requires_grad_()
        model.encoder.forward = lambda _, each=each: factors(each)
        terms = model(batches)
        loss = (terms.rate + terms.distortion).mean(0).sum()
        found.append(torch.autograd.grad(loss, each)[0])
    estimates = torch.cat(found)
    return estimates.mean(0), estimates.std(0) / len(estimates) ** 0.5


@pytest.mark.parametrize("factors", [Bits, OneHots])
@pytest.mark.parametrize("gradient", ["score", "rloo"])
def test_the_likelihood_ratio_is_unbiased(factors, gradient):
    mean, error = estimated_gradient(factors, gradient)
    assert ((mean - exact_gradient(factors)).abs() < 5 * error + 1e-4).all()


@pytest.mark.parametrize("gradient", ["score", "rloo", "straight-through", "straight-through-gumbel"])
def test_decoder_and_marginal_learn_from_hard_z_by_their_exact_gradients(gradient):
    model, z = tiny(Bits, gradient), every_z(Bits)
    learned = [model.decoder.weight, model.marginal.logits]
    log_e = model.encoder(IMAGE).log_prob(z)
    loss = (log_e.exp() * (log_e - model.marginal().log_prob(z) - model.decoder(z).log_prob(IMAGE))).sum()
    exact = torch.autograd.grad(loss, learned)
    found = []
    for _ in range(20):
        terms = model(IMAGE.expand(1000, 4, 4))
        found.append(torch.autograd.grad((terms.rate + terms.distortion).mean(), learned))
    for each, truth in zip(zip(*found, strict=True), exact, strict=True):
        estimates = torch.stack(each)
        assert ((estimates.mean(0) - truth).abs() < 6 * estimates.std(0) / 20**0.5 + 1e-4).all()


@pytest.mark.parametrize("gradient", sorted(RELAXED))
def test_a_relaxation_points_the_way_of_the_gradient(gradient):
    """It is biased, which the self-test prints; it must not point elsewhere."""
    mean, _ = estimated_gradient(Bits, gradient)
    assert torch.cosine_similarity(mean.flatten(), exact_gradient(Bits).flatten(), dim=0) > 0.7


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("sharpness", [1.0, 4.0])
def test_smoothings_have_their_means_and_slopes(p, sharpness):
    """E f and ∂ E f / ∂p by quadrature beside the formulas: p (e^s/(e^s−1) − 1/s), p s/(s+1), p + (1−2p)/(n+1)."""
    s = torch.tensor(sharpness)
    exact = {
        SpikeExponential: lambda p: p * (s.exp() / s.expm1() - 1 / s),
        Power: lambda p: p * s / (s + 1),
        SymmetricPower: lambda p: p + (1 - 2 * p) / (s + 1),
    }
    for kind, formula in exact.items():

        def mean(p, kind=kind):
            def f(noise):
                return float(kind.smooth(torch.tensor(noise), torch.tensor(p), s))

            return quad(f, 0, 1 - p)[0] + quad(f, 1 - p, 1)[0]

        assert mean(p) == pytest.approx(float(formula(p)), abs=1e-4)
        slope = (mean(p + 0.01) - mean(p - 0.01)) / 0.02
        assert slope == pytest.approx(float(formula(p + 0.01) - formula(p - 0.01)) / 0.02, abs=1e-2)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("sharpness", [1.0, 4.0])
def test_the_gradient_that_passes_a_smoothing_is_the_slope_of_its_mean(p, sharpness):
    """E ∂f/∂p by automatic differentiation at the midpoints of a grid of ε, beside ∂ E f/∂p: each f is continuous."""
    s = torch.tensor(sharpness, dtype=torch.float64)
    slopes = {SpikeExponential: s.exp() / s.expm1() - 1 / s, Power: s / (s + 1), SymmetricPower: 1 - 2 / (s + 1)}
    noise = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    for kind, expected in slopes.items():
        probability = torch.tensor(p, dtype=torch.float64, requires_grad=True)
        (found,) = torch.autograd.grad(kind.smooth(noise, probability, s).mean(), probability)
        assert float(found) == pytest.approx(float(expected), abs=1e-4), kind


@pytest.mark.parametrize("kind", [SpikeExponential, Power, SymmetricPower])
def test_a_smoothing_becomes_the_bit_as_it_sharpens(kind):
    noise, p = torch.linspace(0.005, 0.995, 100), torch.tensor(0.3)
    away = (noise - 0.7).abs() > 0.02
    soft = kind.smooth(noise, p, torch.tensor(60.0))
    torch.testing.assert_close(soft[away].round(), (noise >= 0.7).float()[away])


def test_a_cold_gumbel_draws_the_categories():
    model = tiny(OneHots, "gumbel")
    model.estimator.temperature_rate = 1.0
    model.follow(torch.tensor(1e9))
    encoder = model.encoder(IMAGE)
    soft, hard = model.estimator.relax(encoder, 20_000)
    assert (model.estimator.temperature == 0.5).all()
    error = (hard.var(0) / 20_000).sqrt()
    assert ((hard.mean(0) - encoder.mean).abs() < 5 * error + 1e-6).all()
    torch.testing.assert_close(soft.unflatten(-1, (2, 3)).argmax(-1), hard.unflatten(-1, (2, 3)).argmax(-1))


def test_a_relaxed_category_becomes_its_one_hot_as_the_temperature_falls(monkeypatch):
    """Which the floor of ½ forbids in training."""
    monkeypatch.setattr(estimators, "COLDEST", 1e-3)
    for factors in (Bits, OneHots):
        model = tiny(factors, "gumbel")
        away = []
        for steps in (0.0, 1.0, 1e9):
            model.estimator.temperature_rate = 2.0
            model.follow(torch.tensor(steps))
            soft, hard = model.estimator.relax(model.encoder(IMAGE), 5000)
            away.append(float((soft - hard).detach().abs().mean()))
        assert away[0] > away[1] > 10 * away[2] and away[2] < 1e-3


def test_a_hard_sample_passes_exactly_and_its_gradient_goes_to_the_soft_one():
    hard, soft = torch.tensor([0.1, 1.0]), torch.tensor([0.7, 0.3], requires_grad=True)
    passed = through(hard, soft)
    assert (passed == hard).all()
    (passed * torch.tensor([2.0, 5.0])).sum().backward()
    assert soft.grad.tolist() == [2.0, 5.0]


def linear_gaussian_estimates(gradient, x, mean, noise, images=20_000):
    """∂(R + D)/∂μ by one estimate for each image: z ~ N(μ, 1), x ~ N(z, noise²), m(z) = N(0, 1)."""
    means = torch.full((images, 1), mean, requires_grad=True)
    encoder, decoder, marginal = nn.Module(), nn.Module(), nn.Module()
    encoder.forward = lambda _: Independent(Normal(means, 1.0), 1)
    encoder.estimator = make_estimator(gradient, 4)
    decoder.forward = lambda z: Independent(Normal(z, noise), 1)
    marginal.forward = lambda: Independent(Normal(torch.zeros(1), 1.0), 1)
    terms = VAE(encoder, decoder, marginal)(torch.full((images, 1), x))
    return torch.autograd.grad((terms.rate + terms.distortion).mean(0).sum(), means)[0].double()


def test_the_score_of_a_gaussian_is_the_pathwise_gradient_in_the_mean_and_varies_as_it_should():
    """The gradient is μ − a/s² with a = x − μ. With the exact baseline E f the variances are (1 + 1/s²)² of pathwise
    and (8a² + 10) / 4s⁴ of score, of which 4 draws with a baseline of the 3 others take a fourth and a little more.
    """
    x, mean, noise = 2.0, 0.5, 0.8
    a, precision = x - mean, 1 / noise**2
    found = {name: linear_gaussian_estimates(name, x, mean, noise) for name in ("pathwise", "score", "rloo")}
    for name, estimates in found.items():
        error = (estimates.var() / len(estimates)) ** 0.5
        assert abs(estimates.mean() - (mean - a * precision)) < 5 * error, name
    ratio = (8 * a**2 + 10) / 4 * precision**2 / (1 + precision) ** 2
    assert ratio > 2
    assert float(found["score"].var() / found["pathwise"].var()) == pytest.approx(ratio, rel=0.1)
    assert 0.25 < float(found["rloo"].var() / found["score"].var()) < 0.45
