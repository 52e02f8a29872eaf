"""Finished runs judged a second time: by a probe of their labels, and by annealed importance sampling."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rdbench import data
from rdbench.config.parts import VECTOR, find
from rdbench.config.run_config import FIRST_LABELS, RunConfig
from rdbench.data import Dataset
from rdbench.errors import UserError
from rdbench.measures import annealed
from rdbench.measures.annealed import Annealed, Progress
from rdbench.measures.bounds import mean_and_error, measure
from rdbench.measures.probe import probe
from rdbench.models import VAE
from rdbench.runs.provenance import command
from rdbench.runs.splits import Splits
from rdbench.runs.trained import load_model
from rdbench.store.changes import extend
from rdbench.store.row_checks import read_config
from rdbench.store.schema import known
from rdbench.store.store import Store

Row = Mapping[str, Any]
Say = Callable[[str], None]

COMPARED_DRAWS = 5000
"""The k of the IWAE that annealed importance sampling is compared with, image by image."""


@dataclass(frozen=True)
class Trained:
    """A finished run with its model and data, on a device."""

    run: RunConfig
    model: VAE
    dataset: Dataset
    device: torch.device


class Judge(Protocol):
    """Something that is measured of finished runs."""

    def is_done(self, row: Row) -> bool:
        """Whether a row has its columns already."""

    def judge(self, trained: Trained, progress: Progress, say: Say) -> dict[str, Any]:
        """The columns of a run.

        Raises:
            UserError: the run cannot be judged so.
        """


@dataclass(frozen=True)
class LabelProbe:
    """A linear probe of the first label set on z: ``probe_information`` = H(Y) − cross-entropy, and ``probe_error``."""

    def is_done(self, row: Row) -> bool:
        return known(row.get("probe_information"))

    def judge(self, trained: Trained, progress: Progress, say: Say) -> dict[str, Any]:
        labels = trained.dataset.label_set(FIRST_LABELS)
        described = trained.run.model_copy(update={"labels": FIRST_LABELS})
        splits = Splits.of(trained.dataset, described, trained.device)
        found = probe(trained.model, splits.train, splits.test, len(labels.classes))
        row: dict[str, Any] = {"probe_entropy": labels.entropy}
        for name, values in {
            "probe_information": labels.entropy - found.cross_entropy, "probe_error": found.wrong,
        }.items():  # fmt: skip
            row[name], row[f"{name}_se"] = mean_and_error(values)
        return row


@dataclass(frozen=True)
class Annealing:
    """Annealed importance sampling at so many temperatures, with so many chains for each of so many images.

    ``ais_T`` is a lower bound of log p(x) on test images, ``ais_T_upper`` an upper one on as many images that the model
    draws, and ``ais_T_gap`` that less the lower one on the same images. ``ais_T_less_iwae`` is ``ais_T`` less IWAE-5000
    on the same test images. ``ais_rates`` and ``ais_distortions`` are the model's own curve, a point a temperature.
    """

    temperatures: int
    chains: int
    images: int

    def is_done(self, row: Row) -> bool:
        return known(row.get(f"ais_{self.temperatures}"))

    def judge(self, trained: Trained, progress: Progress, say: Say) -> dict[str, Any]:
        latent = find("encoder", trained.run.encoder).latent
        if latent != VECTOR:
            raise UserError(f"--ais: z of {trained.run.encoder} is {latent[0]}; annealing moves continuous z only")
        for parameter in trained.model.parameters():
            parameter.requires_grad_(False)
        images = Splits.of(trained.dataset, trained.run, trained.device).test[: self.images]
        real = Annealed(trained.model, images)
        drawn, u = annealed.simulated(trained.model, len(images))
        say(self._cost(real))
        schedule = annealed.temperatures(self.temperatures)
        steps = annealed.pilot(real, schedule, self.chains)
        found = annealed.forward(real, schedule, steps, self.chains, progress)
        lower = annealed.forward(drawn, schedule, steps, self.chains, progress).log_mean
        upper = annealed.backward(drawn, u, schedule, steps, self.chains)
        iwae = measure(trained.model, images, (COMPARED_DRAWS,)).iwae[COMPARED_DRAWS]
        below = found.log_mean.cpu().numpy()
        columns = {"": below, "_upper": upper.cpu().numpy(), "_gap": (upper - lower).cpu().numpy(),
                   "_less_iwae": below - iwae}  # fmt: skip
        row: dict[str, Any] = {"ais_images": len(images), "ais_chains": self.chains, "ais_accepted": found.accepted}
        for suffix, values in columns.items():
            name = f"ais_{self.temperatures}{suffix}"
            row[name], row[f"{name}_se"] = mean_and_error(values)
        return row | {"ais_rates": np.array(found.rate), "ais_distortions": np.array(found.distortion)}

    def _cost(self, path: Annealed) -> str:
        """What it will take, by the time of one gradient."""
        u = path.prior.sample((self.chains, len(path.images)))
        began = time.perf_counter()
        path.gradient(u, 1.0)
        seconds = time.perf_counter() - began
        passes = 4 * self.temperatures * (annealed.LEAPFROG + 1)  # a pilot, two ways down and one way up
        each = self.chains * len(path.images)
        return f"{passes:,} passes of the decoder on {each:,} images each, some {passes * seconds:,.0f} s"


def judge_run(
    judge: Judge, store: Store, row: Row, device: torch.device, data_dir: Path | None, progress: Progress, say: Say
) -> dict[str, Any]:
    """Judge a finished run, and add the columns to its row.

    Raises:
        UserError: the data is not what the run was trained on, the run has no weights, or it cannot be judged so.
    """
    run = read_config(row["config"])
    dataset = data.load(run.dataset, data_dir, run.binarisation)
    if dataset.sha256 != row["dataset_sha256"]:
        raise UserError(f"run {row['run_id']} was trained on other data than what {run.dataset} is here")
    trained = Trained(run, load_model(store, row).to(device), dataset, device)
    torch.manual_seed(run.seed)
    columns = judge.judge(trained, progress, say)
    extend(store, row["run_id"], {**columns, "evaluated_with": command()}, {})
    return columns
