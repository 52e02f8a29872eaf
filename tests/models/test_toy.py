import math

import pytest
import torch

from rdbench.data import toy
from rdbench.models.toy import DiscreteVAE


@pytest.fixture
def model():
    model = DiscreteVAE(torch.from_numpy(toy.density()), [3, 8])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 10
    return model


def test_tables_are_those_of_the_formula(model):
    """e(zᵢ|xⱼ) ∝ exp −(wᵢ xⱼ − bᵢ)² over i, and the same of the decoder with x and z exchanged."""
    positions = toy.positions()
    log_tables = model.log_tables()
    for parameters, table in ((model.encoder, log_tables[0]), (model.decoder, log_tables[1])):
        slope, offset = parameters[:, 1].tolist()
        for given in (0, 17):
            weights = [math.exp(-((w * positions[given] - b) ** 2)) for w, b in zip(slope, offset, strict=True)]
            expected = [weight / sum(weights) for weight in weights]
            assert table[1, given].exp().tolist() == pytest.approx(expected)


def test_terms_are_expectations_by_exhaustive_sums(model):
    log_encoder, log_decoder, log_marginal = (table[0].tolist() for table in model.log_tables())
    rate = distortion = 0.0
    for x, probability in enumerate(toy.density()):
        for z in range(30):
            weight = probability * math.exp(log_encoder[x][z])
            rate += weight * (log_encoder[x][z] - log_marginal[z])
            distortion -= weight * log_decoder[z][x]
    terms = model()
    assert terms.mean_rate[0].item() == pytest.approx(rate)
    assert terms.mean_distortion[0].item() == pytest.approx(distortion)


def test_a_start_does_not_depend_on_its_neighbours():
    density = torch.from_numpy(toy.density())
    together, alone = DiscreteVAE(density, [3, 8]), DiscreteVAE(density, [8])
    assert (together.encoder[:, 1] == alone.encoder[:, 0]).all()
    assert together.encoder.std().item() == pytest.approx(0.1, rel=0.2)


def test_each_map_has_sixty_parameters(model):
    assert model.encoder[:, 0].numel() == model.decoder[:, 0].numel() == 60
