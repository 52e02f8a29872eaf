"""Load trained models from a store, and draw images from them."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from rdbench import data
from rdbench.config.run_config import RunConfig
from rdbench.config.sources import check_sources
from rdbench.data.arrays import as_bits
from rdbench.data.dataset import Bits, Dataset
from rdbench.data.images import Images
from rdbench.errors import UserError, reason
from rdbench.measures.bounds import measure
from rdbench.models import VAE, Size, make_model
from rdbench.runs.splits import subset
from rdbench.store.rounding import in_float32
from rdbench.store.row_checks import read_config
from rdbench.store.schema import known
from rdbench.store.store import Store

log = logging.getLogger("rdbench")

CPU = torch.device("cpu")
ROWS = 8
DECODED = 5


def load_model(store: Store, row: Mapping[Any, Any]) -> VAE:
    """The trained model of a run, in evaluation mode, on the CPU.

    Raises:
        UserError: its checkpoint is missing or does not fit, or a plug-in's part is not installed or has changed.
    """
    config, kept = read_config(row["config"]), store.load_weights(row["run_id"])
    check_sources(config.sources)
    weights = in_float32(kept)
    if any(value.dtype == np.float16 for value in kept.values()):
        log.warning(f"the weights of run {row['run_id']} are kept in float16, so its measures can differ a little")
    classes = int(row["classes"]) if known(row.get("classes")) else 0
    image_side = image_side_of(row)
    try:
        with torch.device("meta"):  # takes no memory, of which a stranger's row may ask any amount
            described = make_model(config, image_side, classes).state_dict()
            expected = {name: (value.shape, _dtype(value)) for name, value in described.items()}
    except (RuntimeError, TypeError, KeyError, OverflowError) as error:
        raise UserError(f"run {row['run_id']} describes no model of images ({reason(error)})") from None
    found = {name: (value.shape, value.dtype) for name, value in weights.items()}
    if found != expected or not all(np.isfinite(value).all() for value in weights.values()):
        raise UserError(f"{store}/{store.checkpoint(row['run_id'])} does not hold this run's weights")
    model = make_model(config, image_side, classes)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return model.eval()


def image_side_of(row: Mapping[Any, Any]) -> int:
    """The side in pixels of the images of a run; old rows do not say it, and are of 28."""
    return int(row["image_side"]) if known(row.get("image_side")) else Size.image_side


def load_data(row: Mapping[Any, Any], run: RunConfig, data_dir: Path | None) -> Dataset:
    """The dataset that a run was trained on.

    Raises:
        UserError: it cannot be had, or the data of that name is other data here.
    """
    dataset = data.load(run.dataset, data_dir, run.binarisation)
    if dataset.sha256 != row["dataset_sha256"]:
        raise UserError(
            f"run {row['run_id']} was trained on other data than {run.dataset} is here; bring that data back, or do "
            "the run again"
        )
    return dataset


def _dtype(value: Tensor) -> np.dtype[Any]:
    """The NumPy dtype of a tensor, which may be on the meta device."""
    return torch.empty(0, dtype=value.dtype, device="cpu").numpy().dtype


@torch.no_grad()
def draw_samples(store: Store, row: Mapping[Any, Any], data_dir: Path | None = None) -> list[NDArray[np.float32]]:
    """Five columns of 8 images: test images, a reconstruction, a mean of five; a generated image, a mean of five.

    Raises:
        UserError: the checkpoint or the data is not here.
    """
    run = read_config(row["config"])
    if run.labels is not None:
        raise UserError(f"run {row['run_id']} explains labels, so it draws no images")
    name = run.dataset
    if not data.present(name, data_dir):
        raise UserError(f"dataset {name} is not here; fetch it with: rdbench data fetch {name}")
    model, dataset = load_model(store, row), load_data(row, run, data_dir)
    inputs = Images.on(CPU, subset(dataset.test, ROWS))[:]
    torch.manual_seed(row["seed"])
    columns = [inputs]
    try:
        for z in (model.encoder(inputs).sample(), model.marginal().sample((ROWS,))):
            decoded = model.decoder(z).sample((DECODED,))
            columns += [decoded[0], decoded.mean(0)]
    except (RuntimeError, IndexError) as error:  # large weights can make a probability NaN
        raise UserError(f"the model of run {row['run_id']} draws no images ({reason(error)})") from None
    return [column.numpy() for column in columns]


class TrainedModel:
    """A trained model in evaluation mode, on the CPU, of images with ``image_side`` pixels along a side.

    ``encoder``, ``decoder`` and ``marginal`` are its parts.
    """

    def __init__(self, model: VAE, image_side: int) -> None:
        self.encoder, self.decoder, self.marginal = model.encoder, model.decoder, model.marginal
        self.image_side = image_side
        self._model = model

    @torch.no_grad()
    def encode(self, images: Any) -> Distribution:
        """e(z|x) of (N, side, side) or (N, side²) zeros and ones, NumPy's or torch's.

        Raises:
            UserError: the images are of another shape, or hold anything but zeros and ones.
        """
        encoded: Distribution = self.encoder(self._images(images)[:])
        return encoded

    @torch.no_grad()
    def decode(self, z: Any) -> Distribution:
        """d(x|z) of (..., latent) z, NumPy's or torch's."""
        z = torch.as_tensor(z)
        decoded: Distribution = self.decoder(z.float() if z.is_floating_point() else z)
        return decoded

    @torch.no_grad()
    def sample(self, images: int) -> Bits:
        """Draw images by z ~ m(z), x ~ d(x|z); zeros and ones, (images, side, side)."""
        drawn = self.decoder(self.marginal().sample((images,))).sample()
        return drawn.numpy().astype(np.uint8)

    def log_prob(self, images: Any, k: int = 50) -> NDArray[np.float64]:
        """IWAE-k of each image in nats, (N,): in expectation a lower bound of log p(x), tighter as k grows.

        An encoder of codes draws one z only, so there it is the ELBO for every k.

        Raises:
            UserError: as for ``encode``, or k is below 1.
        """
        return measure(self._model, self._images(images), (k,)).iwae[k]

    def _images(self, images: Any) -> Images:
        bits = Images.on(CPU, as_bits("images", images))
        if bits.side != self.image_side:
            found, expected = (f"{side}×{side}" for side in (bits.side, self.image_side))
            raise UserError(f"images: found {found} pixels; expected {expected}, on which this model was trained")
        return bits
