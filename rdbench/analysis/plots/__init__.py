"""Draw figures from tables; only samples need torch."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from rdbench.analysis.frame import measured, sort_runs
from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.others import no_points, paper_points, read_points
from rdbench.analysis.plots.style import WIDTH, own_style, to_grey
from rdbench.analysis.stores import Source
from rdbench.config.family import dataset_kind
from rdbench.config.parts import find, names
from rdbench.config.plugins import make
from rdbench.errors import UserError, plain, unknown
from rdbench.store.folder import LocalStorage

__all__ = ["FORMATS", "STYLES", "Look", "draw", "drawing_of", "page_figures", "paper_points", "read_points"]

EXPLAINED = ["dataset_sha256", "labels"]
"""Runs that agree in these columns are drawn in one figure."""

FORMATS = ("png", "svg", "pdf")
STYLES = ("colour", "grey")
PAGE_WIDTH = 4.4
"""The width in inches of a figure in a page, legible on a telephone."""

UNDATED: dict[str, dict[str, None]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""The metadata in which each format writes the time, left empty so that the same runs give the same bytes."""


@dataclass(frozen=True)
class Look:
    """The look of figures: width in inches, style, and points that are not runs."""

    width: float = WIDTH
    style: str = "colour"
    others: pd.DataFrame = field(default_factory=no_points)


class Drawn(NamedTuple):
    """The paths written, a message for each figure left out, and the paths whose old figure was replaced."""

    paths: list[Path]
    left_out: list[str]
    replaced: list[Path]


def drawing_of(kind: str) -> Callable[[Drawing], Figure]:
    """The function that draws a kind of figure.

    Raises:
        UserError: there is none of that name.
    """
    function: Callable[[Drawing], Figure] = make("figure", kind)
    return function


def draw(
    store: Source,
    runs: pd.DataFrame,
    kinds: Sequence[str],
    formats: Sequence[str],
    out: Path,
    look: Look | None = None,
    data_dir: Path | None = None,
) -> Drawn:
    """Draw figures of the runs with status ``ok`` into ``out``, with images from ``data_dir``.

    Without ``kinds`` it draws every kind for which the store has the numbers.

    Raises:
        UserError: a kind or format is unknown, no run ended well, or ``out`` cannot be written.
    """
    _check("kind", kinds, names("figure"))
    _check("format", formats, FORMATS)
    look = look or Look()
    _check("style", [look.style], STYLES)
    ended = sort_runs(measured(runs))
    if ended.empty:
        raise UserError(f"{store} holds no run that ended well; nothing to draw")
    found = Drawn([], [], [])
    drawn = _by_stem(ended)
    for stem, mine in drawn.items():
        dataset = mine["dataset"].iloc[0]
        fit = [kind for kind in names("figure") if dataset_kind(dataset) in find("figure", kind).draws]
        for kind in kinds or fit:
            try:
                if kind not in fit:
                    raise NothingToDrawError(f"it is no figure of {dataset}")
                with own_style():
                    figure = drawing_of(kind)(
                        Drawing(store, mine, _near(look.others, mine), look.width, data_dir=data_dir)
                    )
            except (NothingToDrawError, UserError) as error:
                found.left_out.append(plain(f"{kind} left out: {error}"))
                continue
            for artist in figure.findobj():
                artist.set_gid("")  # ids are for a page
            if look.style == "grey":
                to_grey(figure)
            _save(figure, out, kind if len(drawn) == 1 else f"{kind}-{stem}", formats, found)
    return found


def page_figures(store: Source, runs: pd.DataFrame) -> dict[str, str]:
    """The figures of a report's page as SVG without a background, by title.

    Elements that belong to a run or a family have the id ``run ID`` or ``family WORDS``.
    """
    figures = {}
    for _, mine in measured(runs).groupby([*EXPLAINED, "dataset"], dropna=False):
        labels, dataset = mine[["labels", "dataset"]].iloc[0]
        what = dataset if pd.isna(labels) else f"{dataset}, {labels} labels"
        for kind in ("plane", "skew"):
            buffer = io.StringIO()
            with own_style(), mpl.rc_context({"svg.fonttype": "none"}):
                figure = drawing_of(kind)(Drawing(store, sort_runs(mine), width=PAGE_WIDTH, single=True))
                figure.savefig(buffer, format="svg", transparent=True, metadata=UNDATED[".svg"])
            figures[f"{kind} of {what}"] = buffer.getvalue()
    return figures


def _by_stem(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of each figure, by the beginning of its file name: one for each dataset and label set."""
    named: list[tuple[str, str, pd.DataFrame]] = []
    for _, mine in runs.groupby(EXPLAINED, dropna=False):
        dataset, sha256, labels = mine[["dataset", *EXPLAINED]].iloc[0]
        stem = re.sub(r"[^\w.-]", "_", Path(str(dataset)).stem)[:100]
        named.append((stem if pd.isna(labels) else f"{stem}-{labels}", str(sha256), mine))
    stems = [stem for stem, _, _ in named]
    return {stem if stems.count(stem) == 1 else f"{stem}-{sha256[:8]}": mine for stem, sha256, mine in named}


def _near(others: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The other points for a figure of runs: those of the same dataset, and those without one."""
    return others[others["dataset"].isna() | (others["dataset"] == runs["dataset"].iloc[0])]


def _save(figure: Figure, out: Path, name: str, formats: Sequence[str], drawn: Drawn) -> None:
    """Write a figure in each format, and note the paths in ``drawn``."""
    paths = [out / f"{name}.{suffix}" for suffix in formats]
    folder = LocalStorage(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            content = io.BytesIO()
            with own_style():
                figure.savefig(content, format=path.suffix[1:], metadata=UNDATED[path.suffix])
            if path.exists() and path.read_bytes() != content.getvalue():
                drawn.replaced.append(path)
            folder.write(path.name, content.getvalue())  # by rename, which replaces a link instead of following it
            drawn.paths.append(path)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; name another folder with --out") from None


def _check(what: str, found: Sequence[str], known: Sequence[str]) -> None:
    for name in found:
        if name not in known:
            raise unknown(what, name, known)
