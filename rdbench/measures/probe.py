"""A linear probe of the labels on z, for models that were trained without labels."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rdbench.data.images import Images
from rdbench.measures.bounds import draws_of, measuring
from rdbench.models import VAE

IMAGES_AT_ONCE = 500
PENALTY = 1e-4
"""Weight decay: half of this times the squared weights, so that the fit converges on separable classes."""

ITERATIONS = 300


class Probed(NamedTuple):
    """Per-image numbers of the test split, each (N,): −log p(y|z) in nats, and ``wrong``, 0 or 1."""

    cross_entropy: NDArray[np.float64]
    wrong: NDArray[np.float64]


def probe(model: VAE, train: Images, test: Images, classes: int) -> Probed:
    """Fit p(y|z) = softmax(Wz + b) to one z ~ e(z|x) of each training image, and test it on one of each test image.

    z is a draw, not the mean, so that H(Y) less the cross-entropy is at most I(Z;Y) ≤ R in expectation.
    """
    if train.labels is None or test.labels is None:
        raise ValueError("these images have no labels")
    z, held_out = _drawn(model, train), _drawn(model, test)
    mean, scale = z.mean(0), z.std(0).clamp(min=1e-6)
    log_p = fitted((z - mean) / scale, train.labels.cpu(), classes, (held_out - mean) / scale)
    labels = test.labels.cpu()
    cross_entropy = -log_p.gather(1, labels[:, None])[:, 0]
    return Probed(cross_entropy.numpy(), (log_p.argmax(1) != labels).double().numpy())


def fitted(features: Tensor, labels: Tensor, classes: int, others: Tensor) -> Tensor:
    """Fit a softmax regression to (N, D) features and (N,) labels: log p(y|z) of ``others``, (M, D) to (M, classes)."""
    weights = torch.zeros(features.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        nats = torch.nn.functional.cross_entropy(features @ weights + bias, labels)
        value = nats + PENALTY / 2 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return (others @ weights + bias).detach().log_softmax(1)


@measuring()
def _drawn(model: VAE, images: Images) -> Tensor:
    """One z of each image, (N, D), in float64 on the CPU."""
    parts = []
    for start in range(0, len(images), IMAGES_AT_ONCE):
        encoder = model.encoder(images[start : start + IMAGES_AT_ONCE])
        parts += [model.features(z[0]).flatten(1).double().cpu() for z in draws_of(encoder, 1, 1)]
    return torch.cat(parts)
