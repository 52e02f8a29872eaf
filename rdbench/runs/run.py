"""Train and evaluate one run, from its description to its record."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from rdbench.config.run_config import RunConfig
from rdbench.data import Dataset
from rdbench.data.trivial import fair_coins, why_untrained
from rdbench.measures.bounds import Measures
from rdbench.models import count_parameters, make_model
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import peak_memory
from rdbench.runs.evaluation import evaluate
from rdbench.runs.host import CHECKPOINT_SECONDS, Host, QuietHost
from rdbench.runs.keeping import Keeper
from rdbench.runs.pieces import Pieces
from rdbench.runs.provenance import describe
from rdbench.runs.splits import Splits, explained_labels
from rdbench.runs.state import State
from rdbench.runs.totals import DivergedError
from rdbench.runs.training import Epoch, Step, Training
from rdbench.store.schema import Column, Record
from rdbench.store.status import Status

MOST_THREADS = 4096

LONGEST_REASON = 300
"""The most letters shown of the reason why a state does not fit."""


def execute(
    config: RunConfig,
    sweep: str,
    dataset: Dataset,
    device: torch.device,
    host: Host | None = None,
    checkpoint: Checkpoint | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Record:
    """Train and evaluate one run of the sweep called ``sweep``; on a CPU the same description gives the same numbers.

    With a ``checkpoint`` the run goes on from the state saved there, bit for bit, with the same number of threads, and
    saves its state every ``checkpoint_seconds``. If the loss stops being finite, or the GPU's memory is too small, the
    record's status and error say so.

    Raises:
        StoppedError: the host asked the run to stop; its state is saved.
        UnusableStateError: the run cannot go on from the saved state, which is left as it is.
    """
    host = host or QuietHost()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    images = Splits.of(dataset, config, device)
    labels = explained_labels(dataset, config)
    classes = 0 if labels is None else len(labels.classes)
    training, pieces = _begin(config, images, classes, device, host, checkpoint)
    keeper = Keeper(training, pieces, host, checkpoint, checkpoint_seconds)
    entropy = dataset.entropy if labels is None else labels.entropy
    row = describe(config, sweep, dataset.sha256, entropy, device) | {
        "precision": training.precision,
        "parameters": count_parameters(training.model),
        "image_side": dataset.side,
        "classes": classes or None,
        "train_images": len(images.train),
        "valid_images": len(images.valid),
        "test_images": len(images.test),
    }
    examples: Mapping[str, Column] = {}
    try:
        training.run(lambda step: host.progress(*_training(step, dataset.side, classes)), keeper.between, host.say)
        measured, test = evaluate(training.trained, images, dataset, config, keeper)
        row |= measured | {"eval_seconds": pieces.seconds} | _judged(row | measured)
        examples = _per_image(row["run_id"], test)
    except DivergedError as error:
        row |= {"status": Status.DIVERGED, "error": str(error)}
    except torch.OutOfMemoryError as error:
        row |= {"status": Status.FAILED, "error": str(error).splitlines()[0]}
    row |= _of_training(training, device)
    weights = {name: value.detach().cpu().contiguous().numpy() for name, value in training.trained.state_dict().items()}
    return Record(row["run_id"], row, _columns(row["run_id"], training.history), examples, weights)


def _begin(
    config: RunConfig,
    images: Splits,
    classes: int,
    device: torch.device,
    host: Host,
    checkpoint: Checkpoint | None,
) -> tuple[Training, Pieces]:
    """The training and the pieces of the evaluation, restored from the last saved state, or new if there is none.

    Raises:
        UnusableStateError: the saved state is whole, but the run cannot go on from it here.
    """
    torch.manual_seed(config.seed)
    model = make_model(config, images.train.side, classes)
    training, pieces = Training(model.to(device), images.train, images.valid, config), Pieces(device, config.seed)
    if checkpoint is None:
        return training, pieces
    kept = checkpoint.states()
    for line in (*kept.damaged, *kept.foreign):
        host.say(line)
    if kept.states:
        _restore(training, pieces, kept.states[0], checkpoint)
        host.say(f"going on from step {training.step} of {training.steps}")
    elif kept.foreign:
        raise checkpoint.unusable(kept.foreign[0])
    elif kept.damaged:
        host.say("beginning anew")
        checkpoint.discard()
    return training, pieces


def _restore(training: Training, pieces: Pieces, state: State, checkpoint: Checkpoint) -> None:
    """Restore a state; one that does not fit is not deleted.

    Raises:
        UnusableStateError: it was saved on another kind of device, does not fit, or memory is too small.
    """
    kind = state.facts.get("device", "cuda" if "random_cuda" in state.tensors else "cpu")
    if kind != (here := training.device.type):
        raise checkpoint.unusable(f"the state was saved on {kind}, and this is {here}: use --device {kind}")
    try:
        training.restore(state)
        pieces.restore(state)
        _use_threads(state.facts.get("threads", torch.get_num_threads()))  # older states do not say
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, MemoryError) as error:
        words = " ".join(str(error).split())[:LONGEST_REASON]
        raise checkpoint.unusable(f"the state does not fit this run ({words})") from None


def _use_threads(threads: Any) -> None:
    """Compute on so many threads: sums on another number of them round in another way.

    Raises:
        ValueError: it is no number of threads.
    """
    if type(threads) is not int or not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"found {threads!r} threads; expected a number up to {MOST_THREADS}")
    torch.set_num_threads(threads)


def _judged(row: Mapping[str, Any]) -> dict[str, Any]:
    """The status and error of a measured run, by whether it beats a model that knows nothing of its dataset."""
    why = why_untrained(row)
    return {"status": Status.UNTRAINED if why else Status.OK, "error": why}


def _training(step: Step, side: int, classes: int) -> tuple[str, int, int, str]:
    """The stage, the steps and the numbers of training for a display; warnings come first, since a narrow one cuts."""
    neg_elbo = step.rate + step.distortion
    told = [f"R {step.rate:.2f}", f"D {step.distortion:.2f}", f"−ELBO {neg_elbo:.2f}", f"β {step.beta:g}"]
    if step.jumps:
        told.insert(0, f"jumps {step.jumps}")
    if classes and step.distortion > math.log(classes):
        told.insert(0, "D > guessing")
    if not classes and neg_elbo > fair_coins(side):
        told.insert(0, "−ELBO > coins")
    return "training", step.step, step.steps, "  ".join(told)


def _of_training(training: Training, device: torch.device) -> dict[str, Any]:
    """The columns that say how training went, whether or not it ended."""
    seconds = sum(epoch.seconds for epoch in training.history)
    row: dict[str, Any] = {
        "train_seconds": seconds,
        "jumps": training.jumps,
        "skipped_steps": training.skipped_steps,
        "micro_batch": training.micro_batch,
        "peak_memory_bytes": peak_memory(device),
    }
    last = training.history[-1] if training.history else None
    return row | {
        "effective_beta": last and last.beta_mean,
        "effective_beta_sd": last and last.beta_sd,
        "relaxation_gap": last and last.relaxation_gap,
        "penalty": last and last.penalty,
        "images_per_second": last and last.step * training.batch / seconds,
    }


def _columns(run_id: str, history: list[Epoch]) -> dict[str, list[Any]]:
    """The columns of ``history``."""
    names = Epoch.__dataclass_fields__
    rows = [asdict(epoch) for epoch in history]
    return {"run_id": [run_id] * len(rows)} | {name: [row[name] for row in rows] for name in names}


def _per_image(run_id: str, test: Measures) -> dict[str, Column]:
    count = len(test.rate)
    bounds = {f"iwae_{k}": bound.astype(np.float32) for k, bound in test.iwae.items()}
    single = {"rate": test.rate.astype(np.float32), "distortion": test.distortion.astype(np.float32)}
    return {"run_id": [run_id] * count, "index": np.arange(count), **single, **bounds}
