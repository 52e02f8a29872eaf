"""rdbench: where latent-variable models stand in the rate-distortion plane.

The functions here do in Python what the commands do. None loads torch before a model is needed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from rdbench.analysis.results import Results
    from rdbench.config.parts import Part as Part
    from rdbench.config.parts import Setting as Setting
    from rdbench.data.plain import PlainDataset
    from rdbench.measures.bounds import Measures

__version__ = "0.1.0"
__all__ = ["Part", "Setting", "dataset", "measure", "open_store", "sweep"]


def open_store(location: str | Path, plugins: Iterable[str | Path] = ()) -> "Results":
    """Open the store in a folder, or behind a URL, for reading; models of parts in ``plugins`` files can be loaded.

    >>> import rdbench
    >>> store = rdbench.open_store("results/mnist-target-rate")
    >>> store.runs()[["family", "target_rate", "status"]]
                         family  target_rate status
    0  gaussian-deconv-gaussian          8.0     ok
    1  gaussian-deconv-gaussian         16.0     ok
    2  gaussian-deconv-gaussian         32.0     ok

    Raises:
        UserError: there is no store, or a plug-in cannot be loaded.
    """
    from rdbench.analysis.results import Results
    from rdbench.config.plugins import load_plugins

    load_plugins(plugins)
    return Results(location)


def dataset(
    name: str,
    data_dir: str | Path | None = None,
    *,
    binarise: str | None = None,
    binarise_seed: int | None = None,
) -> "PlainDataset":
    """The images of a named dataset, or of an .npz or .npy file, as plain arrays of zeros and ones.

    ``binarise`` is ``threshold`` or ``bernoulli`` for a file of grey levels, as in the settings of a run.

    >>> import rdbench
    >>> sprites = rdbench.dataset("sprites")
    >>> sprites
    <dataset sprites: train (10000, 28, 28), valid (1000, 28, 28), test (2000, 28, 28), labels: shape>
    >>> sprites.test.dtype, sprites.labels["shape"]["test"].shape
    (dtype('uint8'), (2000,))

    Raises:
        UserError: no dataset has that name, or its files cannot be fetched or read, or fail their checksums.
    """
    from rdbench.config.run_config import make_run
    from rdbench.data import load
    from rdbench.data.plain import PlainDataset

    how = make_run({"binarise": binarise, "binarise_seed": binarise_seed}).binarisation
    return PlainDataset.of(load(name, None if data_dir is None else Path(data_dir), how))


def measure(model: Any, images: Any, iwae: Sequence[int] = (1,), rate_samples: int = 64) -> "Measures":
    """R, D, ELBO and IWAE-k of any model for each image, in nats; ``summary()`` has the means and standard errors.

    ``model`` has three parts: ``encoder(x)``, ``decoder(z)`` and ``marginal()``. Each returns a ``torch.distributions``
    object. ``images`` are (N, side, side) or (N, side²) zeros and ones, of NumPy or torch.

    >>> import numpy as np, rdbench
    >>> from rdbench.models import Size, build
    >>> from rdbench.config.family import parse_family
    >>> model = build(parse_family("---"), Size(width=0.05, latent_dim=2))
    >>> found = rdbench.measure(model, np.zeros((3, 28, 28)), iwae=(1, 5))
    >>> sorted(found.summary())[:4], found.rate.shape
    (['distortion', 'distortion_se', 'elbo', 'elbo_se'], (3,))

    Raises:
        UserError: the images are of another shape, or hold anything but zeros and ones, or a k is below 1.
    """
    import torch

    from rdbench.data.arrays import as_bits
    from rdbench.data.images import Images
    from rdbench.measures import bounds

    split = Images.on(torch.device("cpu"), as_bits("images", images))
    return bounds.measure(model, split, tuple(sorted(set(iwae))), rate_samples)


def sweep(
    name: str = "demo",
    store: str | Path | None = None,
    *,
    device: str = "auto",
    jobs: int = 1,
    data_dir: str | Path | None = None,
    plugins: Iterable[str | Path] = (),
    **values: Any,
) -> "pd.DataFrame":
    """Do the runs of a sweep that its store lacks, and return the rows of all its runs.

    ``name`` is a packaged sweep or a TOML file. ``values`` choose and replace as the options of ``rdbench sweep`` do:
    ``family=["---"], beta=[0.5, 1]``.

    >>> import rdbench
    >>> runs = rdbench.sweep("demo", "outputs/mine", family=["---"], beta=1, epochs=2)  # doctest: +SKIP

    Raises:
        UserError: a name or a value is wrong; raised before any training.
        InterruptedSweepError: the sweep was stopped.
    """
    from rdbench.config.plugins import load_plugins
    from rdbench.config.sweep import load_sweep
    from rdbench.execute.runner import make_executor, run_sweep
    from rdbench.execute.task import Resources, Settings

    load_plugins(plugins)
    chosen = load_sweep(name).with_values(values)
    location = Path("outputs") / chosen.name if store is None else store
    settings = Settings(device, None if data_dir is None else Path(data_dir))
    return run_sweep(chosen, location, settings, make_executor("local", Resources(device, jobs))).runs


def __getattr__(name: str) -> Any:
    """Load ``Part`` and ``Setting`` on first use."""
    if name in ("Part", "Setting"):
        from rdbench.config import parts

        return getattr(parts, name)
    raise AttributeError(f"module 'rdbench' has no attribute {name!r}")
