"""How far a relaxation of z is from the true latent, while it trains."""

import math
from typing import NamedTuple

from rdbench.data.images import Images
from rdbench.measures.bounds import measuring
from rdbench.models import VAE


class Relaxation(NamedTuple):
    """The temperature, and the distortion of the relaxed z less that of the hard one, nats; NaN where z is not."""

    temperature: float = math.nan
    gap: float = math.nan


@measuring()
def relaxation(model: VAE, split: Images, first: int) -> Relaxation:
    """How the training of ``model`` relaxes z now, by one draw for each of the ``first`` images.

    A negative gap says that training sees a better distortion than the true latent has.
    """
    if not getattr(model.estimator, "relaxes", False):
        return Relaxation()
    images = split[:first]
    targets = images if split.labels is None else split.labels[:first]
    relaxed = model(images, targets=targets).mean_distortion
    hard = -model.decoder(model.encoder(images).sample((1,))).log_prob(targets).mean()
    return Relaxation(float(model.estimator.temperature), float(relaxed - hard))  # type: ignore[arg-type]
