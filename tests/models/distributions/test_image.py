import pytest
import torch

from rdbench.models.distributions.image import AutoregressivePixels, independent_pixels
from rdbench.models.nn.pixelcnn import PixelCNN


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


def naive_from_uniform(network, context, uniform):
    """What ``from_uniform`` stands for: a pass of the whole network for each pixel."""
    images = torch.zeros_like(uniform)
    with torch.no_grad():
        for row in range(images.shape[-2]):
            for column in range(images.shape[-1]):
                probability = network(images, context)[:, row, column].sigmoid()
                images[:, row, column] = (uniform[:, row, column] < probability).to(images.dtype)
    return images


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("count", "side", "features"),
    [(6, 8, 6), (1, 12, 5), pytest.param(4, 28, 3, marks=pytest.mark.slow)],
)
def test_samples_are_those_of_a_whole_pass_for_each_pixel(count, side, features, seed):
    torch.manual_seed(seed)
    network = PixelCNN(features)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    context, uniform = torch.randn(count, side, side), torch.rand(count, side, side)
    images = AutoregressivePixels(network, context).from_uniform(uniform)
    assert 0.1 < images.mean() < 0.9
    assert torch.equal(images, naive_from_uniform(network, context, uniform))


def test_samples_have_the_shape_of_the_request_then_of_the_batch():
    distribution = AutoregressivePixels(PixelCNN(3), torch.randn(2, 3, 4, 8))
    uniform = torch.rand(5, 2, 3, 4, 8)
    assert distribution.sample((5,)).shape == uniform.shape
    alone = AutoregressivePixels(distribution.network, distribution.context[1, 2]).from_uniform(uniform[4, 1, 2])
    assert torch.equal(distribution.from_uniform(uniform)[4, 1, 2], alone)


def test_a_batch_of_contexts_broadcasts_against_images():
    network = PixelCNN(3)
    context, images = torch.randn(5, 2, 4, 4), (torch.rand(2, 4, 4) < 0.5).float()
    together = AutoregressivePixels(network, context).log_prob(images)
    assert together.shape == (5, 2)
    one = AutoregressivePixels(network, context[3, 1]).log_prob(images[1])
    torch.testing.assert_close(together[3, 1], one)
