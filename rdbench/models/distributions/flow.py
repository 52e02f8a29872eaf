"""Mean-only autoregressive flows, in the direction that samples in one pass (IAF) and in the other (MAF)."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, TransformedDistribution, constraints
from torch.distributions.transforms import Transform


class Shift(Transform):
    r"""y = x + s(x), where sᵢ depends on earlier xⱼ only, so the volume is kept: log |det ∂y/∂x| = 0.

    Forward is one pass of the network; the inverse is a pass a dimension, unless ``cache_size`` is 1 and y is the very
    tensor that the last forward pass gave. "Improved variational inference with inverse autoregressive flow" (Kingma et
    al., 2016, https://arxiv.org/abs/1606.04934).
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
        for _ in range(y.shape[-1]):  # each pass settles one more dimension, whichever their order
            x = y - self.shift(x).to(y.dtype)
        return x

    def forget(self) -> None:
        """Let go of the last sample, and so of all that its gradient needs."""
        self._cached_x_y = None, None

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[:-1])


def inverse_autoregressive(base: Distribution, steps: Sequence[Shift]) -> Distribution:
    """z = s_K ∘ … ∘ s₁(u), u ~ ``base``: one pass to sample, no inverse to score a fresh sample."""
    return TransformedDistribution(base, list(steps), validate_args=False)


def masked_autoregressive(base: Distribution, steps: Sequence[Shift]) -> Distribution:
    """u = s₁ ∘ … ∘ s_K(z) ~ ``base``: log p(z) in one pass, sampled a dimension at a time.

    "Masked autoregressive flow for density estimation" (Papamakarios et al., 2017, https://arxiv.org/abs/1705.07057).
    """
    return TransformedDistribution(base, [step.inv for step in steps], validate_args=False)


def shifts(networks: Iterable[nn.Module], cache_size: int = 0) -> list[Shift]:
    """One step a network."""
    return [Shift(network, cache_size) for network in networks]
