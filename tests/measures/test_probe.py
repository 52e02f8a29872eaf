import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from rdbench.config.family import Family
from rdbench.data import load
from rdbench.data.images import Images
from rdbench.measures.probe import PENALTY, fitted, probe
from rdbench.models import Size, build


def test_a_fit_is_that_of_another_optimiser():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((60, 3))
    y = (x @ generator.standard_normal((3, 3)) + generator.gumbel(size=(60, 3))).argmax(1)

    def loss(flat):
        weights, bias = flat[:9].reshape(3, 3), flat[9:]
        return -log_softmax(x @ weights + bias, 1)[np.arange(60), y].mean() + PENALTY / 2 * (weights**2).sum()

    best = minimize(loss, np.zeros(12), tol=1e-12)
    weights, bias = best.x[:9].reshape(3, 3), best.x[9:]
    found = fitted(torch.from_numpy(x), torch.from_numpy(y), 3, torch.from_numpy(x)).numpy()
    assert found == pytest.approx(log_softmax(x @ weights + bias, 1), abs=2e-3)


def test_what_z_does_not_hold_no_probe_finds():
    """A collapsed encoder gives noise; one that gives the label gives all of H(Y)."""
    dataset = load("sprites")
    labels = dataset.labels
    train = Images.on(torch.device("cpu"), dataset.train[:2000], labels["train"][:2000])
    test = Images.on(torch.device("cpu"), dataset.test[:500], labels["test"][:500])
    model = build(Family("gaussian", "deconv", "gaussian"), Size(width=0.02, latent_dim=3))
    with torch.no_grad():
        for head in (model.encoder.mean, model.encoder.variance):
            head.weight.zero_()
    blind = probe(model, train, test, 4)
    information = labels.entropy - blind.cross_entropy
    assert abs(information.mean()) < 0.02
    assert blind.wrong.mean() == pytest.approx(0.75, abs=0.08)
