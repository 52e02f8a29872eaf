"""A model of the toy as three tables of probabilities, and its exact R, D and informations."""

from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr, xlogy

from rdbench.data import toy
from rdbench.data.toy import Table


class Tables(NamedTuple):
    """log e(z|x), (x, z); log d(x|z), (z, x); log m(z), (z,). Rows of probabilities sum to one.

    The tables are logarithms, since at a high rate probabilities underflow float64 while R and D stay finite.
    """

    log_encoder: Table
    log_decoder: Table
    log_marginal: Table

    @classmethod
    def of(cls, encoder: Table, decoder: Table, marginal: Table) -> "Tables":
        """Tables from probabilities, some of which may be 0."""
        with np.errstate(divide="ignore"):
            return cls(np.log(encoder), np.log(decoder), np.log(marginal))

    @property
    def encoder(self) -> Table:
        """e(z|x), (x, z)."""
        return np.exp(self.log_encoder)

    @property
    def decoder(self) -> Table:
        """d(x|z), (z, x)."""
        return np.exp(self.log_decoder)

    @property
    def marginal(self) -> Table:
        """m(z), (z,)."""
        return np.exp(self.log_marginal)

    def rate(self) -> Table:
        """KL(e(z|x) ‖ m(z)) of each x, (x,)."""
        return _weighed(self.encoder, self.log_encoder, -self.log_marginal)

    def distortion(self) -> Table:
        """−E log d(x|z) of each x, (x,)."""
        return -_weighed(self.encoder, self.log_decoder.T)

    def generated(self) -> Table:
        """p(x) = Σ_z m(z) d(x|z) under the model, (x,)."""
        return self.marginal @ self.decoder

    def reconstructed(self) -> Table:
        """Σ_z e(z|x) d(x'|z), (x, x')."""
        return self.encoder @ self.decoder

    def of_class(self) -> Table:
        """p(z*, z) = Σ_x p*(z*, x) e(z|x), (2, z)."""
        return toy.joint() @ self.encoder


def optimal() -> Tables:
    """A best model at R = 0.5 nats: z is a class drawn from p*(z*|x), in two of the 30 latents.

    R = I(X;Z) = 0.5 and D = H − 0.5. I(Z; z*) = 0.378 nats, since z is a draw of the class and not the class itself.
    """
    joint = toy.joint()
    encoder, decoder = np.zeros((toy.VALUES, toy.VALUES)), np.full((toy.VALUES, toy.VALUES), 1 / toy.VALUES)
    used = [toy.VALUES // 4, 3 * toy.VALUES // 4]
    encoder[:, used] = (joint / joint.sum(0)).T
    decoder[used] = joint / joint.sum(1, keepdims=True)
    marginal = np.zeros(toy.VALUES)
    marginal[used] = joint.sum(1)
    return Tables.of(encoder, decoder, marginal)


def account(tables: Tables) -> dict[str, float]:
    """R, D, their gaps and the informations of a model, in nats, summed over all x and z.

    ``likelihood_gap`` is KL(p* ‖ Σ m d) and ``encoder_gap`` the mean of KL(e ‖ the model's posterior); their sum is
    ``elbo_gap`` = R + D − H. ``class_information`` is I(Z; z*). E, G, S and U are those of
    ``rdbench.measures.information``, but with the exact q(x), so that G = I_gen.
    """
    data = toy.density()
    joint = data[:, None] * tables.encoder
    generative = (tables.marginal[:, None] * tables.decoder).T  # (x, z)
    drawn = tables.generated()
    rate, distortion = float(data @ tables.rate()), float(data @ tables.distortion())
    information = toy.information(joint)
    elbo_gap = rate + distortion - toy.entropy()
    likelihood_gap = float(rel_entr(data, drawn).sum())
    latent_surprise = -float(_weighed(generative, tables.log_encoder).sum())
    return {
        "rate": rate,
        "distortion": distortion,
        "elbo": -(rate + distortion),
        "mutual_information": information,
        "marginal_kl": rate - information,
        "elbo_gap": elbo_gap,
        "encoder_gap": elbo_gap - likelihood_gap,
        "likelihood_gap": likelihood_gap,
        "class_information": toy.information(tables.of_class()),
        "generative_e": -float(xlogy(tables.marginal, tables.marginal).sum()) - latent_surprise,
        "generative_g": toy.information(generative),
        "generative_s": latent_surprise,
        "generative_u": -float(xlogy(drawn, drawn).sum()),
    }


def _weighed(weights: Table, *logarithms: Table) -> Table:
    """Σ_z of weights times the sum of the logarithms, for each row; a weight of 0 counts 0, even times ∞."""
    with np.errstate(invalid="ignore"):
        return np.where(weights > 0, weights * sum(logarithms), 0).sum(1)
