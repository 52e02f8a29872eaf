"""The content of a report, independent of its format."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rdbench.analysis import examples
from rdbench.analysis.frame import join_seeds, mark_frontier, measured, sort_runs
from rdbench.analysis.gate.verdicts import Verdict, verdicts
from rdbench.analysis.report.baseline import against_baseline
from rdbench.analysis.report.paired import paired_differences
from rdbench.analysis.report.paper import against_paper
from rdbench.analysis.report.trivial import behind_pixels, jumped, untrained
from rdbench.analysis.stores import Source, each
from rdbench.analysis.where import select
from rdbench.config.aims import aim
from rdbench.errors import ExitCode, counted
from rdbench.store import plans
from rdbench.store.status import Status
from rdbench.store.store import Store

FAILING = {"regression": "worse than the baseline", "moved": "R or D is not the baseline's"}
"""The findings of a comparison with a baseline that fail a gate."""

STATES = {
    ExitCode.OK: "nothing broke",
    ExitCode.BROKEN: "something broke",
    ExitCode.INCOMPLETE: "something is missing, failed or unreadable",
}


@dataclass(frozen=True)
class Report:
    """The runs of a store and what may be said of them.

    ``runs`` has a row a run, ``rows`` a row a description; ``skipped`` has a line for each file that
    cannot be read, ``missing`` one for each run that a sweep announced and the store does not hold.
    """

    source: Source
    runs: pd.DataFrame
    rows: pd.DataFrame
    verdicts: list[Verdict]
    paper: pd.DataFrame
    differences: pd.DataFrame
    baseline: pd.DataFrame | None
    skipped: list[str]
    missing: list[str]

    @property
    def store(self) -> str:
        """The names of the stores."""
        return str(self.source)

    @cached_property
    def problems(self) -> list[str]:
        """A line for everything that is missing, failed or unreadable."""
        lines = [*self.skipped, *self.missing]
        for run in self.runs[~self.runs["status"].isin([Status.OK, Status.UNTRAINED])].to_dict("records"):
            lines.append(f"run {run['run_id']} ({run['family']} {aim(run)}) {run['status']}: {run['error']}")
        if not (self.runs["status"] == Status.OK).any():
            lines.append("no run was measured")
        for verdict in self.verdicts:
            lines += [f"run {run_id} lacks a number: {verdict.why[run_id]}" for run_id in verdict.missing]
        if self.baseline is not None:
            missing = self.baseline[self.baseline["finding"] == "missing here"]
            lines += [f"run {run['run_id']} of the baseline is missing here" for run in missing.to_dict("records")]
            incomparable = self.baseline[self.baseline["finding"] == "no error known"]
            lines += [f"run {run_id} cannot be compared: no standard error" for run_id in incomparable["run_id"]]
        return lines

    @cached_property
    def regressions(self) -> list[str]:
        """A line for everything that broke: an untrained run, a claim, a printed point, a run of the baseline."""
        lines = untrained(self.runs)
        for verdict in self.verdicts:
            lines += [f"broken: {verdict.claim}: run {run_id} ({verdict.why[run_id]})" for run_id in verdict.broken]
        for row in self.paper[self.paper["judgement"].isin(["worse", "implausible"])].to_dict("records"):
            lines.append(f"{row['judgement']} beside the paper: run {row['run_id']}")
        if self.baseline is not None:
            for finding, words in FAILING.items():
                found = self.baseline[self.baseline["finding"] == finding]
                lines += [f"{words}: run {run_id}" for run_id in found["run_id"]]
        return lines

    @cached_property
    def notes(self) -> list[str]:
        """A line for everything to know although nothing broke, such as runs that have hardly learned."""
        return [*behind_pixels(self.runs), *jumped(self.runs)]

    @property
    def exit_code(self) -> ExitCode:
        """BROKEN on a regression; else INCOMPLETE on a problem; else OK."""
        if self.regressions:
            return ExitCode.BROKEN
        return ExitCode.INCOMPLETE if self.problems else ExitCode.OK

    @property
    def headline(self) -> str:
        """How many runs are measured, how the claims stand, and what the exit code means."""
        measured = int((self.runs["status"] == Status.OK).sum())
        expected = len(self.runs) + len(self.missing)
        counts = Counter(verdict.status for verdict in self.verdicts)
        claims = f"{counts['holds']} hold, {counts['broken']} broken, {counts['not measured']} not measured"
        state = STATES[self.exit_code]
        return f"{measured} of {counted(expected, 'run')} measured; verdicts: {claims}; {state}."


def assemble(
    store: Source, families: list[str], betas: list[float], condition: str | None, baseline: Store | None
) -> Report:
    """Read a store, choose runs, and judge them.

    Raises:
        UserError: the store or the baseline holds no runs, or the choice is refused or leaves none.
    """
    rows = store.read("runs")
    runs = mark_frontier(sort_runs(select(rows.frame, families, betas, condition)))
    compared, skipped = None, list(rows.skipped)
    missing: list[str] = []
    for one in each(store):
        absent, unread = plans.missing(one.storage, set(rows.frame["run_id"]))
        missing += [line for line in absent if line not in missing]
        skipped += unread
    if baseline is not None:
        other = baseline.read("runs")
        skipped += other.skipped
        chosen = select(other.frame, families, betas, condition)
        compared, unread = against_baseline(store, runs, baseline, chosen)
        skipped += unread
    differences, unread = paired_differences(store, runs)
    skipped += unread
    per_run, unread = examples.means(store, measured(runs))
    skipped += [line for line in unread if line not in skipped]
    return Report(
        store,
        runs,
        join_seeds(runs),
        verdicts(runs, per_run),
        against_paper(runs),
        differences,
        compared,
        skipped,
        missing,
    )
