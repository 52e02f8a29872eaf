"""One run, from description to record."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rdbench.checkpoint import Checkpoint
from rdbench.config import RunConfig
from rdbench.data import Dataset
from rdbench.data.dataset import Bits
from rdbench.errors import UserError, one_of
from rdbench.evaluate import Arrays, Measures, Piece, mean_and_error, measure
from rdbench.host import DEVICES, Host, QuietHost, StoppedError
from rdbench.images import Images
from rdbench.information import active_units, generative_bounds, mutual_information, rate_by_dimension
from rdbench.models import VAE, Size, build, count_parameters
from rdbench.pieces import Pieces
from rdbench.provenance import describe
from rdbench.schema import Column, Record
from rdbench.state import State
from rdbench.totals import DivergedError, require_finite
from rdbench.train import Epoch, Step, Training

SUBSET_SEED = 0
"""Rows stand sorted by class in places, so a subset is drawn by a shuffle that all runs share."""

FINAL = ("rate", "distortion", "train_rate", "train_distortion")

CHECKPOINT_SECONDS = 60.0
"""How often the state of a run is kept; what came after is done again when it is interrupted."""


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

    With a ``checkpoint`` it goes on from what is kept there, bit for bit, and keeps its own state there, every so many
    seconds. A run whose loss stops being finite, or that needs more memory than the GPU has, becomes a record that
    says so.

    Raises:
        StoppedError: the host asked for it; the state is kept.
    """
    host = host or QuietHost()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    images = Splits.of(dataset, config, device)
    training, pieces = _begin(config, images, device, host, checkpoint)
    keeper = _Keeper(training, pieces, host, checkpoint, checkpoint_seconds)
    row = describe(config, sweep, dataset.sha256, dataset.entropy, device) | {
        "precision": training.precision,
        "parameters": count_parameters(training.model),
        "train_images": len(images.train),
        "valid_images": len(images.valid),
        "test_images": len(images.test),
    }
    examples: Mapping[str, Column] = {}
    try:
        training.run(lambda step: host.progress(*_training(step)), keeper.between, host.say)
        measured, test = _evaluate(training.model, images, dataset, config, keeper)
        row |= measured | {"status": "ok", "eval_seconds": pieces.seconds}
        examples = _per_image(row["run_id"], test)
    except DivergedError as error:
        row |= {"status": "diverged", "error": str(error)}
    except torch.OutOfMemoryError as error:
        row |= {"status": "failed", "error": str(error).splitlines()[0]}
    history = training.history
    seconds = sum(epoch.seconds for epoch in history)
    row["train_seconds"] = seconds
    row["effective_beta"] = history[-1].beta if history else None
    row["images_per_second"] = history[-1].step * training.batch / seconds if history else None
    row["skipped_steps"] = training.skipped_steps
    row["micro_batch"] = training.micro_batch
    row["peak_memory_bytes"] = peak_memory(device)
    weights = {name: value.detach().cpu().contiguous().numpy() for name, value in training.model.state_dict().items()}
    return Record(row["run_id"], row, _columns(row["run_id"], history), examples, weights)


def _begin(
    config: RunConfig, images: "Splits", device: torch.device, host: Host, checkpoint: Checkpoint | None
) -> tuple[Training, Pieces]:
    """The training and evaluation of a run, as far as they are: from what was kept last, else before, else anew."""

    def anew() -> tuple[Training, Pieces]:
        torch.manual_seed(config.seed)
        return Training(make_model(config).to(device), images.train, images.valid, config), Pieces(device, config.seed)

    if checkpoint is None:
        return anew()
    states, refused = checkpoint.states()
    for state in states:
        training, pieces = anew()
        try:
            training.restore(state)
            pieces.restore(state)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            refused.append(f"{checkpoint.storage}: a state of run {checkpoint.run_id} does not fit ({error})")
            continue
        for line in refused:
            host.say(line)
        host.say(f"going on from step {training.step} of {training.steps}")
        return training, pieces
    if refused:
        for line in refused:
            host.say(line)
        host.say("beginning anew")
        checkpoint.discard()
    return anew()


class _Keeper:
    """Keeps the state of a run every so many seconds, and once more when it is to stop."""

    def __init__(
        self, training: Training, pieces: Pieces, host: Host, checkpoint: Checkpoint | None, seconds: float
    ) -> None:
        self.training = training
        self.pieces = pieces
        self.host = host
        self.checkpoint = checkpoint
        self.seconds = seconds
        self.kept = time.monotonic()

    def between(self) -> None:
        """Called where the state is whole: after a step, or after a piece of the evaluation.

        Raises:
            StoppedError: the host asked for it.
        """
        stopping = self.host.stop_asked()
        if self.checkpoint and (stopping or time.monotonic() - self.kept > self.seconds):
            self.checkpoint.save(self._state())
            self.kept = time.monotonic()
        if stopping:
            raise StoppedError

    def piece(self, stage: str) -> Piece:
        """The pieces of a stage of the evaluation, each remembered when it is done."""

        def remembered(name: str, compute: Callable[[], Arrays]) -> Arrays:
            arrays, new = self.pieces.get(f"{stage}/{name}", compute)
            if new:
                self.between()
            return arrays

        return remembered

    def progress(self, stage: str) -> Callable[[int, int], None]:
        """Shows how far a stage is; within a piece, a stop gives that piece up."""

        def show(done: int, total: int) -> None:
            self.host.progress(stage, done, total, "")
            if self.host.stop_asked():
                self.between()

        return show

    def _state(self) -> State:
        training, pieces = self.training.state(), self.pieces.state()
        return State({**training.tensors, **pieces.tensors}, {**training.facts, **pieces.facts})


def _evaluate(
    model: VAE, images: "Splits", dataset: Dataset, config: RunConfig, keeper: _Keeper
) -> tuple[dict[str, Any], Measures]:
    """The columns that an evaluation gives, and the measures of the test split."""
    keeper.pieces.begin()

    def stage(name: str) -> dict[str, Any]:
        return {"progress": keeper.progress(name), "piece": keeper.piece(name)}

    test = measure(model, images.test, config.iwae, config.rate_samples, **stage("test split"))
    again = measure(model, images.train_again, **stage("training split"))
    row = test.summary() | {"train_rate": again.rate.mean(), "train_distortion": again.distortion.mean()}
    require_finite("of rates and distortions after training", *(row[name] for name in FINAL))
    row |= _gaps(test, dataset, config)
    row |= _information(model, images.test, test.rate, **stage("information"))
    if config.train_information:
        information = _information(model, images.train_again, again.rate, **stage("information of training images"))
        row |= {f"train_{name}": value for name, value in information.items()}
    row |= generative_bounds(model, config.generated_images, config.iwae[-1], **stage("generated images"))
    return row, test


class Splits(NamedTuple):
    """What to train on, then what to evaluate of the validation, test and training splits."""

    train: Images
    valid: Images
    test: Images
    train_again: Images

    @classmethod
    def of(cls, dataset: Dataset, config: RunConfig, device: torch.device) -> "Splits":
        """The images of a dataset that a run describes, on a device."""
        train = subset(dataset.train, config.train_images)
        valid, test = (subset(split, config.evaluation_images) for split in (dataset.valid, dataset.test))
        again = subset(train, len(test))  # as many as of the test split, to be comparable
        return cls(*(Images.on(device, split) for split in (train, valid, test, again)))


def make_model(config: RunConfig) -> VAE:
    """The model that a run describes, its weights drawn from torch's global generator."""
    model = build(config.family, Size(config.width, config.latent_dim, config.pseudo_inputs))
    # the layout in which convolutions are fastest
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def pick_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.

    Raises:
        UserError: there is no such device here.
    """
    available = torch.cuda.is_available()
    one_of("--device", name, DEVICES)
    if name == "cuda" and not available:
        raise UserError("--device cuda: this torch sees no CUDA device; use --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def peak_memory(device: torch.device) -> int:
    """The most bytes held so far: on the GPU since the run began, on a CPU by the process since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def subset(split: Bits, images: int | None) -> Bits:
    """The split, or ``images`` of it, the same for all runs."""
    if images is None or images >= len(split):
        return split
    return split[np.random.Generator(np.random.PCG64(SUBSET_SEED)).permutation(len(split))[:images]]


def _gaps(test: Measures, dataset: Dataset, config: RunConfig) -> dict[str, float]:
    """What lies between the bounds, from per-image differences, whose errors are far smaller than those of the means.

    ``encoder_gap`` is IWAE-k less ELBO at the largest k; where p* is known, ``<bound>_gap`` is log p*(x) less a bound.
    """
    gaps = {"encoder_gap": test.iwae[config.iwae[-1]] - test.elbo}
    if dataset.log_prob is not None:
        truth = dataset.log_prob(subset(dataset.test, config.evaluation_images))
        gaps |= {"elbo_gap": truth - test.elbo} | {f"iwae_{k}_gap": truth - bound for k, bound in test.iwae.items()}
    row = {}
    for name, per_image in gaps.items():
        row[name], row[f"{name}_se"] = mean_and_error(per_image)
    return row


def _information(
    model: VAE, images: Images, rate: NDArray[np.float64], progress: Callable[[int, int], None], piece: Piece
) -> dict[str, Any]:
    """What z knows of a split whose rate, image by image, is given."""
    information = piece("mutual", lambda: {"nats": mutual_information(model, images, progress)})["nats"]
    active = piece("active", lambda: {"units": np.array([active_units(model, images)], np.float64)})["units"]
    row: dict[str, Any] = {}
    for name, per_image in {"mutual_information": information, "marginal_kl": rate - information}.items():
        row[name], row[f"{name}_se"] = mean_and_error(per_image)
    return row | {"active_units": int(active[0]), "rate_by_dimension": rate_by_dimension(model, images)}


def _training(step: Step) -> tuple[str, int, int, str]:
    numbers = f"R {step.rate:.2f}  D {step.distortion:.2f}  −ELBO {step.rate + step.distortion:.2f}  β {step.beta:g}"
    return "training", step.step, step.steps, numbers


def _columns(run_id: str, history: list[Epoch]) -> dict[str, list[Any]]:
    """The epochs as columns."""
    names = Epoch.__dataclass_fields__
    rows = [asdict(epoch) for epoch in history]
    return {"run_id": [run_id] * len(rows)} | {name: [row[name] for row in rows] for name in names}


def _per_image(run_id: str, test: Measures) -> dict[str, Column]:
    count = len(test.rate)
    bounds = {f"iwae_{k}": bound.astype(np.float32) for k, bound in test.iwae.items()}
    single = {"rate": test.rate.astype(np.float32), "distortion": test.distortion.astype(np.float32)}
    return {"run_id": [run_id] * count, "index": np.arange(count), **single, **bounds}
