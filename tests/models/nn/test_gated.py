import pytest
import torch
import torch.nn.functional as F

from rdbench.models.nn.gated import GATE_GAIN, GatedConv, GatedLinear, GatedUpsampling, by_padding, gate, in_phases


def test_a_gated_layer_is_its_equation():
    layer, x = GatedLinear(5, 3), torch.randn(7, 5)
    (first, second), (bias, gate_bias) = layer.linear.weight.chunk(2), layer.linear.bias.chunk(2)
    expected = (x @ first.T + bias) * torch.sigmoid(x @ second.T + gate_bias)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (5, 2), (4, 1), (4, 2), (3, 2)])
@pytest.mark.parametrize("size", [28, 14, 7])
def test_same_padding_places_outputs_where_tensorflow_does(kernel, stride, size):
    layer, x = GatedConv(1, 1, kernel, stride), torch.randn(1, 1, size, size)
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    padded = F.pad(x, (before, kernel, before, kernel))  # as much as is needed at the end, and more
    assert layer(x).shape[-2:] == (outputs, outputs)
    corner = slice((outputs - 1) * stride, (outputs - 1) * stride + kernel)
    last = F.glu((padded[0, 0, corner, corner] * layer.conv.weight[:, 0]).sum((1, 2)) + layer.conv.bias, 0)
    torch.testing.assert_close(layer(x)[0, :, -1, -1], last)


@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (5, 2), (4, 1)])
def test_upsampling_is_the_transpose_of_a_same_convolution(kernel, stride, monkeypatch):
    """⟨Cx, y⟩ = ⟨x, Cᵀy⟩, with the gates taken away."""
    monkeypatch.setattr("rdbench.models.nn.gated.gate", lambda maps: maps)
    conv, transpose = GatedConv(2, 3, kernel, stride), GatedUpsampling(6, 1, kernel, stride)
    weight = conv.conv.weight.data  # (6, 2, k, k): a convolution 2 → 6, and a transposed one 6 → 2
    transpose.conv.weight.data = weight.transpose(0, 1).flip(2, 3) if stride == 1 else weight
    x, y = torch.randn(1, 2, 28, 28), torch.randn(1, 6, 28 // stride, 28 // stride)
    torch.testing.assert_close((conv(x) * y).sum(), (transpose(y) * x).sum(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("kernel", "stride", "crop"), [(5, 2, 1), (4, 2, 1), (3, 2, 0), (7, 3, 2), (2, 2, 0)])
def test_a_transposed_convolution_in_phases_is_torchs(kernel, stride, crop):
    x, weight, bias = torch.randn(2, 3, 6, 5), torch.randn(3, 4, kernel, kernel), torch.randn(4)
    expected = F.conv_transpose2d(x, weight, bias, stride)[..., crop : crop + 6 * stride, crop : crop + 5 * stride]
    torch.testing.assert_close(in_phases(x, weight, bias, stride, (crop, crop)), expected, rtol=1e-4, atol=1e-5)


def test_the_gain_keeps_the_variance():
    signal = torch.randn(1_000_000, 2) * GATE_GAIN
    assert (signal[:, 0] * signal[:, 1].sigmoid()).var().item() == pytest.approx(1, abs=0.05)
    for layer, side in (
        (GatedConv(32, 64, 5), 28),
        (GatedUpsampling(32, 64, 5), 28),
        (GatedUpsampling(32, 64, 5, 2), 14),
    ):
        assert layer(torch.randn(4, 32, side, side)).var().item() == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3, 16, 64])
@pytest.mark.parametrize(("images", "height", "width"), [(2, 5, 3), (2, 1, 1), (1, 1, 1)])
def test_the_gate_is_torchs_in_either_layout(dtype, channels, images, height, width):
    both = torch.randn(images, 2 * channels, height, width, dtype=dtype)
    expected = both.clone().requires_grad_()
    weights = torch.randn(images, channels, height, width, dtype=dtype)
    (F.glu(expected, 1) * weights).sum().backward()
    for layout in (torch.contiguous_format, torch.channels_last):
        maps = both.clone().contiguous(memory_format=layout).requires_grad_()
        results = gate(2 * maps / 2)
        assert results.is_contiguous(memory_format=layout)
        (results * weights).sum().backward()
        assert maps.grad.is_contiguous(memory_format=layout)
        torch.testing.assert_close(results, F.glu(expected, 1))
        torch.testing.assert_close(maps.grad, expected.grad)


@pytest.mark.parametrize(("kernel", "stride", "crop"), [(5, 2, (1, 1)), (5, 2, (2, 1)), (4, 2, (0, 2)), (6, 3, (1, 2))])
def test_a_gpus_transposed_convolution_is_the_cropped_one_in_channels_last(kernel, stride, crop):
    """Against torch's own with its maps sliced; and no layout turns, neither of the maps nor of any gradient."""
    x = torch.randn(2, 3, 7, 7).double().to(memory_format=torch.channels_last).requires_grad_()
    weight, bias = torch.randn(3, 8, kernel, kernel).to(x).to(memory_format=torch.channels_last), torch.randn(8).to(x)
    weight.requires_grad_()
    maps = by_padding(x, weight, bias, stride, crop)
    maps.register_hook(lambda gradient: layouts.append(gradient.is_contiguous(memory_format=torch.channels_last)))
    layouts = []
    (top, left), side = crop, 7 * stride
    sliced = F.conv_transpose2d(x, weight, bias, stride)[..., top : top + side, left : left + side]
    torch.testing.assert_close(maps, sliced)
    torch.testing.assert_close(in_phases(x, weight, bias, stride, crop), sliced)
    found = torch.autograd.grad(gate(maps).square().sum(), (x, weight))
    expected = torch.autograd.grad(F.glu(sliced, 1).square().sum(), (x, weight))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
        assert one.is_contiguous(memory_format=torch.channels_last)
    assert layouts == [True] and maps.is_contiguous(memory_format=torch.channels_last)
