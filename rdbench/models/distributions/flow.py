"""Mean-only autoregressive flows: IAF samples in one pass, MAF scores in one pass."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, TransformedDistribution, constraints
from torch.distributions.transforms import Transform


class Shift(Transform):
    r"""y = x + s(x), where sᵢ depends on earlier xⱼ only, so that log |det ∂y/∂x| = 0.

    Forward takes one pass of the network. The inverse takes one for each dimension, or none if ``cache_size`` is 1 and
    y is the very tensor that the last forward pass returned. "Improved variational inference with inverse
    autoregressive flow" (Kingma et al., 2016, https://arxiv.org/abs/1606.04934).
    """

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, shift: nn.Module, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.shift = shift

    def _call(self, x: Tensor) -> Tensor:
        return x + self.shift(x).to(x.dtype)

    def _inverse(self, y: Tensor) -> Tensor:
        x = y
        for _ in range(y.shape[-1]):  # each pass settles one more dimension, in whatever order
            x = y - self.shift(x).to(y.dtype)
        return x

    def forget(self) -> None:
        """Release the cached sample, and with it all that its gradient needs."""
        self._cached_x_y = None, None

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[:-1])


def inverse_autoregressive(base: Distribution, steps: Sequence[Shift]) -> Distribution:
    """z = s_K ∘ … ∘ s₁(u), u ~ ``base``: samples in one pass, and scores a fresh sample without an inverse."""
    return TransformedDistribution(base, list(steps), validate_args=False)


def masked_autoregressive(base: Distribution, steps: Sequence[Shift]) -> Distribution:
    """u = s₁ ∘ … ∘ s_K(z) ~ ``base``: scores z in one pass, and samples it one dimension at a time.

    "Masked autoregressive flow for density estimation" (Papamakarios et al., 2017, https://arxiv.org/abs/1705.07057).
    """
    return TransformedDistribution(base, [step.inv for step in steps], validate_args=False)


def shifts(networks: Iterable[nn.Module], cache_size: int = 0) -> list[Shift]:
    """A step for each network."""
    return [Shift(network, cache_size) for network in networks]
