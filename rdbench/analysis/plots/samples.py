"""Images that models reconstruct and generate."""

import numpy as np
from matplotlib.figure import Figure, SubFigure

from rdbench.analysis.plots.drawing import Drawing
from rdbench.config.run_config import aim

MOST_RUNS = 6
COLUMNS = ("input\nx", "decoded\nz ~ e(z|x)", "mean\nof five", "decoded\nz ~ m(z)", "mean\nof five")


def samples(drawing: Drawing) -> Figure:
    """For each β of one family: inputs with one decoded sample and the mean of five, then the same from the marginal.

    Five images are decoded from the one z of each row. Reads the checkpoints, and so needs torch.
    """
    from rdbench.runs.trained import draw_samples  # here, for all other figures do without torch

    runs = drawing.runs
    if runs["family"].nunique() > 1:
        runs = runs[runs["family"] == runs.sort_values("elbo")["family"].iloc[-1]]
    runs = runs.assign(aim=[aim(run) for run in runs.to_dict("records")])
    runs = runs.drop_duplicates(["objective", "aim", "anneal_epochs"]).head(MOST_RUNS)
    drawn = [draw_samples(drawing.store, run) for run in runs.to_dict("records")]
    figure = Figure(figsize=(2.9 * len(runs) + 0.2, 5.0))
    panels = figure.subfigures(1, len(runs), squeeze=False).flat
    for panel, run, columns in zip(panels, runs.to_dict("records"), drawn, strict=True):
        annealed = ", annealed" if run["anneal_epochs"] else ""
        panel.suptitle(f"{run['aim']}{annealed}\nR {run['rate']:.2f}  D {run['distortion']:.2f}", fontsize=9)
        _draw(panel, columns)
    figure.suptitle(f"{runs['family'].iloc[0]}: {drawing.name}", fontsize=11, x=0.01, ha="left")
    return figure


def _draw(panel: SubFigure, columns: list[np.ndarray]) -> None:
    """Columns of (N, side, side) images, side by side."""
    for axes, images, name in zip(panel.subplots(1, len(columns)), columns, COLUMNS, strict=True):
        framed = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=0.5)
        axes.imshow(framed.reshape(-1, framed.shape[-1]), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=7, loc="center")
        axes.set_axis_off()
