"""A store's runs as text."""

import math
import re

import pandas as pd
from rich.table import Table

from rdbench.family import FAMILIES, parse_family

FAMILY_ORDER = {family.words: index for index, family in enumerate(FAMILIES)}


def runs_table(runs: pd.DataFrame) -> Table:
    """Family, β, rate, distortion, −ELBO and −IWAE-k with standard errors in nats per image, seconds and status."""
    bounds = iwae_columns(runs)
    table = Table(title="nats per image on the test split, ± standard error", title_justify="left")
    for column in ("family", "β", "anneal", "seed", "R", "D", "−ELBO", *(f"−IWAE-{k}" for k in bounds), "s", "status"):
        table.add_column(column, justify="left" if column in ("family", "status") else "right", no_wrap=True)
    for row in sort_runs(runs).to_dict("records"):
        table.add_row(
            parse_family(row["family"]).signs,
            f"{row['beta']:g}",
            str(row["anneal_epochs"]),
            str(row["seed"]),
            with_error(row, "rate"),
            with_error(row, "distortion"),
            with_error(row, "elbo", sign=-1),
            *(with_error(row, f"iwae_{k}", sign=-1) for k in bounds),
            f"{row['train_seconds']:.0f}",
            row["status"],
        )
    return table


def sort_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs by dataset, family in the order of the tables, β, annealing and seed."""
    order = runs.assign(_family=runs["family"].map(FAMILY_ORDER))
    return order.sort_values(["dataset", "_family", "beta", "anneal_epochs", "seed"]).drop(columns="_family")


def iwae_columns(runs: pd.DataFrame) -> list[int]:
    """The k of every IWAE-k column, ascending."""
    found = (re.fullmatch(r"iwae_(\d+)", column) for column in runs.columns)
    return sorted(int(match[1]) for match in found if match)


def with_error(row: dict, name: str, sign: int = 1) -> str:
    """A number and its standard error, to digits that the error leaves meaning.

    >>> with_error({"rate": 25.4321, "rate_se": 0.0567}, "rate"), with_error({"rate": 4.1e-4, "rate_se": 2e-5}, "rate")
    ('25.43 ± 0.06', '0.00041 ± 0.00002')
    """
    value, error = row.get(name), row.get(f"{name}_se")
    if value is None or not math.isfinite(value):
        return "–"
    if error is None or not math.isfinite(error):
        return f"{sign * value:.2f}"
    digits = max(2, min(6, -math.floor(math.log10(error)))) if error > 0 else 2
    return f"{sign * value:.{digits}f} ± {error:.{digits}f}"
