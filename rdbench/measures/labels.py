"""How well a decoder of labels predicts them from draws of z."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rdbench.data.images import Images
from rdbench.measures.bounds import (
    IMAGES_AT_ONCE,
    Arrays,
    Piece,
    StreamingIWAE,
    at_once,
    draws_of,
    joined,
    mean_and_error,
    measuring,
)
from rdbench.models import VAE

DRAWS_AT_ONCE = 50


@dataclass(frozen=True)
class Prediction:
    """Per-image numbers of a split, each (N,): ``distortion`` and ``predictive`` by k in nats, ``wrong`` 0 or 1."""

    distortion: NDArray[np.float64]
    predictive: dict[int, NDArray[np.float64]]
    wrong: NDArray[np.float64]

    def summary(self, entropy: float) -> dict[str, float]:
        """``label_information`` = H(Y) − D, ``label_error``, and ``predictive_k``, each with its standard error."""
        values = {"label_information": entropy - self.distortion, "label_error": self.wrong}
        values |= {f"predictive_{k}": nats for k, nats in self.predictive.items()}
        row = {}
        for name, per_image in values.items():
            row[name], row[f"{name}_se"] = mean_and_error(per_image)
        return row


@measuring()
def predict(
    model: VAE,
    images: Images,
    classes: int,
    draws: Sequence[int],
    progress: Callable[[int, int], None] = lambda done, total: None,
    piece: Piece = at_once,
) -> Prediction:
    """Predict the label of every image of a split by the decoder's mean over draws of z.

    D = −E log d(y|z) is a mean over the largest k of ``draws``. ``predictive`` is log 1/k Σ d(y|zᵢ), zᵢ ~ e(z|x), which
    in expectation rises with k, from −D at k = 1. ``wrong`` is 1 unless the label maximises the mean of d(·|z) over the
    largest k.
    """
    labels, pieces = images.labels, []
    if labels is None:
        raise ValueError("these images have no labels")
    for start in range(0, len(images), IMAGES_AT_ONCE):
        part = slice(start, min(start + IMAGES_AT_ONCE, len(images)))

        def compute(part: slice = part) -> Arrays:
            return _predict_chunk(model, images[part], labels[part], classes, draws)

        names = ["distortion", "wrong", *(f"predictive_{k}" for k in draws)]
        pieces.append(piece(str(start), dict.fromkeys(names, part.stop - part.start), compute))
        progress(part.stop, len(images))
    whole = joined(pieces)
    predictive = {k: whole[f"predictive_{k}"] for k in draws}
    return Prediction(whole["distortion"], predictive, whole["wrong"])


def _predict_chunk(model: VAE, images: Tensor, labels: Tensor, classes: int, draws: Sequence[int]) -> Arrays:
    encoder, most = model.encoder(images), max(draws)
    every = torch.arange(classes, device=labels.device).view(-1, 1, 1)
    bounds = {k: StreamingIWAE(k, len(labels)) for k in draws}
    distortion = torch.zeros(len(labels), dtype=torch.float64)
    summed = torch.zeros(classes, len(labels), dtype=torch.float64, device=labels.device)
    for z in draws_of(encoder, most, DRAWS_AT_ONCE):
        decoder = model.decoder(z)
        log_decoder = decoder.log_prob(labels).double().cpu()
        distortion -= log_decoder.sum(0)
        summed += decoder.log_prob(every).double().exp().sum(1)
        for bound in bounds.values():
            bound.update(log_decoder)
    values = {"distortion": distortion / most, "wrong": (summed.argmax(0) != labels).double().cpu()}
    values |= {f"predictive_{k}": bound.value() for k, bound in bounds.items()}
    return {name: value.numpy() for name, value in values.items()}
