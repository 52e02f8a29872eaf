"""The contract that every family keeps."""

import pytest
import torch
from safetensors.torch import load, save

from rdbench.config.family import FAMILIES, Family
from rdbench.measures.bounds import measure
from rdbench.models import Size, build, parameter_counts
from rdbench.models.distributions.flow import Shift

IMAGES = (torch.rand(6, 28, 28, generator=torch.Generator().manual_seed(1)) < 0.2).float()


def test_terms_have_their_shapes(model):
    *terms, penalty = model(IMAGES, samples=3)
    for term in terms if penalty is None else (*terms, penalty):
        assert term.shape == (3, 6)
        assert term.isfinite().all()


@pytest.mark.parametrize("side", [8, 20])
def test_images_of_other_sides_have_terms_and_are_drawn(family, side):
    model = build(family, Size(width=0.02, latent_dim=4, pseudo_inputs=3, image_side=side))
    assert all(term.isfinite().all() for term in model(torch.zeros(2, side, side))[:3])
    assert model.decoder(model.marginal().sample((2,))).sample().shape == (2, side, side)


def test_a_gradient_reaches_every_parameter(model):
    terms = model(IMAGES)
    (terms.rate + terms.distortion).mean().backward()
    missing = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert not missing


def test_weights_survive_a_file(model, family):
    other = build(family, Size(width=0.05, latent_dim=4, pseudo_inputs=3))
    other.load_state_dict(load(save(model.state_dict())))
    torch.manual_seed(5)
    first = model(IMAGES)
    torch.manual_seed(5)
    for mine, theirs in zip(first[:3], other(IMAGES)[:3], strict=True):
        assert (mine == theirs).all()


def test_measures_obey_the_bounds(model):
    measures = measure(model, IMAGES.repeat(5, 1, 1), iwae=(1, 5, 50), rate_samples=200)
    row = measures.summary()
    assert row["rate"] > -3 * row["rate_se"]
    assert -row["elbo"] == row["rate"] + row["distortion"]
    # paired over images, so the error is that of the differences
    previous = measures.elbo
    for k in (5, 50):
        difference = measures.iwae[k] - previous
        assert difference.mean() > -3 * difference.std() / len(difference) ** 0.5 - 1e-4
        previous = measures.iwae[k]


def test_marginals_are_sampled_and_scored(model):
    z = model.marginal().sample((7,))
    assert z.shape == (7, *model.encoder(IMAGES).event_shape)
    assert model.marginal().log_prob(z).shape == (7,)


@pytest.mark.parametrize("encoder", ["gaussian", "iaf"])
def test_the_vamp_marginal_integrates_to_one(encoder):
    model = build(Family(encoder, "deconv", "vamp"), Size(width=0.1, latent_dim=2, pseudo_inputs=4))
    grid = torch.cartesian_prod(*[torch.arange(-9, 9, 0.05)] * 2)
    with torch.no_grad():
        density = model.marginal().log_prob(grid).exp()
    assert density.sum().item() * 0.05**2 == pytest.approx(1, abs=2e-3)


def test_iaf_with_vamp_needs_no_inverse(monkeypatch):
    model = build(Family("iaf", "deconv", "vamp"), Size(width=0.05, latent_dim=4, pseudo_inputs=3))
    monkeypatch.setattr(Shift, "_inverse", lambda *_: pytest.fail("inverted"))
    model(IMAGES, samples=2)


@pytest.mark.parametrize("encoder", ["gaussian", "iaf"])
def test_the_vamp_marginal_is_the_mixture_of_its_encoders(encoder):
    model = build(Family(encoder, "deconv", "vamp"), Size(width=0.05, latent_dim=4, pseudo_inputs=3))
    with torch.no_grad():
        model.marginal.weights.copy_(torch.tensor([0.0, 1.0, -1.0]))
    z = torch.randn(9, 4)
    components = [model.encoder(image[None]).log_prob(z) for image in model.marginal.pseudo_inputs.sigmoid()]
    expected = torch.logsumexp(torch.stack(components, 1) + model.marginal.weights.log_softmax(0), 1)
    torch.testing.assert_close(model.marginal().log_prob(z), expected)


def test_parameter_counts_are_the_papers():
    counts = {row["family"]: row["parameters"] for row in parameter_counts()}
    assert len(counts) == len(FAMILIES)
    assert counts["gaussian-deconv-maf"]["encoder"] == 1_999_424
    assert counts["iaf-deconv-maf"]["encoder"] == 5_611_840
    assert counts["iaf-deconv-maf"]["decoder"] == 998_753
    assert counts["iaf-deconv-maf"]["marginal"] == 3_612_416
    assert counts["iaf-deconv-vamp"]["marginal"] == 500 * 784 + 500
    assert counts["iaf-deconv-maf"]["total"] == 5_611_840 + 998_753 + 3_612_416
