"""The tables of a report as cells of text, for all formats."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rdbench.analysis.frame import SAME_IMAGES, iwae_columns, numbered, setting, varying
from rdbench.analysis.report.assemble import Report
from rdbench.config.family import dataset_kind, family_of
from rdbench.store.row_checks import records
from rdbench.store.status import Status

Row = Mapping[Any, Any]
BEST, FRONTIER = "*", "•"
SMALL_RATE = 0.01
WORDS = frozenset((
    "family", "status", "runs", "claim", "verdict", "protocol", "judgement", "best", "other", "finding", "run",
    "broken by",
))  # fmt: skip
"""The headers of a report's columns that hold words."""


@dataclass(frozen=True)
class Cells:
    """A titled table of text; columns whose header is in ``left`` are words, the others numbers.

    ``run_ids`` has the runs of each row, and is empty if rows are not about runs.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: frozenset[str] = WORDS
    run_ids: Sequence[Sequence[str]] = ()


def all_tables(report: Report, columns: str = "measures") -> list[Cells]:
    """Every table of a report that has a row; ``columns`` says which of a run's numbers are shown."""
    tables = [COLUMNS[columns](report.rows), labels_table(report.rows), *annealed_tables(report.rows)]
    tables.append(paper_table(report))
    tables += [verdicts_table(report), differences_table(report)]
    if report.baseline is not None:
        tables.append(baseline_table(report.baseline))
    return [table for table in tables if table.rows]


def runs_table(rows: pd.DataFrame) -> Cells:
    """The runs, one row for each description; * marks the best of a column, • the members of the frontier."""
    bounds = iwae_columns(rows)
    lower_is_better = {"D": "distortion", "−ELBO": "elbo", **{f"−IWAE-{k}": f"iwae_{k}" for k in bounds}}
    lower_is_better |= {f"−softened IWAE-{k}": f"softened_iwae_{k}" for k in numbered(rows, "softened_iwae")}
    best = {header: _best_rows(rows, name) for header, name in lower_is_better.items()}
    measured = {"R": "rate", **lower_is_better}

    def numbers(index: Any, row: Row) -> list[str]:
        cells = []
        for header, name in measured.items():
            sign = -1 if name.startswith(("elbo", "iwae", "softened")) else 1
            cells.append(with_error(row, name, sign) + (BEST if index in best.get(header, ()) else ""))
        return [*cells, "–" if pd.isna(row["train_seconds"]) else f"{row['train_seconds']:.0f}", row["status"]]

    headers, lines = _described(rows, numbers)
    title = f"Runs: nats per image on the test split ± {_spread(rows)}; {BEST} best, {FRONTIER} on the frontier"
    return Cells(title, [*headers, *measured, "s", "status"], lines, run_ids=list(rows["run_ids"]))


INFORMATION = {
    "I(X;Z)": "mutual_information",
    "I(Z;z*)": "class_information",
    "marginal KL ≤": "marginal_kl",
    "E": "generative_e",
    "G": "generative_g",
    "S": "generative_s",
    "U": "generative_u",
    "encoder's gap": "encoder_gap",
    "log p* − ELBO": "elbo_gap",
}


def information_table(rows: pd.DataFrame) -> Cells:
    """The parts of each run's rate and distortion, as far as they were measured."""
    shown = {header: name for header, name in INFORMATION.items() if name in rows and rows[name].notna().any()}

    def numbers(index: Any, row: Row) -> list[str]:
        return [
            with_error(row, "rate"),
            *(with_error(row, name) for name in shown.values()),
            setting(row.get("active_units")),
            _carriers(row.get("rate_by_dimension")),
        ]

    headers, lines = _described(rows, numbers)
    images = rows.loc[rows["dataset"].map(dataset_kind) == "images", "test_images"].dropna().unique()
    ceilings = ", ".join(sorted(f"{math.log(count):.2f}" for count in images))
    limit = f"; I(X;Z) is estimated from below by all N images, never above log N = {ceilings}" if ceilings else ""
    title = f"Information: nats per image on the test split ± {_spread(rows)}{limit}"
    return Cells(title, [*headers, "R", *shown, "active", "Rᵢ > 0.01"], lines, run_ids=list(rows["run_ids"]))


def labels_table(rows: pd.DataFrame) -> Cells:
    """The information of z about labels: by a run's decoder, or by a probe fitted to a run without labels."""
    shown = {header: name for header, name in LABELS.items() if name in rows and rows[name].notna().any()}
    rows = rows[rows[list(shown.values())].notna().any(axis=1)] if shown else rows.iloc[:0]
    if rows.empty:
        return Cells("Labels", [], [])
    known = [str(name) for name in rows if rows[name].notna().any()]
    bounds = [name for name in known if name in {f"predictive_{k}" for k in numbered(rows, "predictive")}]

    def numbers(index: Any, row: Row) -> list[str]:
        told = [with_error(row, name) for name in shown.values()]
        return [with_error(row, "rate"), *told, *(with_error(row, name, -1) for name in bounds)]

    headers, lines = _described(rows, numbers)
    predictive = [f"−log predictive, {name.removeprefix('predictive_')} draws" for name in bounds]
    title = f"Labels: nats per image on the test split, errors as fractions, ± {_spread(rows)}"
    return Cells(title, [*headers, "R", *shown, *predictive], lines)


def annealed_tables(rows: pd.DataFrame) -> list[Cells]:
    """log p(x) by annealing, for each number of temperatures, and whether it agrees with IWAE-5000 on these images."""
    return [_annealed_table(rows[rows[f"ais_{count}"].notna()], f"ais_{count}") for count in numbered(rows, "ais")]


def _annealed_table(rows: pd.DataFrame, name: str) -> Cells:
    def numbers(index: Any, row: Row) -> list[str]:
        told = [with_error(row, name, -1), with_error(row, f"{name}_gap"), with_error(row, f"{name}_less_iwae")]
        difference, error = row[f"{name}_less_iwae"], row[f"{name}_less_iwae_se"]
        agree = "–" if not math.isfinite(difference + error) else "no" if abs(difference) > DISAGREES * error else "yes"
        return [*told, _part(row["ais_accepted"]), agree]

    headers, lines = _described(rows, numbers)
    title = (
        f"Annealing at {name.removeprefix('ais_')} temperatures, nats per image ± standard error: −log p from above on "
        "test images; the gap of both bounds on images that the model draws; log p less IWAE-5000 on the same images"
    )
    return Cells(title, [*headers, "−log p ≤", "gap", "less IWAE-5000", "accepted", "agree"], lines)


def _part(value: float) -> str:
    """The fraction of accepted moves; empty for a sum over all z, which makes none."""
    return "summed" if pd.isna(value) else f"{value:.2f}"


DISAGREES = 3.0
"""Standard errors of the paired difference beyond which two judges of log p disagree."""

LABELS = {
    "I(Z;Y) ≥ H(Y) − D": "label_information",
    "wrong": "label_error",
    "I(Z;Y) ≥, by probe": "probe_information",
    "wrong, by probe": "probe_error",
}

COLUMNS: dict[str, Callable[[pd.DataFrame], Cells]] = {"measures": runs_table, "information": information_table}


def _described(rows: pd.DataFrame, numbers: Callable[[Any, Row], list[str]]) -> tuple[list[str], list[list[str]]]:
    """The headers and cells that name the run of each row, followed by its ``numbers``."""
    several = (rows["seeds"] > 1).any()
    differing = [name for name in varying(rows) if not (several and name == "seed")]
    headers = ["family", "β", *differing, *(["seeds"] if several else [])]
    if rows["dataset"].nunique() > 1:
        headers.insert(0, "dataset")
    lines = []
    for index, row in zip(rows.index, records(rows, rows.columns), strict=True):
        cells = [str(row["dataset"])] if headers[0] == "dataset" else []
        cells += [f"{family_of(row['family']).signs}{FRONTIER if row['frontier'] else ''}", setting(row["beta"])]
        cells += [setting(row[name]) for name in differing] + ([str(row["seeds"])] if several else [])
        lines.append([*cells, *numbers(index, row)])
    return headers, lines


def _spread(rows: pd.DataFrame) -> str:
    several = (rows["seeds"] > 1).any()
    return "standard error, over several seeds the mean ± standard deviation" if several else "standard error"


def _carriers(rates: Any) -> str:
    """The number of dimensions whose rate is above 0.01 nats."""
    return "–" if not isinstance(rates, Iterable) else str(sum(rate > SMALL_RATE for rate in rates))


def paper_table(report: Report) -> Cells:
    """The runs that have a printed point of the paper."""
    rows = [
        [
            family_of(row["family"]).signs,
            f"{row['beta']:g}",
            "yes" if row["annealed"] else "no",
            *(f"{row[name]:.2f} ({row[f'{name}_paper']:g})" for name in ("rate", "distortion", "neg_elbo")),
            f"{row['neg_elbo_difference']:+.2f}",
            row["protocol"],
            row["judgement"],
        ]
        for row in report.paper.to_dict("records")
    ]  # fmt: skip
    headers = ["family", "β", "annealed", "R", "D", "−ELBO", "difference", "protocol", "judgement"]
    title = "Against the paper: ours (printed), and the difference in −ELBO, nats per image"
    return Cells(title, headers, rows, run_ids=[[run_id] for run_id in report.paper["run_id"]])


def verdicts_table(report: Report) -> Cells:
    """The claims."""
    rows = [
        [verdict.claim, verdict.status, str(verdict.runs), ", ".join(verdict.broken[:5])] for verdict in report.verdicts
    ]
    return Cells("Verdicts", ["claim", "verdict", "on runs", "broken by"], rows)


def differences_table(report: Report) -> Cells:
    """The best run of each family compared with the best of all."""
    rows = [
        [
            row["best"],
            row["other"],
            f"{row['difference']:.2f}",
            f"[{row['low']:.2f}, {row['high']:.2f}]",
            row["finding"],
        ]
        for row in report.differences.to_dict("records")
    ]
    title = "Paired differences in −ELBO: the best run of each family less the best of all"
    headers = ["best", "other", "nats per image", "95% for all pairs", "finding"]
    return Cells(title, headers, rows, run_ids=list(report.differences.get("run_ids", ())))


def baseline_table(baseline: pd.DataFrame) -> Cells:
    """The runs compared with those of another store."""
    rows = [
        [
            row["label"],
            number(row["neg_elbo"]),
            number(row["neg_elbo_baseline"]),
            *(_with_interval(row, prefix) for prefix in ("", "rate_", "distortion_")),
            row["finding"],
        ]
        for row in baseline.to_dict("records")
    ]
    headers = ["run", "−ELBO", "baseline", "difference [95% jointly]", "in R", "in D", "finding"]
    run_ids = [[run_id] for run_id in baseline["run_id"]]
    return Cells("Against the baseline, nats per image", headers, rows, run_ids=run_ids)


def _with_interval(row: Row, prefix: str) -> str:
    difference, low, high = (number(row[f"{prefix}{name}"]) for name in ("difference", "low", "high"))
    return f"{difference} [{low}, {high}]"


def with_error(row: Row, name: str, sign: int = 1) -> str:
    """A number and its standard error, to digits that the error leaves meaning.

    >>> with_error({"rate": 25.4321, "rate_se": 0.0567}, "rate"), with_error({"rate": 4.1e-4, "rate_se": 2e-5}, "rate")
    ('25.43±0.06', '0.00041±0.00002')
    >>> with_error({"rate": 0.0021, "rate_se": 2.3e-8}, "rate")
    '0.002100±2e-08'
    """
    value, error = row.get(name), row.get(f"{name}_se")
    if value is None or not math.isfinite(value):
        return "–"
    some = _lacking(row, name)
    if error is None or not math.isfinite(error):
        return number(sign * value) + some
    digits = max(2, min(6, -math.floor(math.log10(error)))) if error > 0 else 2
    shown = f"{error:.{digits}f}" if error == 0 or error >= 10**-6 else f"{error:.0e}"
    return f"{sign * value:.{digits}f}±{shown}{some}"


def _lacking(row: Row, name: str) -> str:
    """The number of a row's seeds that have a measure, if some lack it."""
    known = row.get("known")
    return f" ({known[name]} of {row['seeds']})" if isinstance(known, dict) and name in known else ""


def number(value: float) -> str:
    """A number to two decimals, or a dash."""
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _best_rows(rows: pd.DataFrame, name: str) -> set[Any]:
    """The rows with the lowest distortion, or the highest bound, among those measured on the same images.

    A mean over only some of a row's seeds does not take part.
    """
    signed = rows[name] if name == "distortion" else -rows[name]
    partly = rows["known"].map(lambda known: isinstance(known, dict) and name in known).astype(bool)
    signed = signed[(rows["status"] == Status.OK) & signed.notna() & ~partly]
    return set(signed.groupby([rows.loc[signed.index, key] for key in SAME_IMAGES], dropna=False).idxmin())
