import pytest
import torch

from rdbench.models.nn.gated import gate
from rdbench.models.nn.pixelcnn import Grow, PixelCNN


def jacobians(side):
    """The derivatives of logit i by pixel j and by context j, each (pixels, pixels): image i is asked for logit i."""
    pixels = side * side
    network = PixelCNN(3).double()
    images = (torch.rand(side, side) < 0.3).double().repeat(pixels, 1, 1).requires_grad_()
    context = torch.randn(side, side, dtype=torch.float64).repeat(pixels, 1, 1).requires_grad_()
    network(images, context).reshape(pixels, pixels).diagonal().sum().backward()
    return images.grad.reshape(pixels, pixels), context.grad.reshape(pixels, pixels)


@pytest.mark.parametrize("side", [8, pytest.param(28, marks=pytest.mark.slow)])
def test_a_logit_depends_on_earlier_pixels_and_on_the_context_and_on_nothing_else(side):
    by_pixel, by_context = jacobians(side)
    earlier = torch.ones_like(by_pixel, dtype=torch.bool).tril(-1)
    assert (by_pixel[~earlier] == 0).all()
    assert (by_context.abs().sum(1) > 0).all()
    reached = (by_pixel[earlier] != 0).double().mean()
    assert reached == 1 if side == 8 else reached > 0.98  # the ends of the first rows are out of reach at 28
    assert (by_pixel.abs().sum(1)[1:] > 0).all()


def test_streams_grow_by_torchs_transposed_convolutions():
    grow, streams = Grow(3), (torch.randn(2, 3, 7, 5), torch.randn(2, 3, 7, 5))
    expected = gate(grow.down(streams[0])), gate(grow.right(streams[1]))
    torch.testing.assert_close(grow(streams), expected)
    assert expected[0].shape == (2, 3, 14, 10)
