"""One run, from description to record."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rdbench.config import RunConfig
from rdbench.data import Dataset
from rdbench.data.dataset import Bits
from rdbench.errors import UserError
from rdbench.evaluate import Measures, mean_and_error, measure
from rdbench.images import Images
from rdbench.information import active_units, generative_bounds, mutual_information, rate_by_dimension
from rdbench.models import VAE, Size, build, count_parameters
from rdbench.provenance import describe
from rdbench.store import Column, Record
from rdbench.train import DivergedError, Epoch, Step, require_finite, train

SUBSET_SEED = 0
"""Rows stand sorted by class in places, so a subset is drawn by a shuffle that all runs share."""

FINAL = ("rate", "distortion", "train_rate", "train_distortion")

Progress = Callable[[str, int, int, str], None]
"""Told of the stage, what of it is done, out of how much, and the numbers so far in words."""


def execute(config: RunConfig, sweep: str, dataset: Dataset, device: torch.device, progress: Progress) -> Record:
    """Train and evaluate one run of the sweep called ``sweep``; on a CPU the same description gives the same numbers.

    A run whose loss stops being finite, or that needs more memory than the GPU has, becomes a record that says so.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    torch.manual_seed(config.seed)
    model = make_model(config).to(device)
    train_images, valid_images, test_images, train_again = images_of(dataset, config, device)
    row = describe(config, sweep, dataset.sha256, dataset.entropy, device) | {
        "parameters": count_parameters(model),
        "train_images": len(train_images),
        "valid_images": len(valid_images),
        "test_images": len(test_images),
    }
    history: list[Epoch] = []
    examples: Mapping[str, Column] = {}
    try:
        for epoch in train(model, train_images, valid_images, config, lambda step: progress(*_training(step))):
            history.append(epoch)
        started = time.perf_counter()
        torch.manual_seed(config.seed)
        test = measure(model, test_images, config.iwae, config.rate_samples, _stage(progress, "test split"))
        again = measure(model, train_again, progress=_stage(progress, "training split"))
        row |= test.summary() | {"train_rate": again.rate.mean(), "train_distortion": again.distortion.mean()}
        require_finite("of rates and distortions after training", *(row[name] for name in FINAL))
        row |= _gaps(test, dataset, config)
        row |= _information(model, test_images, test.rate)
        if config.train_information:
            row |= {f"train_{name}": value for name, value in _information(model, train_again, again.rate).items()}
        row |= generative_bounds(model, config.generated_images, config.iwae[-1])
        row |= {"status": "ok", "eval_seconds": time.perf_counter() - started}
        examples = _per_image(row["run_id"], test)
    except DivergedError as error:
        row |= {"status": "diverged", "error": str(error)}
    except torch.OutOfMemoryError as error:
        row |= {"status": "failed", "error": str(error).splitlines()[0]}
    seconds = sum(epoch.seconds for epoch in history)
    row["train_seconds"] = seconds
    row["effective_beta"] = history[-1].beta if history else None
    row["images_per_second"] = (
        history[-1].step * min(config.batch_size, len(train_images)) / seconds if history else None
    )
    row["peak_memory_bytes"] = peak_memory(device)
    weights = {name: value.detach().cpu().contiguous().numpy() for name, value in model.state_dict().items()}
    return Record(row["run_id"], row, _columns(row["run_id"], history), examples, weights)


def make_model(config: RunConfig) -> VAE:
    """The model that a run describes, its weights drawn from torch's global generator."""
    return build(config.family, Size(config.width, config.latent_dim, config.pseudo_inputs))


def images_of(dataset: Dataset, config: RunConfig, device: torch.device) -> tuple[Images, Images, Images, Images]:
    """What to train on, then what to evaluate of the validation, test and training splits."""
    train = subset(dataset.train, config.train_images)
    valid, test = (subset(split, config.evaluation_images) for split in (dataset.valid, dataset.test))
    again = subset(train, len(test))  # as many as of the test split, to be comparable
    train_images, valid_images, test_images, train_again = (
        Images.on(device, split) for split in (train, valid, test, again)
    )
    return train_images, valid_images, test_images, train_again


def pick_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.

    Raises:
        UserError: there is no such device here.
    """
    available = torch.cuda.is_available()
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device: found {name!r}; expected auto, cpu or cuda")
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


def _information(model: VAE, images: Images, rate: NDArray[np.float64]) -> dict[str, Any]:
    """What z knows of a split whose rate, image by image, is given."""
    information = mutual_information(model, images)
    row: dict[str, Any] = {}
    for name, per_image in {"mutual_information": information, "marginal_kl": rate - information}.items():
        row[name], row[f"{name}_se"] = mean_and_error(per_image)
    return row | {
        "active_units": active_units(model, images),
        "rate_by_dimension": rate_by_dimension(model, images),
    }


def _training(step: Step) -> tuple[str, int, int, str]:
    numbers = f"R {step.rate:.2f}  D {step.distortion:.2f}  −ELBO {step.rate + step.distortion:.2f}  β {step.beta:g}"
    return "training", step.step, step.steps, numbers


def _stage(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total, "")


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
