"""One step of training, written so that a CUDA graph can record it."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recomputed

from rdbench.data.images import Images
from rdbench.models import VAE, Terms
from rdbench.runs.average import Average
from rdbench.runs.gradients import UnitGradients
from rdbench.runs.objectives import Objective
from rdbench.runs.totals import Totals


class TrainingStep:
    """A step of Adam on normalised gradients (norm 1 for each tensor), from the choice of a batch to the new weights.

    Everything that changes from step to step is a tensor on the device: ``clock``, the number of steps done; ``order``,
    the epoch's shuffle of the images; ``rates``, the learning rates of the epoch's steps. A step reads no number from
    the device, and changes lasting tensors in place. A step whose loss or gradients are not
    finite changes neither weights nor their ``average``. "Block-normalized gradient method: an empirical study for
    training deep neural network" (Yu et al., 2017, https://arxiv.org/abs/1707.04822).
    """

    def __init__(
        self,
        model: VAE,
        images: Images,
        objective: Objective,
        totals: Totals,
        batch: int,
        steps_per_epoch: int,
        precision: str,
        average: Average | None = None,
    ) -> None:
        device = images.packed.device
        on_gpu = device.type != "cpu"
        self.model = model
        self.images = images
        self.objective = objective
        self.totals = totals
        self.batch = self.micro_batch = batch
        self.precision = precision
        self.average = average
        self.marginal_only = False
        self.clock = torch.zeros((), dtype=torch.int64, device=device)
        model.follow(self.clock)
        if average:
            average.model.follow(self.clock)
        self.order = torch.arange(len(images), device=device)
        # Adam reads its rate in float32 on a GPU, and in float64 on a CPU
        self.rates = torch.zeros(steps_per_epoch, dtype=torch.float32 if on_gpu else torch.float64, device=device)
        self.rate = torch.zeros((), dtype=self.rates.dtype, device=device)
        self.optimizer = torch.optim.Adam(model.parameters(), fused=True, capturable=on_gpu)
        self.use_own_rate()
        self.unit_gradients = UnitGradients(model.parameters(), spread=on_gpu)
        self.places = torch.arange(batch, device=device)
        self.kept = {name: value.clone() for name, value in objective.state_dict().items()}

    def __call__(self) -> None:
        """Do the step."""
        self.update(*self.backward())

    def backward(self) -> tuple[Terms, Tensor]:
        """Compute the gradients of a batch; return its terms and its loss. Most of a step's memory is used here."""
        for name, value in self._adapted().items():
            self.kept[name].copy_(value)
        self.optimizer.zero_grad()
        self.model.begin_step()
        index = self._batch()
        labels = self.images.labels
        terms = self._terms(self.images[index], None if labels is None else labels[index])
        loss = terms.mean_rate if self.marginal_only else self.objective(terms, self.clock) + terms.mean_penalty
        loss.backward()
        return terms, loss.detach()

    def update(self, terms: Terms, loss: Tensor) -> None:
        """Update the weights if the loss and all gradients are finite, and count the step."""
        norms = self.unit_gradients()
        finite = loss.isfinite() & norms.isfinite().all()
        for name, value in self._adapted().items():
            value.copy_(torch.where(finite, value, self.kept[name]))
        skip = self.totals.add(terms, self.objective.beta, finite, self.clock)
        self.optimizer.found_inf = skip  # type: ignore[attr-defined]
        self.rate.copy_(self.rates.index_select(0, self._index().view(1)).view(()))
        self.optimizer.step()
        if not self.marginal_only:
            self.model.settle(skip)
        if self.average:
            self.average.update(skip)
        self.clock += 1

    def train_marginal_only(self) -> None:
        """From now on leave encoder and decoder as they are, and minimise R over the marginal."""
        self.marginal_only = True
        self.optimizer.zero_grad()
        for part in (self.model.encoder, self.model.decoder):
            part.requires_grad_(False)

    def undo(self) -> None:
        """Undo the changes of a ``backward`` that failed."""
        self.optimizer.zero_grad()
        for name, value in self._adapted().items():
            value.copy_(self.kept[name])

    @property
    def graphable(self) -> bool:
        """Whether a CUDA graph can record the step: it is not in parts, and no module has ``graphable = False``."""
        modules = (*self.model.modules(), *self.objective.modules())
        return self.micro_batch == self.batch and all(getattr(module, "graphable", True) for module in modules)

    def use_own_rate(self) -> None:
        """Make Adam read the tensor ``rate`` again, since loading a state gave it a copy."""
        self.optimizer.param_groups[0]["lr"] = self.rate

    def _index(self) -> Tensor:
        """The number of steps done in this epoch, (1,), for ``index_select``: the host would read a 0-dim index."""
        return self.clock % len(self.rates)

    def _batch(self) -> Tensor:
        """The indices of the images in the batch."""
        return self.order.index_select(0, self._index() * self.batch + self.places)

    def _terms(self, images: Tensor, targets: Tensor | None) -> Terms:
        samples = self.objective.samples
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            if self.micro_batch == self.batch:
                return self.model(images, samples, targets)
            several = images.split(self.micro_batch)
            explained = [None] * len(several) if targets is None else targets.split(self.micro_batch)
            parts = [
                recomputed(self.model, part, samples, of_part, use_reentrant=False)
                for part, of_part in zip(several, explained, strict=True)
            ]
        *densities, penalties = zip(*parts, strict=True)
        penalty = None if penalties[0] is None else torch.cat(penalties, -1)
        log_encoder, log_decoder, log_marginal = (torch.cat(values, -1) for values in densities)
        return Terms(log_encoder, log_decoder, log_marginal, penalty)

    def _adapted(self) -> dict[str, Tensor]:
        """The values that the objective adapts."""
        return self.objective.state_dict(keep_vars=True)
