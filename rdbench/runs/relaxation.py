"""The difference that the relaxation of z makes to the distortion, during training."""

import math
from typing import NamedTuple

from rdbench.data.images import Images
from rdbench.measures.bounds import measuring
from rdbench.models import VAE


class Relaxation(NamedTuple):
    """The temperature, and D of the relaxed z − D of the hard z in nats; NaN if training does not relax z."""

    temperature: float = math.nan
    gap: float = math.nan


@measuring()
def relaxation(model: VAE, split: Images, first: int) -> Relaxation:
    """The relaxation of ``model`` now, from one draw of z for each of the ``first`` images.

    If the gap is negative, training sees a lower distortion than the true latent has.
    """
    if not getattr(model.estimator, "relaxes", False):
        return Relaxation()
    images = split[:first]
    targets = images if split.labels is None else split.labels[:first]
    relaxed = model(images, targets=targets).mean_distortion
    hard = -model.decoder(model.encoder(images).sample((1,))).log_prob(targets).mean()
    return Relaxation(float(model.estimator.temperature), float(relaxed - hard))  # type: ignore[arg-type]
