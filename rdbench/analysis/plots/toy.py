"""The paper's Figure 2: the toy under an optimal model, the ELBO and a target rate."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdbench.analysis.plots.drawing import Drawing, NothingToDrawError
from rdbench.analysis.plots.style import legend_outside, set_title
from rdbench.analysis.stores import holder
from rdbench.data import toy
from rdbench.measures.exact import Tables, account, optimal
from rdbench.store.store import Store

TOLERANCE = 1e-3
"""The most nats by which a drawn run may miss its target rate."""

DATA, MODEL, RECONSTRUCTION = "0.6", "#0072B2", "#B87A00"
CLASSES = ("#C65A9A", "#00805C")


def toy_figure(drawing: Drawing) -> Figure:
    """Three columns: an optimal model built by hand, the best run of the ELBO, the run of lowest D at the target rate.

    Rows: distributions over x; over z, by class; and the maps e(z|x), d(x|z) and x to x'. Reads the checkpoints.
    """
    columns = {"built by hand": optimal()}
    for name, run in _chosen(drawing.runs).items():
        columns[name] = _tables(holder(drawing.store, run["run_id"]), run["run_id"])
    figure = drawing.figure(9.0)
    grid = figure.subplots(5, 3, sharex=False)
    for axes, (name, tables) in zip(grid.T, columns.items(), strict=True):
        numbers = account(tables)
        of_class = numbers["class_information"]
        axes[0].set_title(f"{name}\nR {numbers['rate']:.4f}\nD {numbers['distortion']:.4f}\nI(Z; z*) {of_class:.3f}")
        _over_data(axes[0], tables)
        _over_latents(axes[1], tables)
        _map(axes[2], tables.encoder, "e(z|x)", "latent z", "x")
        _map(axes[3], tables.decoder, "d(x|z)", "x", "latent z")
        _map(axes[4], tables.reconstructed(), "x to x'", "x'", "x")
    for axes in grid[:, 1:].flat:
        axes.set_ylabel("")
        axes.set_yticklabels([])
    legend_outside(figure)
    for row in grid[:2]:
        for axes in row:
            axes.set_ylim(0, 1.15 * max(other.dataLim.y1 for other in row))
    set_title(figure, f"The toy: H = {toy.entropy():.4f} nats, I(x; z*) = 0.5")
    return figure


def _tables(store: Store, run_id: str) -> Tables:
    found = store.load_weights(run_id)
    shapes = {name: table.shape for name, table in optimal()._asdict().items()}
    if {name: table.shape for name, table in found.items()} != shapes or any(map(_no_numbers, found.values())):
        raise NothingToDrawError(f"{store}/{store.checkpoint(run_id)} does not hold this run's tables")
    return Tables(**found)


def _no_numbers(table: toy.Table) -> bool:
    return table.dtype.kind != "f" or bool(np.isnan(table).any())


def _chosen(runs: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    elbo = runs[(runs["objective"] == "beta-vae") & (runs["beta"] == 1)]
    target = runs[runs["objective"] == "target-rate"]
    if elbo.empty or target.empty:
        raise NothingToDrawError("it shows runs of β = 1 beside runs at a target rate; make them with: rdbench toy")
    off = (target["rate"] - target["target_rate"]).abs()
    if off.min() >= TOLERANCE:
        raise NothingToDrawError(
            f"the nearest run is {off.min():.3g} nats off its target rate, where {TOLERANCE:g} is the most that is "
            "drawn; train longer, with --epochs"
        )
    target = target[off < TOLERANCE]
    best = target.sort_values("distortion").iloc[0].to_dict()
    return {"ELBO": elbo.sort_values("elbo").iloc[-1].to_dict(), f"target rate {best['target_rate']:g}": best}


def _over_data(axes: Axes, tables: Tables) -> None:
    x = toy.positions()
    axes.bar(x, toy.density(), width=1.8 / len(x), color=DATA, alpha=0.5, label="data p*(x)")
    axes.plot(x, tables.generated(), color=MODEL, marker=".", markersize=4, label="drawn Σ m(z) d(x|z)")
    axes.plot(x, toy.density() @ tables.reconstructed(), color=RECONSTRUCTION, linestyle="--", label="reconstructed")
    axes.set_xlabel("x")
    axes.set_ylabel("probability")


def _over_latents(axes: Axes, tables: Tables) -> None:
    z, of_class = toy.positions(), tables.of_class()
    axes.bar(z, of_class.sum(0), width=1.8 / len(z), color=DATA, alpha=0.5, label="e(z), all data")
    axes.plot(z, tables.marginal, color=MODEL, marker=".", markersize=4, label="m(z)")
    for name, (joint, colour) in enumerate(zip(of_class, CLASSES, strict=True)):
        axes.plot(z, joint / joint.sum(), color=colour, label=f"e(z), z* = {name}")
    axes.set_xlabel("latent z")
    axes.set_ylabel("probability")


def _map(axes: Axes, table: toy.Table, name: str, to: str, given: str) -> None:
    axes.imshow(table, cmap="gray_r", vmin=0, aspect="auto", extent=(-1, 1, 1, -1), interpolation="nearest")
    axes.grid(False)
    axes.set_title(name)
    axes.set_xlabel(to)
    axes.set_ylabel(given)
