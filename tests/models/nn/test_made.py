import pytest
import torch

from rdbench.models.nn.made import MADE


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("dimensions", "hidden"), [(2, 8), (5, 40), (6, 4)])
def test_output_depends_on_earlier_inputs_only(dimensions, hidden, backward):
    made = MADE(dimensions, hidden, backward=backward).double()
    jacobian = sum(
        torch.autograd.functional.jacobian(made, x).abs() for x in torch.randn(20, dimensions, dtype=torch.float64)
    )
    seen = torch.ones(dimensions, dimensions, dtype=torch.bool)
    earlier = seen.triu(1) if backward else seen.tril(-1)
    assert (jacobian[~earlier] == 0).all()
    if hidden >= dimensions:
        assert (jacobian[earlier] > 0).all()


def test_full_width_has_the_papers_number_of_parameters():
    assert sum(parameter.numel() for parameter in MADE(64).parameters()) == 903_104
