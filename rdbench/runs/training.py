"""The training loop: steps that can be stopped after any one of them, and gone on from."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recomputed

from rdbench.config.run_config import RunConfig
from rdbench.data.images import Images
from rdbench.measures.bounds import measure
from rdbench.models import VAE, Terms
from rdbench.runs.device import fast_precision
from rdbench.runs.objectives import make_objective
from rdbench.runs.state import State, random_state, set_random_state
from rdbench.runs.totals import Totals, require_finite

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


class Training:
    """The training of ``model``, in place, by Adam on gradients of which each tensor's has norm 1.

    Batches are drawn without replacement from torch's global generator; what does not fill a batch waits for the next
    epoch's shuffle. A step whose loss or gradients are not finite is skipped. Where a GPU's memory is too small for a
    batch, it passes in parts of ``micro_batch`` images, whose activations are computed again for the gradient: the step
    is that of the whole batch. "Block-normalized gradient method: an empirical study for training deep neural network"
    (Yu et al., 2017, https://arxiv.org/abs/1707.04822).
    """

    def __init__(self, model: VAE, train_images: Images, valid_images: Images, config: RunConfig) -> None:
        self.model = model
        self.train_images = train_images
        self.valid_images = valid_images
        self.config = config
        self.device = train_images.packed.device
        self.precision = fast_precision(self.device) if config.precision == "auto" else config.precision
        self.batch = self.micro_batch = min(config.batch_size, len(train_images))
        self.steps_per_epoch = len(train_images) // self.batch
        self.steps = config.epochs * self.steps_per_epoch
        self.objective = make_objective(config, self.steps_per_epoch).to(self.device)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        self.step = 0
        self.seconds = 0.0  # of this epoch, up to the last time it was stopped
        self.history: list[Epoch] = []
        self.order = torch.empty(0, dtype=torch.int64, device=self.device)
        self.totals = Totals(self.device)

    def run(
        self,
        progress: Callable[[Step], None] = lambda step: None,
        after_step: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Train until the end, from where it stands; ``after_step`` may raise to stop it there.

        Raises:
            DivergedError: rate or distortion is not finite, or was not in too many steps.
        """
        while self.step < self.steps:
            self._epoch(progress, after_step, say)

    def _epoch(
        self, progress: Callable[[Step], None], after_step: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        before, started = self.seconds, time.perf_counter()
        reported = started
        if self.step % self.steps_per_epoch == 0 and not len(self.order):
            self.order = torch.randperm(len(self.train_images), device=self.device)
        while True:
            index = self.step % self.steps_per_epoch
            self._train_on(self.train_images[self.order[index * self.batch : (index + 1) * self.batch]], say)
            self.step += 1
            self.seconds = before + time.perf_counter() - started
            if self.step % self.steps_per_epoch == 0:
                break
            after_step()
            if self.device.type == "cpu":
                self.totals.check()  # on a GPU this would wait for the step to end
            if time.perf_counter() - reported > REPORT_SECONDS:
                reported = time.perf_counter()
                progress(Step(self.step, self.steps, float(self.objective.beta), *self.totals.means()))
        self._end_epoch(progress)
        after_step()

    def _end_epoch(self, progress: Callable[[Step], None]) -> None:
        means = self.totals.means()
        epoch, beta = self.step // self.steps_per_epoch, float(self.objective.beta)
        progress(Step(self.step, self.steps, beta, *means))
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.config.seed)  # what is validated changes no training
            valid = measure(self.model, self.valid_images)
        valid_means = float(valid.rate.mean()), float(valid.distortion.mean())
        require_finite(f"of rate and distortion on the validation split after epoch {epoch}", *valid_means)
        rate = learning_rate(self.config.learning_rate, self.step - 1, self.steps)
        self.history.append(Epoch(epoch, self.step, beta, rate, *means, *valid_means, self.seconds))
        self.seconds = 0.0
        self.order = self.order[:0]
        self.totals.begin_epoch()

    def _train_on(self, images: Tensor, say: Callable[[str], None]) -> None:
        before = {name: value.clone() for name, value in self.objective.state_dict().items()}
        while True:
            try:
                terms = self._terms(images)
                self.optimizer.zero_grad()
                loss = self.objective(terms, self.step)
                loss.backward()
                break
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise
            terms = loss = None  # type: ignore[assignment]  # what they hold must be free before the next try
            self.micro_batch = -(-self.micro_batch // 2)
            self.objective.load_state_dict(before)
            say(
                f"out of GPU memory at step {self.step + 1}: going on in parts of {self.micro_batch} images, for the "
                f"same batch of {self.batch}"
            )
        norms = normalize_gradients(self.model)
        finite = torch.isfinite(torch.stack([loss.detach(), *norms])).all()
        self.optimizer.param_groups[0]["lr"] = learning_rate(self.config.learning_rate, self.step, self.steps)
        for name, value in self.objective.state_dict(keep_vars=True).items():
            value.copy_(torch.where(finite, value, before[name]))
        self.optimizer.found_inf = self.totals.add(terms, finite, self.step)  # type: ignore[attr-defined]
        self.optimizer.step()

    def _terms(self, images: Tensor) -> Terms:
        samples = self.objective.samples
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            if self.micro_batch == self.batch:
                return self.model(images, samples)
            parts = [
                recomputed(self.model, part, samples, use_reentrant=False) for part in images.split(self.micro_batch)
            ]
        return Terms(*(torch.cat(values, -1) for values in zip(*parts, strict=True)))

    def state(self) -> State:
        """All that decides how training goes on."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        tensors |= {f"totals.{name}": value for name, value in self.totals.tensors().items()}
        tensors |= {"order": self.order, **random_state(self.device)}
        facts = {"step": self.step, "seconds": self.seconds, "micro_batch": self.micro_batch}
        return State(tensors, facts | {"history": [asdict(epoch) for epoch in self.history]})

    def restore(self, state: State) -> None:
        """Go on from a state of a training with the same description.

        Raises:
            AttributeError, KeyError, RuntimeError, TypeError, ValueError: the state is of another, or none of ours.
        """
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, value in state.part("optimizer").items():
            index, _, key = name.partition(".")
            optimizer.setdefault(int(index), {})[key] = value
        self.model.load_state_dict(state.part("model"))
        self.objective.load_state_dict(state.part("objective"))
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        for parameter, values in self.optimizer.state.items():
            shapes = {name: value.shape for name, value in values.items()}
            if shapes != {"step": (), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}:
                raise ValueError("its optimizer is of another model")  # Adam does not look, and would write beyond
            for name in ("exp_avg", "exp_avg_sq"):  # nor at the layout, which must be the parameter's
                values[name] = torch.empty_like(parameter).copy_(values[name])
        self.totals.load(state.part("totals"))
        self.order = state.tensors["order"].to(self.device)
        every = torch.arange(len(self.train_images), device=self.device)
        if self.order.dtype != every.dtype or (len(self.order) and not torch.equal(self.order.sort().values, every)):
            raise ValueError("its order is none of these images")
        self.history = [Epoch(**epoch) for epoch in state.facts["history"]]
        self.step, self.seconds = state.facts["step"], state.facts["seconds"]
        self.micro_batch = state.facts["micro_batch"]
        numbers = [self.seconds, *(value for epoch in self.history for value in vars(epoch).values())]
        if (
            type(self.step) is not int
            or type(self.micro_batch) is not int
            or not all(isinstance(number, int | float) for number in numbers)
        ):
            raise TypeError("its facts are no numbers")
        if not (0 <= self.step <= self.steps and 1 <= self.micro_batch <= self.batch):
            raise ValueError(f"it is at step {self.step} of {self.steps}")
        set_random_state(state.tensors, self.device)

    @property
    def skipped_steps(self) -> int:
        """How many steps were left out, for a loss or gradients that were not finite."""
        return int(self.totals.skipped)


def learning_rate(start: float, step: int, steps: int) -> float:
    """Constant for the first half of training, then linear to 0.

    >>> [learning_rate(1.0, step, 200) for step in (0, 99, 100, 150, 199)]
    [1.0, 1.0, 1.0, 0.5, 0.01]
    """
    return start * min(1.0, 2 * (steps - step) / steps)


def normalize_gradients(model: torch.nn.Module) -> tuple[Tensor, ...]:
    """Divide the gradient of each parameter tensor by its own norm; these norms."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norms = torch._foreach_norm(gradients)
    torch._foreach_div_(gradients, torch._foreach_clamp_min(norms, SMALLEST_NORM))
    return tuple(norms)
