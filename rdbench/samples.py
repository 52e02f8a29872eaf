"""Images from the models in a store."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rdbench import data
from rdbench.config import make_run
from rdbench.errors import UserError
from rdbench.images import Images
from rdbench.models import VAE
from rdbench.run import make_model, subset
from rdbench.store import Store

ROWS = 8
DECODED = 5


def load_model(store: Store, row: Mapping[Any, Any]) -> VAE:
    """The trained model of a run, in evaluation mode, on the CPU.

    Raises:
        UserError: its checkpoint is absent or does not fit.
    """
    model = make_model(make_run(json.loads(row["config"])))
    weights = store.load_weights(row["run_id"])
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    except RuntimeError as error:  # torch's answer where weights do not fit the model
        name = store.checkpoint(row["run_id"])
        raise UserError(f"{store}/{name} does not hold this run's weights ({str(error).splitlines()[0]})") from None
    return model.eval()


@torch.no_grad()
def draw_samples(store: Store, row: Mapping[Any, Any]) -> list[NDArray[np.float32]]:
    """Columns of 8 images: of the test split, one reconstruction, a mean of five; one generation, a mean of five.

    Raises:
        UserError: the checkpoint or the data is not here.
    """
    name = json.loads(row["config"])["dataset"]
    if name in data.DATASETS and not data.present(name):
        raise UserError(f"dataset {name} is not here; fetch it with: rdbench data fetch {name}")
    model, dataset = load_model(store, row), data.load(name)
    inputs = Images.on(torch.device("cpu"), subset(dataset.test, ROWS))[:]
    torch.manual_seed(row["seed"])
    columns = [inputs]
    for z in (model.encoder(inputs).sample(), model.marginal().sample((ROWS,))):
        decoded = model.decoder(z).sample((DECODED,))
        columns += [decoded[0], decoded.mean(0)]
    return [column.numpy() for column in columns]
