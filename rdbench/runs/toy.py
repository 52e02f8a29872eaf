"""Train and evaluate toy runs, from their descriptions to their records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rdbench.config.run_config import RunConfig
from rdbench.data import toy
from rdbench.data.trivial import why_untrained
from rdbench.measures.exact import Tables, account
from rdbench.models.toy import DiscreteVAE
from rdbench.runs.clock import working_seconds
from rdbench.runs.host import Host, QuietHost, StoppedError
from rdbench.runs.objectives import make_objective
from rdbench.runs.provenance import describe
from rdbench.runs.schedule import learning_rate
from rdbench.store.schema import Column, Record
from rdbench.store.status import Status

STEPS_PER_EPOCH = 100
"""Each is on the whole distribution."""


def execute(runs: Sequence[RunConfig], sweep: str, host: Host | None = None) -> list[Record]:
    """Train and evaluate, all at once, runs of the sweep called ``sweep`` that differ only in their seed.

    Raises:
        StoppedError: the host asked the runs to stop; no state is saved, since training is so short.
    """
    first = runs[0]
    started = working_seconds()
    model = DiscreteVAE(torch.from_numpy(toy.density()), [run.seed for run in runs])
    epochs = _train(model, first, host or QuietHost())
    seconds = (working_seconds() - started) / len(runs)
    log_tables = [table.detach().numpy() for table in model.log_tables()]
    records = []
    for index, run in enumerate(runs):
        tables = Tables(*(table[index] for table in log_tables))
        row = describe(run, sweep, toy.sha256(), toy.entropy(), torch.device("cpu"))
        row |= _measured(tables, row)
        if epochs:
            row |= {"effective_beta": epochs[-1].beta_mean[index], "effective_beta_sd": epochs[-1].beta_sd[index]}
        row |= {"train_seconds": seconds, "eval_seconds": 0.0}
        row |= {"parameters": sum(parameter[..., index, :].numel() for parameter in model.parameters())}
        history = _history(row["run_id"], epochs, index, seconds / max(len(epochs), 1))
        records.append(Record(row["run_id"], row, history, _per_value(row["run_id"], tables), tables._asdict()))
    return records


@dataclass(frozen=True)
class _Epoch:
    """The measures of all models after an epoch, each (seeds,); mean and deviation of β are over its steps."""

    beta: np.ndarray
    beta_mean: np.ndarray
    beta_sd: np.ndarray
    rate: np.ndarray
    distortion: np.ndarray
    learning_rate: float


def _train(model: DiscreteVAE, run: RunConfig, host: Host) -> list[_Epoch]:
    """Train in place by Adam, at the run's learning rate."""
    objective = make_objective(run, STEPS_PER_EPOCH).double().beside(model.marginal.shape[0])
    optimizer = torch.optim.Adam(model.parameters(), lr=run.learning_rate, fused=True)
    steps = run.epochs * STEPS_PER_EPOCH
    epochs, betas = [], []
    for step in range(steps):
        terms = model()
        optimizer.zero_grad()
        objective(terms, torch.tensor(step)).sum().backward()
        rate_now = learning_rate(run.learning_rate, step, steps, run.warmup, run.schedule)
        optimizer.param_groups[0]["lr"] = rate_now
        optimizer.step()
        betas.append(objective.beta.numpy().copy())
        if (step + 1) % STEPS_PER_EPOCH == 0:
            rate, distortion = (value.detach().numpy() for value in (terms.mean_rate, terms.mean_distortion))
            epochs.append(_Epoch(betas[-1], np.mean(betas, 0), np.std(betas, 0), rate, distortion, rate_now))
            betas.clear()
            numbers = f"R {rate.min():.3f} to {rate.max():.3f}, −ELBO ≤ {(rate + distortion).max():.4f}"
            host.progress(f"training {len(rate)} starts", step + 1, steps, numbers)
            if host.stop_asked():
                raise StoppedError
    return epochs


def _measured(tables: Tables, row: Mapping[str, Any]) -> dict[str, Any]:
    """The measures of a model, exact sums without standard errors, and its status; ``row`` describes its run."""
    numbers = account(tables)
    measured: dict[str, Any] = numbers | {f"{name}_se": 0.0 for name in numbers}
    measured |= {"train_rate": numbers["rate"], "train_distortion": numbers["distortion"]}
    measured |= dict.fromkeys(("train_images", "valid_images", "test_images"), toy.VALUES)
    if not math.isfinite(numbers["elbo"]):
        return measured | {"status": Status.DIVERGED, "error": "rate or distortion is not finite"}
    why = why_untrained({**row, **measured})
    return measured | {"status": Status.UNTRAINED if why else Status.OK, "error": why}


def _history(run_id: str, epochs: Sequence[_Epoch], index: int, seconds: float) -> dict[str, Column]:
    rates, distortions = ([float(getattr(epoch, name)[index]) for epoch in epochs] for name in ("rate", "distortion"))
    count = len(epochs)
    return {
        "run_id": [run_id] * count,
        "epoch": list(range(1, count + 1)),
        "step": [STEPS_PER_EPOCH * epoch for epoch in range(1, count + 1)],
        **{name: [float(getattr(epoch, name)[index]) for epoch in epochs] for name in ("beta", "beta_mean", "beta_sd")},
        "learning_rate": [epoch.learning_rate for epoch in epochs],
        "train_rate": rates,
        "train_distortion": distortions,
        "valid_rate": rates,  # exact sums, so there is one split only
        "valid_distortion": distortions,
        "seconds": [seconds] * count,
    }


def _per_value(run_id: str, tables: Tables) -> dict[str, Column]:
    """The rate and distortion of each x, with its probability p(x): means over x are weighted by it."""
    return {
        "run_id": [run_id] * toy.VALUES,
        "index": np.arange(toy.VALUES),
        "probability": toy.density().astype(np.float32),
        "rate": tables.rate().astype(np.float32),
        "distortion": tables.distortion().astype(np.float32),
    }
