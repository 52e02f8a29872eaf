"""What a model computes, against sums by hand and against what torch counts of a whole step."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rdbench.config.parts import find
from rdbench.config.run_config import make_run
from rdbench.models import make_model
from rdbench.models.flop import count_flop

SMALL = {"width": 0.1, "latent_dim": 4, "pseudo_inputs": 3}


def test_the_layers_of_a_gaussian_deconv_model_are_counted_as_by_hand():
    """Twice the multiplications: kernels over places, a gate beside each; linear layers of the posterior.

    A transposed kernel of 5 taps at stride 2 is computed as one of 6.
    """
    z = 64
    convolutions = [(1, 32, 25, 784), (32, 32, 25, 196), (32, 64, 25, 196), (64, 64, 25, 49), (64, 256, 49, 1)]
    encoder = sum(2 * 2 * into * out * kernel * places for into, out, kernel, places in convolutions)
    encoder += 2 * 2 * 256 * z
    transposed = [(z, 64, 49, 1), (64, 64, 25, 49), (64, 64, 36, 49), (64, 32, 25, 196), (32, 32, 36, 196)]
    decoder = sum(2 * 2 * into * out * kernel * places for into, out, kernel, places in transposed)
    decoder += 2 * 2 * 32 * 32 * 16 * 784 + 2 * 32 * 25 * 784
    assert count_flop(make_run({}), 28) == (0, encoder, decoder)


def test_a_step_takes_three_times_a_pass(family):
    settings = {setting.name for setting in find("encoder", family.encoder).settings}
    few = {"codes": 4} if "codes" in settings else {}  # the search for the nearest takes no gradient, so once only
    config = make_run(family._asdict() | SMALL | few)
    model, images = make_model(config), torch.zeros(6, 28, 28)
    with FlopCounterMode(display=False) as counter:
        terms = model(images, 2)
        (terms.mean_distortion + terms.mean_rate).backward()
    assert count_flop(config, 28).step(6, 2) == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_counting_draws_no_random_number():
    before = torch.get_rng_state()
    count_flop(make_run(SMALL | {"marginal": "spline"}), 16)
    assert torch.equal(before, torch.get_rng_state())
