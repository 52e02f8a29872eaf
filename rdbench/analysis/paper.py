"""Published numbers.

"Fixing a Broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464); "Categorical Reparameterization with
Gumbel-Softmax" (Jang et al., 2017, https://arxiv.org/abs/1611.01144).
"""

from importlib.resources import files

import pandas as pd

from rdbench.config.family import Family, parse_family


def printed_points() -> pd.DataFrame:
    """The printed points of MNIST and Omniglot: family in words, β, whether annealed, R, D, −ELBO in nats, a note."""
    with (files("rdbench.analysis") / "alemi2018.csv").open(encoding="utf-8") as file:
        points = pd.read_csv(file, dtype={"encoder": str, "decoder": str, "marginal": str})
    points = points[points["dataset"] != "toy"]
    signs = points["encoder"] + points["decoder"] + points["marginal"]
    return points.assign(
        family=[parse_family(text).words for text in signs],
        annealed=points["annealed"] == "yes",
        note=points["note"].fillna(""),
    ).drop(columns=list(Family._fields))


def printed_gradients() -> pd.DataFrame:
    """The −ELBO (nats) that Jang et al. print for gradient estimators of discrete z at β = 1; their networks differ.

    A row for each dataset, encoder, ``latent_dim``, ``categories`` (NaN for bits) and ``gradient``.
    """
    with (files("rdbench.analysis") / "jang2017.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
