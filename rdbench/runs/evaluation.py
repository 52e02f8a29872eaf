"""The evaluation of a trained run: the columns of its row, and its measures of each image."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rdbench.config.run_config import RunConfig
from rdbench.data import Dataset
from rdbench.data.images import Images
from rdbench.data.trivial import independent_pixels
from rdbench.measures.bounds import Arrays, Measures, Piece, at_once, mean_and_error, measure
from rdbench.measures.codes import code_counts, use_of_codes
from rdbench.measures.information import active_units, generative_bounds, mutual_information, rate_by_dimension
from rdbench.measures.labels import predict
from rdbench.models import VAE
from rdbench.runs.keeping import Keeper
from rdbench.runs.splits import Splits, explained_labels, subset
from rdbench.runs.totals import require_finite

FINAL = ("rate", "distortion", "train_rate", "train_distortion")


def evaluate(
    model: VAE, images: Splits, dataset: Dataset, config: RunConfig, keeper: Keeper
) -> tuple[dict[str, Any], Measures]:
    """The columns that an evaluation adds to a run's row, and the measures of the test split.

    IWAE-k, its gaps and the generative bounds are about images, so a decoder of labels has none of them. Nor has a
    deterministic encoder, which ``iwae`` is empty for: all its weights are alike, so IWAE-k is the ELBO whatever k, and
    log e of a z that the encoder did not choose is −∞.
    """
    keeper.pieces.begin()

    def stage(name: str) -> dict[str, Any]:
        return {"progress": keeper.progress(name), "piece": keeper.piece(name)}

    labels = explained_labels(dataset, config)
    iwae = config.iwae if labels is None else ()
    test = measure(model, images.test, iwae, config.rate_samples, **stage("test split"))
    predicted: dict[str, float] = {}
    if labels is not None:
        prediction = predict(model, images.test, len(labels.classes), config.iwae or (1,), **stage("labels"))
        test, predicted = Measures(test.rate, prediction.distortion), prediction.summary(labels.entropy)
    again = measure(model, images.train_again, **stage("training split"))
    row = test.summary() | predicted | {"train_rate": again.rate.mean(), "train_distortion": again.distortion.mean()}
    require_finite("of rates and distortions after training", *(row[name] for name in FINAL))
    counts = code_counts(model, images.test)
    row |= information(model, images.test, test.rate, counts, **stage("information")) | use_of_codes(model, counts)
    if config.train_information:
        counts = code_counts(model, images.train_again)
        of_training = stage("information of training images")
        trained_on = information(model, images.train_again, again.rate, counts, **of_training)
        row |= {f"train_{name}": value for name, value in trained_on.items()}
    if labels is None:
        row |= _gaps(test, dataset, config)
        tested = subset(dataset.test, config.evaluation_images)
        row["independent_pixels"] = independent_pixels(dataset.train, tested).mean()
    if labels is None and config.iwae:
        row |= generative_bounds(model, config.generated_images, config.iwae[-1], **stage("generated images"))
    return row, test


def _gaps(test: Measures, dataset: Dataset, config: RunConfig) -> dict[str, float]:
    """Differences of bounds, in nats per example, with errors of the paired differences image by image.

    ``encoder_gap`` is IWAE-k − ELBO at the largest k. Where p* is known, ``<bound>_gap`` is log p*(x) − bound.
    """
    gaps = {"encoder_gap": test.iwae[config.iwae[-1]] - test.elbo} if config.iwae else {}
    if dataset.log_prob is not None:
        truth = dataset.log_prob(subset(dataset.test, config.evaluation_images))
        gaps |= {"elbo_gap": truth - test.elbo} | {f"iwae_{k}_gap": truth - bound for k, bound in test.iwae.items()}
    row = {}
    for name, per_image in gaps.items():
        row[name], row[f"{name}_se"] = mean_and_error(per_image)
    return row


def information(
    model: VAE,
    images: Images,
    rate: NDArray[np.float64],
    counts: Tensor | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    piece: Piece = at_once,
) -> dict[str, Any]:
    """The information that z has about a split; ``rate`` is that of each image in nats, ``counts`` are of its codes."""

    def count_active() -> Arrays:
        return {"units": np.array([active_units(model, images, counts)], np.float64)}

    lengths = {"nats": len(images)}
    nats = piece("mutual", lengths, lambda: {"nats": mutual_information(model, images, progress)})["nats"]
    active = piece("active", {"units": 1}, count_active)["units"]
    row: dict[str, Any] = {}
    for name, per_image in {"mutual_information": nats, "marginal_kl": rate - nats}.items():
        row[name], row[f"{name}_se"] = mean_and_error(per_image)
    return row | {"active_units": int(active[0]), "rate_by_dimension": rate_by_dimension(model, images)}
