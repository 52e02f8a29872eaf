import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbench.data import toy
from rdbench.measures.exact import Tables, account, optimal


def random_tables(seed, sharpness):
    generator = np.random.default_rng(seed)
    tables = [np.exp(sharpness * generator.normal(size=shape)) for shape in ((30, 30), (30, 30), (30,))]
    return Tables.of(*(table / table.sum(-1, keepdims=True) for table in tables))


def test_the_model_built_by_hand_is_optimal_at_half_a_nat():
    numbers = account(optimal())
    assert numbers["rate"] == pytest.approx(0.5, abs=1e-9)
    assert numbers["distortion"] == pytest.approx(toy.entropy() - 0.5, abs=1e-9)
    assert numbers["mutual_information"] == pytest.approx(0.5, abs=1e-9)
    assert numbers["class_information"] == pytest.approx(0.378, abs=5e-4)
    assert numbers["elbo_gap"] == pytest.approx(0, abs=1e-9)


@given(seed=st.integers(0, 10**6), sharpness=st.floats(0, 4))
def test_bounds_and_sums_hold_of_any_model(seed, sharpness):
    numbers = account(random_tables(seed, sharpness))
    entropy, slack = toy.entropy(), 1e-9
    assert entropy - numbers["distortion"] <= numbers["mutual_information"] + slack
    assert numbers["mutual_information"] <= numbers["rate"] + slack
    assert numbers["elbo"] == -(numbers["rate"] + numbers["distortion"])
    assert numbers["elbo_gap"] == pytest.approx(numbers["encoder_gap"] + numbers["likelihood_gap"])
    assert numbers["encoder_gap"] >= -slack
    assert numbers["likelihood_gap"] >= -slack
    assert numbers["class_information"] <= min(0.5, numbers["mutual_information"]) + slack
    assert numbers["generative_e"] <= numbers["generative_g"] + slack


def test_gaps_are_divergences_by_exhaustive_sums():
    tables = random_tables(0, 1.0)
    data, drawn = toy.density(), tables.generated()
    divergence = gap = 0.0
    for x in range(30):
        divergence += data[x] * np.log(data[x] / drawn[x])
        for z in range(30):
            posterior = tables.marginal[z] * tables.decoder[z, x] / drawn[x]
            gap += data[x] * tables.encoder[x, z] * np.log(tables.encoder[x, z] / posterior)
    numbers = account(tables)
    assert numbers["likelihood_gap"] == pytest.approx(divergence)
    assert numbers["encoder_gap"] == pytest.approx(gap)


def test_the_generative_letters_are_what_they_say():
    tables = random_tables(1, 1.0)
    drawn = tables.generated()
    e = g = s = u = 0.0
    for x in range(30):
        for z in range(30):
            weight = tables.marginal[z] * tables.decoder[z, x]
            e += weight * np.log(tables.encoder[x, z] / tables.marginal[z])
            g += weight * np.log(tables.decoder[z, x] / drawn[x])
            s -= weight * np.log(tables.encoder[x, z])
            u -= weight * np.log(drawn[x])
    numbers = account(tables)
    found = [numbers[f"generative_{letter}"] for letter in "egsu"]
    assert found == pytest.approx([e, g, s, u])


def test_cells_below_any_float_keep_rate_and_distortion_finite():
    """The identity map, with e^−2000 where it says no: R = I(X;Z) = H, and D = 0."""
    sharp = np.where(np.eye(30, dtype=bool), 0.0, -2000.0)
    numbers = account(Tables(sharp, sharp, np.log(toy.density())))
    assert numbers["rate"] == pytest.approx(toy.entropy())
    assert numbers["distortion"] == pytest.approx(0, abs=1e-9)
    doubtful = np.where(np.eye(30, dtype=bool), np.log1p(-29e-9), np.log(1e-9))
    assert account(Tables(doubtful, sharp, np.log(toy.density())))["distortion"] == pytest.approx(29e-9 * 2000)
