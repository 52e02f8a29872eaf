import pytest
import torch

from rdbench.models.nn.pixelcnn import PixelCNN
from rdbench.models.nn.pixelcnn_incremental import IncrementalPixelCNN

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [
        ("cpu", torch.float32, 1e-5),
        ("cpu", torch.float64, 1e-10),
        pytest.param("cuda", torch.float64, 1e-10, marks=NO_GPU),  # a GPU rounds convolutions of float32 to TF32
    ],
)
@pytest.mark.parametrize(
    ("count", "height", "width", "features"), [(5, 8, 8, 8), (1, 12, 12, 5), (2, 8, 16, 4), (3, 28, 28, 3)]
)
def test_logits_are_those_of_the_whole_network(count, height, width, features, dtype, tolerance, device):
    network = PixelCNN(features).to(device, dtype)
    with torch.no_grad():
        for parameter in network.parameters():  # the biases too
            parameter += 0.05 * torch.randn_like(parameter)
    context = torch.randn(count, height, width, dtype=dtype, device=device)
    images = (torch.rand_like(context) < 0.5).to(dtype)
    incremental, logits = IncrementalPixelCNN(network, context), []
    for pixels in images.flatten(1).unbind(1):
        logits.append(incremental.next_logits())
        incremental.append(pixels)
    with torch.no_grad():
        whole = network(images, context)
    assert whole.std() > 0.1
    torch.testing.assert_close(torch.stack(logits, 1).reshape(whole.shape), whole, rtol=tolerance, atol=tolerance)


def test_logits_carry_no_gradient_and_leave_the_network_as_it_was():
    network = PixelCNN(3)
    before = [parameter.clone() for parameter in network.parameters()]
    incremental = IncrementalPixelCNN(network, torch.randn(2, 4, 4, requires_grad=True))
    for _ in range(16):
        assert not incremental.next_logits().requires_grad
        incremental.append(torch.ones(2))
    assert all(torch.equal(parameter, was) for parameter, was in zip(network.parameters(), before, strict=True))
