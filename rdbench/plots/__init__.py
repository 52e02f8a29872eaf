"""Tables to figures; no torch."""

from pathlib import Path

import matplotlib as mpl

from rdbench.errors import UserError
from rdbench.plots.plane import plane
from rdbench.plots.skew import skew
from rdbench.plots.style import STYLE
from rdbench.store import Store

KINDS = {"plane": plane, "skew": skew}
FORMATS = ("png", "svg")


def draw(store: Store, out: Path) -> list[Path]:
    """Draw every kind of figure from a store into ``out``; the paths written.

    Raises:
        UserError: the store holds no finished run, or ``out`` cannot be written.

    """
    runs = store.read("runs")
    runs = runs[runs["status"] == "ok"]
    if runs.empty:
        raise UserError(f"{store.folder} holds no run that ended well; nothing to draw")
    paths = []
    for name, figure_of in KINDS.items():
        with mpl.rc_context(STYLE):
            figure = figure_of(runs)
            for suffix in FORMATS:
                path = out / f"{name}.{suffix}"
                try:
                    out.mkdir(parents=True, exist_ok=True)
                    figure.savefig(path)
                except OSError as error:
                    raise UserError(f"cannot write {path}: {error.strerror}; name another folder with --out") from None
                paths.append(path)
    return paths
