"""The rules for which keys of a run, and which parts, go together.

Each check raises a ``ValueError`` that says what was found and what to do.
"""

from typing import TYPE_CHECKING

from rdbench.config.family import PART_KINDS, TOY
from rdbench.config.parts import Part, find, keys_taken

if TYPE_CHECKING:
    from rdbench.config.run_config import RunConfig


def check_keys(run: "RunConfig") -> None:
    """Check the keys that can be judged even where the run's parts are not installed."""
    if run.anneal_epochs > run.epochs:
        raise ValueError(f"anneal_epochs {run.anneal_epochs} is more than epochs {run.epochs}; set both")
    if run.anneal_from is not None and not run.anneal_epochs:
        raise ValueError(f"anneal_from {run.anneal_from:g} asks for annealing; set anneal_epochs too")
    if run.marginal_epochs and run.average:
        raise ValueError(_no_second_stage(run, "an average of the weights"))
    _check_toy(run)
    if run.objective == "iwae":
        _check_iwae(run)


def _check_toy(run: "RunConfig") -> None:
    family = run.family
    discrete = "discrete" in family
    if discrete != (family == TOY) or discrete != run.exact:
        raise ValueError(f"dataset {run.dataset} with {family.words}: the toy goes with {TOY.words} only")
    if not run.exact:
        return
    if run.marginal_epochs:
        raise ValueError(_no_second_stage(run, "the toy"))
    if run.average:
        raise ValueError(f"average {run.average:g}: the toy keeps its tables as trained; leave it out")
    if run.objective == "iwae":
        raise ValueError("objective iwae weighs samples, and the toy is summed exactly; choose another objective")


def _no_second_stage(run: "RunConfig", what: str) -> str:
    return f"marginal_epochs {run.marginal_epochs} does not go with {what}; leave one of them out"


def _check_iwae(run: "RunConfig") -> None:
    gradient = run.settings.get("gradient", "pathwise")
    if gradient != "pathwise":
        raise ValueError(
            f"gradient {gradient}: objective iwae needs the pathwise gradient; choose gradient=pathwise, "
            "or another objective"
        )
    if run.labels is not None:
        raise ValueError("objective iwae: it bounds log p of images, and the decoder explains labels; choose another")


def check_parts(run: "RunConfig") -> None:
    """Check that the parts agree on what z is, and that the objective has its settings and no others."""
    encoder, *others = (find(kind, name) for kind, name in zip(PART_KINDS, run.family, strict=True))
    for part in others:
        if not set(encoder.latent) & set(part.latent):
            raise ValueError(
                f"{part.kind} {part.name} takes z of {' or '.join(part.latent)}; encoder {encoder.name} gives "
                f"{' or '.join(encoder.latent)}; choose parts that agree"
            )
    if encoder.deterministic:
        _check_deterministic(run, encoder)
    _check_objective(run, find("objective", run.objective).takes)


def _check_deterministic(run: "RunConfig", encoder: Part) -> None:
    if (run.objective, run.beta, run.anneal_epochs) == ("beta-vae", 1.0, 0):
        return
    found = f"objective {run.objective}"
    if run.objective == "beta-vae":
        found = f"beta {run.beta:g}" if run.beta != 1 else f"anneal_epochs {run.anneal_epochs}"
    raise ValueError(
        f"{found}: encoder {encoder.name} is deterministic, so no gradient of R reaches it, and no weight of R "
        "moves it; leave objective at beta-vae, beta at 1 and anneal_epochs at 0, and vary "
        f"{', '.join(setting.name for setting in encoder.settings)}"
    )


def _check_objective(run: "RunConfig", taken: tuple[str, ...]) -> None:
    if taken and getattr(run, taken[0]) is None:
        raise ValueError(f"objective {run.objective} needs {taken[0]}; set {taken[0]}")
    for key in keys_taken("objective"):
        if key not in taken and getattr(run, key) not in (None, type(run).model_fields[key].default):
            raise ValueError(
                f"{key} {getattr(run, key)} is not a setting of objective {run.objective}, which takes "
                f"{', '.join(taken) or 'none'}; leave it out, or set another objective"
            )
