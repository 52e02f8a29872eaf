"""The training loop, which can be stopped after any step and resumed."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from rdbench.config.run_config import RunConfig
from rdbench.data.images import Images
from rdbench.data.trivial import fair_coins
from rdbench.measures.bounds import measure
from rdbench.models import VAE
from rdbench.runs.average import Average
from rdbench.runs.capture import Captured
from rdbench.runs.clock import working_seconds
from rdbench.runs.device import Pace, fast_precision
from rdbench.runs.memory import InParts
from rdbench.runs.objectives import make_objective
from rdbench.runs.relaxation import relaxation
from rdbench.runs.schedule import learning_rate
from rdbench.runs.state import State, random_state, set_random_state
from rdbench.runs.step import TrainingStep
from rdbench.runs.totals import Totals, require_finite

REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class Step:
    """The progress of training; ``rate`` and ``distortion`` are means over the epoch so far, in nats per example.

    ``jumps`` counts the steps since training began whose loss jumped above that of fair coins.
    """

    step: int
    steps: int
    beta: float
    rate: float
    distortion: float
    jumps: int


@dataclass(frozen=True)
class Epoch:
    """A finished epoch; ``seconds`` is the time of training, without validation.

    ``beta`` and ``learning_rate`` are those of its last step; ``beta_mean`` and ``beta_sd`` are taken over its steps.
    """

    epoch: int
    step: int
    beta: float
    learning_rate: float
    train_rate: float
    train_distortion: float
    valid_rate: float
    valid_distortion: float
    seconds: float
    beta_mean: float
    beta_sd: float
    jumps: int
    temperature: float = math.nan
    relaxation_gap: float = math.nan
    penalty: float = math.nan


class Training:
    """The training of ``model``, in place.

    Each epoch shuffles the images by torch's global generator, and leaves out the images that do not fill a batch.
    """

    def __init__(self, model: VAE, train_images: Images, valid_images: Images, config: RunConfig) -> None:
        self.model = model
        self.train_images = train_images
        self.valid_images = valid_images
        self.config = config
        self.device = train_images.packed.device
        self.precision = fast_precision(self.device) if config.precision == "auto" else config.precision
        self.batch = min(config.batch_size, len(train_images))
        self.steps_per_epoch = len(train_images) // self.batch
        self.first_stage = config.epochs * self.steps_per_epoch
        learns = any(True for _ in model.marginal.parameters())
        self.second_stage = config.marginal_epochs * self.steps_per_epoch if learns else 0
        self.steps = self.first_stage + self.second_stage
        self.objective = make_objective(config, self.steps_per_epoch).to(self.device)
        coins = fair_coins(train_images.side) if config.labels is None else math.inf  # no bound on labels
        self.totals = Totals(self.device, coins)
        self.average = Average(model, config.average) if config.average else None
        self.body = TrainingStep(
            model,
            train_images,
            self.objective,
            self.totals,
            self.batch,
            self.steps_per_epoch,
            self.precision,
            self.average,
        )
        self.eager = InParts(self.body)
        self.captured = Captured(self.eager)
        self.do_step = self.captured if self.device.type == "cuda" else self.eager
        self.pace = Pace(self.device)
        self.step = 0
        self.seconds = 0.0  # of this epoch; adds up over interruptions
        self.history: list[Epoch] = []

    def run(
        self,
        progress: Callable[[Step], None] = lambda step: None,
        after_step: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Train from the current step to the end; ``after_step`` may raise to stop after a step.

        Raises:
            DivergedError: too many steps were skipped, or a validation measure is not finite.
        """
        while self.step < self.steps:
            self._epoch(progress, after_step, say)

    def _epoch(
        self, progress: Callable[[Step], None], after_step: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        before, started = self.seconds, working_seconds()
        reported = time.perf_counter()
        self._prepare_epoch()
        while True:
            self.do_step(say)
            self.pace()
            self.step += 1
            self.seconds = before + working_seconds() - started
            if self.step % self.steps_per_epoch == 0:
                break
            after_step()
            if self.device.type == "cpu":
                self.totals.check()  # on a GPU this would wait for the step to end
            if time.perf_counter() - reported > REPORT_SECONDS:
                reported = time.perf_counter()
                progress(self._standing(self.totals.means()))
        means = self.totals.means()  # waits for all steps to end, so the clock is read after it
        self.seconds = before + working_seconds() - started
        self._end_epoch(progress, means)
        after_step()

    def _prepare_epoch(self) -> None:
        """Copy to the device the order of the images and the learning rates of an epoch's steps."""
        if self.step >= self.first_stage and not self.body.marginal_only:
            self.body.train_marginal_only()
            self.captured.begin_anew()
        done = self.step % self.steps_per_epoch
        if not done:
            self.body.order.copy_(torch.randperm(len(self.train_images), device=self.device))
        first = self.step - done
        rates = [self._learning_rate(first + index) for index in range(self.steps_per_epoch)]
        self.body.rates.copy_(torch.tensor(rates, dtype=torch.float64))

    def _learning_rate(self, step: int) -> float:
        config = self.config
        steps = self.first_stage
        if step >= steps:
            step, steps = step - steps, self.second_stage
        return learning_rate(config.learning_rate, step, steps, config.warmup, config.schedule)

    def _standing(self, means: tuple[float, float]) -> Step:
        return Step(self.step, self.steps, float(self.objective.beta), *means, self.jumps)

    def _end_epoch(self, progress: Callable[[Step], None], means: tuple[float, float]) -> None:
        epoch, beta = self.step // self.steps_per_epoch, float(self.objective.beta)
        progress(self._standing(means))
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.config.seed)  # so that validation does not change training
            valid = measure(self.trained, self.valid_images)
            relaxed = relaxation(self.trained, self.train_images, self.batch)
        valid_means = float(valid.rate.mean()), float(valid.distortion.mean())
        require_finite(f"of rate and distortion on the validation split after epoch {epoch}", *valid_means)
        rate = self._learning_rate(self.step - 1)
        betas, jumps, penalty = self.totals.beta(), int(self.totals.jumps), self.totals.mean_penalty()
        self.history.append(
            Epoch(epoch, self.step, beta, rate, *means, *valid_means, self.seconds, *betas, jumps, *relaxed, penalty)
        )
        self.seconds = 0.0
        self.totals.begin_epoch()

    def state(self) -> State:
        """The whole state from which training can go on."""
        if self.step % self.steps_per_epoch:
            began = working_seconds()
            self.pace.wait()
            self.seconds += working_seconds() - began
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        for index, values in self.body.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        tensors |= {f"totals.{name}": value for name, value in self.totals.tensors().items()}
        if self.average:
            tensors |= {f"average.{name}": value for name, value in self.average.tensors().items()}
        tensors |= {"order": self.body.order, **random_state(self.device)}
        facts = {
            "device": self.device.type,
            "step": self.step,
            "seconds": self.seconds,
            "micro_batch": self.micro_batch,
        }
        return State(tensors, facts | {"history": [asdict(epoch) for epoch in self.history]})

    def restore(self, state: State) -> None:
        """Restore a state of a run with the same description.

        Raises:
            AttributeError, KeyError, RuntimeError, TypeError, ValueError: it belongs to another run, or is no state.
        """
        self.model.load_state_dict(state.part("model"))
        self.objective.load_state_dict(state.part("objective"))
        if self.average:
            self.average.load(state.part("average"))
        self._restore_optimizer(state.part("optimizer"))
        self.totals.load(state.part("totals"))
        self._restore_order(state.tensors["order"])
        self._restore_facts(state)
        self.body.clock.fill_(self.step)
        self.captured.begin_anew()  # because the optimiser's tensors are new
        set_random_state(state.tensors, self.device)

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        optimizer = self.body.optimizer
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        self.body.use_own_rate()
        for parameter, values in optimizer.state.items():
            shapes = {name: value.shape for name, value in values.items()}
            if shapes != {"step": (), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}:
                raise ValueError("its optimizer is of another model")  # Adam does not look, and would write beyond
            for name in ("exp_avg", "exp_avg_sq"):  # nor at the layout, which must be the parameter's
                values[name] = torch.empty_like(parameter).copy_(values[name])

    def _restore_order(self, order: Tensor) -> None:
        every = torch.arange(len(self.train_images))
        if order.dtype != every.dtype or not torch.equal(order.sort().values, every):
            raise ValueError("its order is none of these images")
        self.body.order.copy_(order)

    def _restore_facts(self, state: State) -> None:
        self.history = [Epoch(**epoch) for epoch in state.facts["history"]]
        self.step, self.seconds = state.facts["step"], state.facts["seconds"]
        micro_batch = state.facts["micro_batch"]
        numbers = [self.seconds, *(value for epoch in self.history for value in vars(epoch).values())]
        if (
            type(self.step) is not int
            or type(micro_batch) is not int
            or not all(isinstance(number, int | float) for number in numbers)
        ):
            raise TypeError("its facts are no numbers")
        if not (0 <= self.step <= self.steps and 1 <= micro_batch <= self.batch):
            raise ValueError(f"it is at step {self.step} of {self.steps}")
        if [epoch.epoch for epoch in self.history] != [*range(1, self.step // self.steps_per_epoch + 1)]:
            raise ValueError(f"its history is not that of {self.step} steps")
        self.body.micro_batch = micro_batch

    @property
    def trained(self) -> VAE:
        """The model that is validated, measured and saved: with averaged weights if the run averages them."""
        return self.average.model if self.average else self.model

    @property
    def micro_batch(self) -> int:
        """The number of images that pass at once: the batch, or fewer if memory was too small."""
        return self.body.micro_batch

    @property
    def skipped_steps(self) -> int:
        """The number of steps skipped because their loss or gradients were not finite."""
        return int(self.totals.skipped)

    @property
    def jumps(self) -> int:
        """The number of times that the loss jumped above that of fair coins since training began."""
        return sum(epoch.jumps for epoch in self.history) + int(self.totals.jumps)
