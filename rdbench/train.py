"""The training loop, a generator of epochs."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from rdbench.config import RunConfig
from rdbench.evaluate import measure
from rdbench.images import Images
from rdbench.models import VAE
from rdbench.objectives import make_objective

REPORT_SECONDS = 0.5
SMALLEST_NORM = 1e-20


@dataclass(frozen=True)
class Step:
    """Where training stands; ``rate`` and ``distortion`` are means over the epoch so far, in nats per example."""

    step: int
    steps: int
    beta: float
    rate: float
    distortion: float


@dataclass(frozen=True)
class Epoch:
    """An epoch that has ended; ``seconds`` are those of training, without validation."""

    epoch: int
    step: int
    beta: float
    learning_rate: float
    train_rate: float
    train_distortion: float
    valid_rate: float
    valid_distortion: float
    seconds: float


class DivergedError(ArithmeticError):
    """The loss is no longer finite."""


def train(
    model: VAE, train_images: Images, valid_images: Images, config: RunConfig, progress: Callable[[Step], None]
) -> Iterator[Epoch]:
    """Train ``model`` in place, by Adam on gradients of which each tensor's has norm 1; yield after each epoch.

    Batches are drawn without replacement from torch's global generator; what does not fill a batch waits for the next
    epoch's shuffle. "Block-normalized gradient method: an empirical study for training deep neural network" (Yu et al.,
    2017, https://arxiv.org/abs/1707.04822).

    Raises:
        DivergedError: rate or distortion is not finite.
    """
    device = train_images.packed.device
    batch = min(config.batch_size, len(train_images))
    steps_per_epoch = len(train_images) // batch
    steps = config.epochs * steps_per_epoch
    objective = make_objective(config, steps_per_epoch).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16")
    for epoch in range(config.epochs):
        started = reported = time.perf_counter()
        sums = torch.zeros(2, device=device)
        order = torch.randperm(len(train_images), device=device)
        for index in range(steps_per_epoch):
            step = epoch * steps_per_epoch + index
            with autocast:
                terms = model(train_images[order[index * batch : (index + 1) * batch]], objective.samples)
            optimizer.zero_grad()
            objective(terms, step).backward()
            normalize_gradients(model)
            optimizer.param_groups[0]["lr"] = learning_rate(config.learning_rate, step, steps)
            optimizer.step()
            sums += torch.stack([terms.mean_rate, terms.mean_distortion]).detach()
            if time.perf_counter() - reported > REPORT_SECONDS:
                reported = time.perf_counter()
                progress(Step(step + 1, steps, float(objective.beta), *_finite_means(sums, index + 1, step)))
        means = _finite_means(sums, steps_per_epoch, step)
        seconds = time.perf_counter() - started
        with torch.random.fork_rng([device] if device.type == "cuda" else []):  # what is validated changes no training
            torch.manual_seed(config.seed)
            valid = measure(model, valid_images)
        valid_means = float(valid.rate.mean()), float(valid.distortion.mean())
        require_finite(f"of rate and distortion on the validation split after epoch {epoch + 1}", *valid_means)
        yield Epoch(
            epoch + 1,
            step + 1,
            float(objective.beta),
            learning_rate(config.learning_rate, step, steps),
            *means,
            *valid_means,
            seconds,
        )


def learning_rate(start: float, step: int, steps: int) -> float:
    """Constant for the first half of training, then linear to 0.

    >>> [learning_rate(1.0, step, 200) for step in (0, 99, 100, 150, 199)]
    [1.0, 1.0, 1.0, 0.5, 0.01]
    """
    return start * min(1.0, 2 * (steps - step) / steps)


def normalize_gradients(model: torch.nn.Module) -> None:
    """Divide the gradient of each parameter tensor by its own norm."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norms = torch._foreach_norm(gradients)
    torch._foreach_clamp_min_(norms, SMALLEST_NORM)
    torch._foreach_div_(gradients, norms)


def require_finite(when: str, *values: float) -> None:
    """Raise where a rate or a distortion is not finite.

    Raises:
        DivergedError: one is not.
    """
    if not all(map(math.isfinite, values)):
        raise DivergedError(f"found {', '.join(f'{value:g}' for value in values)} nats {when}")


def _finite_means(sums: torch.Tensor, count: int, step: int) -> tuple[float, float]:
    rate, distortion = (sums / count).tolist()
    require_finite(f"of rate and distortion by step {step + 1}", rate, distortion)
    return rate, distortion
