"""Images from the models in a store."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rdbench import data
from rdbench.config.run_config import check_sources
from rdbench.data.images import Images
from rdbench.errors import UserError, reason
from rdbench.models import VAE, Size, make_model
from rdbench.runs.splits import subset
from rdbench.store.row_checks import read_config
from rdbench.store.schema import known
from rdbench.store.store import Store

ROWS = 8
DECODED = 5


def load_model(store: Store, row: Mapping[Any, Any]) -> VAE:
    """The trained model of a run, in evaluation mode, on the CPU.

    Raises:
        UserError: its checkpoint is absent or does not fit, or a part from elsewhere is not here or not the same.
    """
    config, weights = read_config(row["config"]), store.load_weights(row["run_id"])
    check_sources(config)
    image_side = Size.image_side  # of rows from before there were other sides, which do not say it
    if known(row.get("image_side")):
        image_side = int(row["image_side"])
    try:
        with torch.device("meta"):  # without memory, for a description may ask for any amount of it
            expected = {name: value.shape for name, value in make_model(config, image_side).state_dict().items()}
    except (RuntimeError, TypeError, KeyError, OverflowError) as error:
        raise UserError(f"run {row['run_id']} describes no model of images ({reason(error)})") from None
    finite = all(value.dtype.kind == "f" and np.isfinite(value).all() for value in weights.values())
    if not finite or {name: value.shape for name, value in weights.items()} != expected:
        raise UserError(f"{store}/{store.checkpoint(row['run_id'])} does not hold this run's weights")
    model = make_model(config, image_side)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return model.eval()


@torch.no_grad()
def draw_samples(store: Store, row: Mapping[Any, Any]) -> list[NDArray[np.float32]]:
    """Columns of 8 images: of the test split, one reconstruction, a mean of five; one generation, a mean of five.

    Raises:
        UserError: the checkpoint or the data is not here.
    """
    run = read_config(row["config"])
    name = run.dataset
    if name in data.DATASETS and not data.present(name):
        raise UserError(f"dataset {name} is not here; fetch it with: rdbench data fetch {name}")
    model, dataset = load_model(store, row), data.load(name, None, run.binarisation)
    if dataset.sha256 != row["dataset_sha256"]:
        raise UserError(f"dataset {name} is not the one that run {row['run_id']} was trained on")
    inputs = Images.on(torch.device("cpu"), subset(dataset.test, ROWS))[:]
    torch.manual_seed(row["seed"])
    columns = [inputs]
    try:
        for z in (model.encoder(inputs).sample(), model.marginal().sample((ROWS,))):
            decoded = model.decoder(z).sample((DECODED,))
            columns += [decoded[0], decoded.mean(0)]
    except RuntimeError as error:  # weights can be so large that a probability is no number
        raise UserError(f"the model of run {row['run_id']} draws no images ({reason(error)})") from None
    return [column.numpy() for column in columns]
