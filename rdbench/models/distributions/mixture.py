"""Mixtures of the distributions that encoders give."""

from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, TransformedDistribution


def mixture(logits: Tensor, components: Distribution) -> Distribution:
    """Σᵢ wᵢ pᵢ with w = softmax(``logits``) of shape (N,), over a batch of N ``components``.

    Components that share a flow are mixed before it: the flow of a mixture is the mixture of the flows.
    """
    if isinstance(components, TransformedDistribution):
        base = mixture(logits, components.base_dist)
        return TransformedDistribution(base, components.transforms, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, components, validate_args=False)
