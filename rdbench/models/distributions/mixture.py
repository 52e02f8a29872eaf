"""Mixtures of the distributions that encoders give."""

from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, TransformedDistribution


def mixture(logits: Tensor, components: Distribution) -> Distribution:
    """Σᵢ wᵢ pᵢ over a batch of N ``components``, with w = softmax(``logits``), (N,).

    Components that share a flow are mixed in its base space, which gives the same mixture and evaluates the flow once.
    """
    if isinstance(components, TransformedDistribution):
        base = mixture(logits, components.base_dist)
        return TransformedDistribution(base, components.transforms, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, components, validate_args=False)
