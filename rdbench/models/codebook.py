"""A codebook: vectors, the nearest of them, and two ways for them to follow what is quantised."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rdbench.models.distributions.codes import Indices
from rdbench.models.estimators import through

DECAY = 0.99
SMOOTHING = 1e-5
DEAD = 0.05
"""A code taken less than this part of the average is dead. It restarts at a zₑ of the step, far from its code."""


class Quantised(NamedTuple):
    """``codes`` (N, n); their ``vectors`` (N, …), whose gradient goes to what was quantised; ``penalty`` (N,)."""

    codes: Tensor
    vectors: Tensor
    penalty: Tensor


class Codebook(nn.Module):
    """K vectors eₖ of D numbers; zₑ of (N, D, side, side) is quantised place by place.

    The penalty of an image is Σ α ‖zₑ − sg(e)‖² over its places, with α the ``commitment``. It is a sum because D is a
    sum over pixels. ``codebook`` says how the vectors learn. With "loss" the penalty has ‖sg(zₑ) − e‖² too. With
    "averages" each e is a moving sum of the zₑ nearest to it, divided by a moving count of them. A step notes its zₑ
    when the gradient comes back, and ``settle`` moves the averages if the step counts. All codes begin dead.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor
    taken_counts: Tensor
    taken_sums: Tensor
    candidates: Tensor

    def __init__(self, codes: int, dimensions: int, commitment: float, codebook: str) -> None:
        super().__init__()
        self.commitment = commitment
        self.averages = codebook == "averages"
        drawn = torch.randn(codes, dimensions) / dimensions**0.5
        if not self.averages:
            self.vectors = nn.Parameter(drawn)
            return
        self.register_buffer("vectors", drawn)
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, dimensions))
        # what the step under way has noted
        self.register_buffer("taken_counts", torch.zeros(codes), persistent=False)
        self.register_buffer("taken_sums", torch.zeros(codes, dimensions), persistent=False)
        self.register_buffer("candidates", torch.zeros(codes, dimensions), persistent=False)

    @torch.no_grad()
    def distances(self, encoded: Tensor) -> Tensor:
        """‖zₑ − eₖ‖² − ‖zₑ‖² at each place of (N, D, side, side) numbers, for each code: (N, side², K)."""
        vectors = self.vectors.detach()
        return vectors.square().sum(1) - 2 * _by_place(encoded) @ vectors.T

    def nearest(self, encoded: Tensor) -> Tensor:
        """The nearest codes to (N, D, side, side) vectors, (N, side²)."""
        return self.distances(encoded).argmin(-1)

    def softened(self, encoded: Tensor, tau: float) -> Indices:
        """e(k) ∝ exp(−‖zₑ − eₖ‖²/τ) at each place of (N, D, side, side) numbers, independently."""
        return Indices(-self.distances(encoded) / tau)

    def look_up(self, codes: Tensor, side: int) -> Tensor:
        """(..., side²) codes to (..., D, side, side) vectors."""
        return self.vectors[codes].transpose(-1, -2).unflatten(-1, (side, side))

    def forward(self, encoded: Tensor) -> Quantised:
        """Quantise (N, D, side, side) numbers; moving averages need their gradient to note what was quantised."""
        codes, flat = self.nearest(encoded), _by_place(encoded)
        chosen = self.vectors[codes]
        errors = (flat - chosen.detach()).square().sum(-1)
        penalty = self.commitment * errors.sum(-1)
        if not self.averages:
            penalty = penalty + (flat.detach() - chosen).square().sum((-2, -1))
        elif flat.requires_grad:
            found, far = flat.detach().flatten(0, 1), errors.detach().flatten()
            flat.register_hook(lambda gradient: self._note(codes.flatten(), found, far))
        return Quantised(codes, through(self.look_up(codes, encoded.shape[-1]), encoded), penalty)

    def _note(self, codes: Tensor, found: Tensor, errors: Tensor) -> None:
        """Note (M,) codes of (M, D) vectors. This is done with the gradient, since a forward pass may be repeated.

        Candidates for dead codes are drawn in proportion to ‖zₑ − e‖², so that few restart beside a code in use.
        "k-means++: the advantages of careful seeding" (Arthur & Vassilvitskii, 2007,
        http://ilpubs.stanford.edu:8090/778).
        """
        self.taken_counts.index_add_(0, codes, torch.ones_like(codes, dtype=self.taken_counts.dtype))
        self.taken_sums.index_add_(0, codes, found)
        edges = errors.cumsum(0)
        drawn = torch.searchsorted(edges, torch.rand(len(self.candidates), device=edges.device) * edges[-1:])
        self.candidates.copy_(found[drawn.clamp_max(len(found) - 1)])

    def begin_step(self) -> None:
        """Forget what an earlier step noted, which may have been given up."""
        if self.averages:
            self.taken_counts.zero_()
            self.taken_sums.zero_()

    @torch.no_grad()
    def settle(self, skip: Tensor) -> None:
        """Move the averages by what the step noted. ``skip`` is 1 for a step that does not count, else 0."""
        if not self.averages:
            return
        counts = DECAY * self.counts + (1 - DECAY) * self.taken_counts
        sums = DECAY * self.sums + (1 - DECAY) * self.taken_sums
        average = counts.mean()
        dead = counts < DEAD * average
        counts = torch.where(dead, average, counts)
        sums = torch.where(dead[:, None], average * self.candidates, sums)
        smoothed = (counts + SMOOTHING) / (counts.sum() + len(counts) * SMOOTHING) * counts.sum()
        for old, new in ((self.counts, counts), (self.sums, sums), (self.vectors, sums / smoothed[:, None])):
            old.copy_(torch.where(skip.bool(), old, new))


def _by_place(encoded: Tensor) -> Tensor:
    """(N, D, side, side) to (N, side², D)."""
    return encoded.flatten(2).transpose(1, 2)
