"""Further measures of finished runs: a probe of labels, annealed importance sampling, a bound for codes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rdbench.config.parts import VECTOR, find
from rdbench.config.run_config import FIRST_LABELS, RunConfig
from rdbench.data import Dataset
from rdbench.errors import UserError
from rdbench.measures import annealed, enumerated
from rdbench.measures.annealed import Annealed, Progress
from rdbench.measures.bounds import Arrays, Piece, mean_and_error, measure
from rdbench.measures.probe import probe
from rdbench.measures.softened import SoftenedEncoder
from rdbench.models import VAE
from rdbench.models.discrete import DiscreteEncoder
from rdbench.models.quantised import CodeEncoder
from rdbench.runs.kept_pieces import KeptPieces
from rdbench.runs.provenance import command
from rdbench.runs.splits import Splits
from rdbench.runs.trained import load_data, load_model
from rdbench.store.changes import extend
from rdbench.store.row_checks import read_config
from rdbench.store.schema import known
from rdbench.store.store import Store

Row = Mapping[str, Any]
Say = Callable[[str], None]

COMPARED_DRAWS = 5000
"""The k of the IWAE-k with which annealed importance sampling is compared, image by image."""

MOST_VALUES = 4096
"""The most values of a discrete z that is summed exactly."""

ANNEALED_AT_ONCE = 25
"""Images; after each such piece an interrupted annealing can go on."""


@dataclass(frozen=True)
class Trained:
    """A finished run with its model and data on a device."""

    run: RunConfig
    model: VAE
    dataset: Dataset
    device: torch.device


class Judge(Protocol):
    """A measure that can be added to finished runs."""

    def is_done(self, row: Row) -> bool:
        """Whether a row already has this judge's columns."""

    def judge(self, trained: Trained, progress: Progress, say: Say, piece: Piece) -> dict[str, Any]:
        """The columns of a run; what a ``piece`` has computed need not be computed again after an interruption.

        Raises:
            UserError: the run cannot be judged so.
        """


@dataclass(frozen=True)
class LabelProbe:
    """A linear probe of the first label set on z: ``probe_information`` = H(Y) − cross-entropy, and ``probe_error``."""

    def is_done(self, row: Row) -> bool:
        return known(row.get("probe_information"))

    def judge(self, trained: Trained, progress: Progress, say: Say, piece: Piece) -> dict[str, Any]:
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
    """Annealed importance sampling with T ``temperatures`` and several chains for each image, in nats per example.

    ``ais_T`` is a lower bound of log p(x) on test images. ``ais_T_upper`` is an upper bound on as many images that the
    model draws, and ``ais_T_gap`` is that less the lower bound on the same images. ``ais_T_less_iwae`` is ``ais_T``
    − IWAE-5000 on the same test images. ``ais_rates`` and ``ais_distortions`` are the model's own curve, with a point
    for each temperature,
    where the path starts at m(z). Discrete z of few values is summed instead, so that both bounds are log p(x).
    """

    temperatures: int
    chains: int
    images: int
    from_encoder: bool = False

    @property
    def start(self) -> str:
        """Where the path starts."""
        return "encoder" if self.from_encoder else "marginal"

    def is_done(self, row: Row) -> bool:
        start = row.get("ais_start")
        return known(row.get(f"ais_{self.temperatures}")) and (start if known(start) else "marginal") == self.start

    def judge(self, trained: Trained, progress: Progress, say: Say, piece: Piece) -> dict[str, Any]:
        model = trained.model
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        images = Splits.of(trained.dataset, trained.run, trained.device).test[: self.images]
        if isinstance(model.encoder, DiscreteEncoder):
            found = self._summed(trained, images, model.encoder)
        else:
            if find("encoder", trained.run.encoder).latent != VECTOR:
                raise UserError(
                    f"--ais: z of {trained.run.encoder} is neither a vector nor summed; only IWAE judges it"
                )
            if self.from_encoder and annealed.has_shifts(model.encoder(images[:1])):
                raise UserError(
                    f"--from-encoder: log e(z|x) of {trained.run.encoder} takes a pass a dimension; leave it out"
                )
            found = self._walked(trained, images, progress, say, piece)
        row: dict[str, Any] = {"ais_images": len(images), "ais_chains": self.chains, "ais_start": self.start}
        for suffix in ("", "_upper", "_gap", "_less_iwae"):
            name = f"ais_{self.temperatures}{suffix}"
            row[name], row[f"{name}_se"] = mean_and_error(found.pop(suffix))
        return row | found

    def _summed(self, trained: Trained, images: Tensor, encoder: DiscreteEncoder) -> dict[str, Any]:
        """log p(x) by a sum over all z."""
        if enumerated.count(encoder) > MOST_VALUES:
            raise UserError(
                f"--ais: z of this {trained.run.encoder} has more than {MOST_VALUES:,} values, too many to sum, and "
                "annealing moves continuous z only; use --iwae"
            )
        model, z = trained.model, enumerated.every_z(encoder).to(trained.device)
        with torch.no_grad():
            drawn = model.decoder(model.marginal().sample((len(images),))).sample()
        log_p, of_drawn = (enumerated.log_likelihood(model, x, z).cpu().numpy() for x in (images, drawn))
        iwae = measure(model, images, (COMPARED_DRAWS,)).iwae[COMPARED_DRAWS]
        return {"": log_p, "_upper": of_drawn, "_gap": np.zeros(len(images)), "_less_iwae": log_p - iwae,
                "ais_accepted": None}  # fmt: skip

    def _walked(self, trained: Trained, images: Tensor, progress: Progress, say: Say, piece: Piece) -> dict[str, Any]:
        """Both bounds, image by image, in pieces of so many images, each by a random stream of its own."""
        model, seed = trained.model, trained.run.seed
        schedule, parts = annealed.temperatures(self.temperatures), images.split(ANNEALED_AT_ONCE)
        first = Annealed(model, parts[0], self.from_encoder)
        say(self._cost(first, len(images)))

        def tuned() -> Arrays:
            torch.manual_seed(seed)
            return {"steps": np.array(annealed.pilot(first, schedule, self.chains))}

        steps = piece("pilot", {"steps": self.temperatures}, tuned)["steps"].tolist()
        found = []
        for index, part in enumerate(parts):

            def show(done: int, of: int, index: int = index) -> None:
                progress(index * of + done, len(parts) * of)

            def compute(index: int = index, part: Tensor = part, show: Progress = show) -> Arrays:
                torch.manual_seed(seed + 1 + index)
                return self._piece(model, part, schedule, steps, show)

            of_images = dict.fromkeys(("", "_upper", "_gap", "_less_iwae"), len(part))
            of_path = dict.fromkeys(("rates", "distortions"), self.temperatures)
            found.append(piece(f"images-{index}", of_images | {"accepted": 1} | of_path, compute))
        columns: dict[str, Any] = {name: np.concatenate([each[name] for each in found]) for name in of_images}
        weights = [len(part) for part in parts]
        accepted, rates, distortions = (
            np.average([each[name] for each in found], axis=0, weights=weights)
            for name in ("accepted", "rates", "distortions")
        )
        curve = {} if self.from_encoder else {"ais_rates": rates, "ais_distortions": distortions}
        return columns | {"ais_accepted": float(accepted[0])} | curve

    def _piece(
        self, model: VAE, images: Tensor, schedule: list[float], steps: list[float], progress: Progress
    ) -> Arrays:
        """Both bounds of some images, of as many that the model draws, and the points of the path."""
        drawn, u = annealed.simulated(model, len(images), self.from_encoder)
        found = annealed.forward(Annealed(model, images, self.from_encoder), schedule, steps, self.chains, progress)
        lower = annealed.forward(drawn, schedule, steps, self.chains).log_mean.cpu().numpy()
        upper = annealed.backward(drawn, u, schedule, steps, self.chains).cpu().numpy()
        below = found.log_mean.cpu().numpy()
        iwae = measure(model, images, (COMPARED_DRAWS,)).iwae[COMPARED_DRAWS]
        return {"": below, "_upper": upper, "_gap": upper - lower, "_less_iwae": below - iwae,
                "accepted": np.array([found.accepted]), "rates": np.array(found.rate),
                "distortions": np.array(found.distortion)}  # fmt: skip

    def _cost(self, path: Annealed, images: int) -> str:
        """The expected cost in words, from the time of one gradient."""
        u = path.draw(self.chains)
        began = time.perf_counter()
        path.gradient(u, 1.0)
        seconds = (time.perf_counter() - began) * images / len(path.images)
        passes = 4 * self.temperatures * (annealed.LEAPFROG + 1)  # a pilot, two ways down and one way up
        return (
            f"{passes:,} passes of the decoder on {self.chains * images:,} images each, some {passes * seconds:,.0f} s"
        )


@dataclass(frozen=True)
class SoftenedBound:
    """IWAE-k of codes on the test split, drawn by the encoder as softened by τ; nats per image.

    ``softened_iwae_k`` is in expectation a lower bound of log p(x), and ``softened_iwae_k_tau`` is its τ.
    """

    tau: float
    iwae: tuple[int, ...]

    def is_done(self, row: Row) -> bool:
        names = [f"softened_iwae_{k}" for k in self.iwae]
        return all(known(row.get(name)) and row.get(f"{name}_tau") == self.tau for name in names)

    def judge(self, trained: Trained, progress: Progress, say: Say, piece: Piece) -> dict[str, Any]:
        model, run = trained.model, trained.run
        if not isinstance(model.encoder, CodeEncoder):
            raise UserError(f"--softened: z of encoder {run.encoder} is not codes; leave it out, or choose by --family")

        def seeded(name: str, lengths: Mapping[str, int], compute: Callable[[], Arrays]) -> Arrays:
            torch.manual_seed(run.seed + int(name))  # so that a piece is the same whatever was done before it
            return piece(name, lengths, compute)

        soft = VAE(SoftenedEncoder(model.encoder, self.tau), model.decoder, model.marginal)
        images = Splits.of(trained.dataset, run, trained.device).test
        row: dict[str, Any] = {}
        for k, bound in measure(soft, images, self.iwae, progress=progress, piece=seeded).iwae.items():
            name = f"softened_iwae_{k}"
            row[name], row[f"{name}_se"] = mean_and_error(bound)
            row[f"{name}_tau"] = self.tau
        return row


def judge_run(
    judge: Judge, store: Store, row: Row, device: torch.device, data_dir: Path | None, progress: Progress, say: Say
) -> dict[str, Any]:
    """Judge a finished run, and add the columns to its row.

    Raises:
        UserError: the run was trained on other data, has no weights, or cannot be measured by this judge.
    """
    run = read_config(row["config"])
    dataset = load_data(row, run, data_dir)
    trained = Trained(run, load_model(store, row).to(device), dataset, device)
    torch.manual_seed(run.seed)
    pieces = KeptPieces(store.storage, row["run_id"], repr(judge))
    columns = judge.judge(trained, progress, say, pieces.get)
    extend(store, row["run_id"], {**columns, "evaluated_with": command()}, {}, row)
    pieces.discard()
    return columns
