import pytest
import torch

from rdbench.distributions.image import AutoregressivePixels, independent_pixels
from rdbench.nn.pixelcnn import PixelCNN


def all_images(height, width):
    """Every binary image of that size."""
    bits = torch.arange(2 ** (height * width))[:, None] >> torch.arange(height * width) & 1
    return bits.reshape(-1, height, width).float()


@pytest.fixture
def autoregressive():
    return AutoregressivePixels(PixelCNN(3), torch.randn(4, 4))


@pytest.mark.parametrize("kind", ["autoregressive", "independent"])
def test_likelihoods_over_all_images_sum_to_one(kind, autoregressive):
    distribution = autoregressive if kind == "autoregressive" else independent_pixels(torch.randn(4, 4))
    with torch.no_grad():
        log_prob = distribution.log_prob(all_images(4, 4))
    assert log_prob.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_samples_come_with_their_likelihoods(autoregressive):
    count = 4000
    images = autoregressive.sample((count,))
    codes = (images.flatten(1) * 2 ** torch.arange(16)).sum(1).long()
    with torch.no_grad():
        probability = autoregressive.log_prob(all_images(4, 4)).exp()
    counts = torch.bincount(codes, minlength=2**16)
    likely = probability.topk(40).indices
    deviation = (counts[likely] - count * probability[likely]) / (count * probability[likely]).sqrt()
    assert deviation.abs().max() < 4.5
    assert deviation.pow(2).mean() < 2


def test_a_batch_of_contexts_broadcasts_against_images():
    network = PixelCNN(3)
    context, images = torch.randn(5, 2, 4, 4), (torch.rand(2, 4, 4) < 0.5).float()
    together = AutoregressivePixels(network, context).log_prob(images)
    assert together.shape == (5, 2)
    one = AutoregressivePixels(network, context[3, 1]).log_prob(images[1])
    torch.testing.assert_close(together[3, 1], one)
