"""`rdbench selftest`, `rdbench families` and `rdbench plugins`."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from rdbench.cli.ended import PIPED, in_terminal
from rdbench.cli.options import PluginOption
from rdbench.errors import ExitCode

if TYPE_CHECKING:
    from rdbench.analysis.report.cells import Cells
    from rdbench.config.parts import Part, Setting


def selftest(
    family: Annotated[str | None, typer.Option(help="Check this family's densities, flows, masks and bounds.")] = None,
    plugin: PluginOption = [],
) -> None:
    """Check estimators against known truths, or one family on tiny images; needs no data and no network.

    Exit codes: 0 all passed; 1 one failed; 2 wrong usage.
    """
    from rdbench.analysis.report.cells import Cells
    from rdbench.config.family import parse_family
    from rdbench.config.plugins import load_plugins
    from rdbench.selftest import check_estimators, check_family

    load_plugins(plugin)
    checks = []
    for check in check_family(parse_family(family)) if family else check_estimators():
        checks.append(check)
        typer.echo(f"{check.verdict}  {check.name}", err=True)
        if check.mend and not check.passed:
            typer.echo(f"        to mend it: {check.mend}", err=True)
    rows = [
        [
            check.name,
            f"{check.truth:.5f}",
            f"{check.estimate:.5f}",
            f"{check.error:.5f}",
            f"{check.tolerance:g}",
            check.verdict,
        ]
        for check in checks
        if not check.mend
    ]
    headers = ["check", "truth", "estimate", "error", "tolerance", "verdict"]
    title = "Truth beside estimate, in nats: passed within 4 standard errors and the tolerance"
    if rows:
        typer.echo(in_terminal(Cells(title, headers, rows, left=frozenset({"check", "verdict"})), whole=PIPED))
    judged = [check for check in checks if check.judged]
    failed = sum(not check.passed for check in checks)
    if family and any(not (check.passed or check.mend) for check in checks):
        typer.echo("\nto mend it: let log_prob of that part be the log-density of what its sample and rsample draw")
    typer.echo(f"\n{sum(check.passed for check in judged)} of {len(judged)} passed")
    raise typer.Exit(ExitCode.BROKEN if failed else ExitCode.OK)


def families(
    as_json: Annotated[bool, typer.Option("--json", help="The numbers of parameters of the twelve, as JSON.")] = False,
    plugin: PluginOption = [],
) -> None:
    """List all parts, their settings, and the paper's twelve families with their parameters at full width."""
    from rdbench.analysis.report.cells import Cells
    from rdbench.config.parts import KINDS, find, names
    from rdbench.config.plugins import load_plugins
    from rdbench.models import parameter_counts

    load_plugins(plugin)
    counts = parameter_counts()
    if as_json:
        typer.echo(json.dumps(counts, indent=2))
        return
    known = [find(kind, name) for kind in KINDS for name in names(kind)]
    listed = [[part.kind, part.name, part.sign or "", part.help] for part in known]
    headers = ["kind", "name", "sign", "what"]
    typer.echo(in_terminal(Cells("Parts", headers, listed, left=frozenset(headers)), whole=PIPED) + "\n")
    typer.echo(in_terminal(_settings(known), whole=PIPED) + "\n")
    parts = ("encoder", "decoder", "marginal", "total")
    rows = [[row["family"], row["signs"], *(f"{row['parameters'][part]:,}" for part in parts)] for row in counts]
    typer.echo(in_terminal(Cells("Parameters at full width", ["family", "signs", *parts], rows), whole=PIPED))


def _settings(parts: Iterable["Part"]) -> "Cells":
    """The parts' own settings: each once, with all parts that have it alike."""
    from rdbench.analysis.report.cells import Cells

    owners: dict[Setting, list[str]] = {}
    for part in parts:
        for setting in part.settings:
            owners.setdefault(setting, []).append(part.name)
    rows = [[own.name, ", ".join(of), str(own.default), own.expected, own.help] for own, of in owners.items()]
    headers = ["setting", "of", "default", "values", "what"]
    return Cells("Settings of parts, for --set and sweep files", headers, rows, left=frozenset(headers))


def plugins(plugin: PluginOption = []) -> None:
    """List plug-in parts: those of installed packages, and those of files named by --plugin."""
    from rdbench.analysis.report.cells import Cells
    from rdbench.config.plugins import foreign, load_plugins

    load_plugins(plugin)
    rows = [
        [part.kind, part.name, part.origin.where, part.origin.version or "–", part.origin.digest[:12]]
        for part in foreign()
        if part.origin
    ]
    if not rows:
        typer.echo("no parts from elsewhere; name a file with --plugin, or install a package that declares some")
        return
    headers = ["kind", "name", "from", "version", "digest"]
    typer.echo(in_terminal(Cells("Parts from elsewhere", headers, rows, left=frozenset(headers)), whole=PIPED))
