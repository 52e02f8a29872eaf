"""A part that breaks a clause of the contract is told which, what it did, and how to mend it."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from rdbench.config.family import parse_family
from rdbench.config.parts import find, unregister
from rdbench.config.plugins import load_plugins
from rdbench.models import build
from rdbench.selftest import check_contract, contract
from rdbench.selftest.densities import SIZE

FAMILY = parse_family("---")


class Whole(nn.Module):
    """An encoder that keeps the contract."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(SIZE.image_side**2, SIZE.latent_dim)

    def forward(self, images):
        return Independent(Normal(self.layer(images.flatten(1)), 1.0), 1)


class Tensors(Whole):
    def forward(self, images):
        return self.layer(images.flatten(1))


class Loose(Whole):
    def forward(self, images):
        return super().forward(images).base_dist


class Half(Whole):
    def forward(self, images):
        return Independent(Normal(self.layer(images.flatten(1)).bfloat16(), 1.0), 1)


class Wide(Whole):
    def forward(self, images):
        return super().forward(images.repeat(1, 2, 2))


class Spare(Whole):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(2, 2, bias=False)


class Hidden(Whole):
    """Its layer is in a list, which is not saved."""

    def __init__(self):
        super().__init__()
        self.layers = [self.layer]
        del self.layer

    def forward(self, images):
        return Independent(Normal(self.layers[0](images.flatten(1)), 1.0), 1)


FILE = """
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal
from rdbench import Part

class Decoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.side, self.layer = size.image_side, nn.Linear(size.latent_dim, size.image_side**2)

    def forward(self, z):
        logits = self.layer(z).unflatten(-1, (self.side, self.side))
        return Independent(Bernoulli(logits=logits), 2)

class Marginal(nn.Module):
    def __init__(self, size, encoder):
        super().__init__()
        self.mean = nn.Parameter(torch.ones(size.latent_dim))

    def forward(self):
        return Independent(Normal(self.mean, 1.0), 1)

PARTS = [Part("decoder", "straight", "Decoder"), Part("marginal", "moved", "Marginal")]
"""


def test_a_decoder_and_a_marginal_from_a_file_keep_the_contract(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    load_plugins([tmp_path / "mine.py"])
    try:
        checks = list(check_contract(parse_family("gaussian-straight-moved"), SIZE))
        assert len(checks) == len(contract.CLAUSES) and all(check.passed for check in checks)
    finally:
        unregister(find("decoder", "straight"))
        unregister(find("marginal", "moved"))


def broken(encoder, monkeypatch):
    """The checks that do not pass once the family has that encoder."""

    def with_encoder(*given):
        model = build(*given)
        model.encoder = encoder()
        return model

    monkeypatch.setattr(contract, "build", with_encoder)
    return [check for check in check_contract(FAMILY, SIZE) if not check.passed]


@pytest.mark.parametrize(
    ("encoder", "clause"),
    [
        (Tensors, "encoder(x) is a distribution with a batch of images; it gave a Tensor"),
        (Loose, "encoder(x) is a distribution with a batch of images; it has batch_shape (6, 2), expected (6,)"),
        (Half, "log e(z|x) is (samples, N), float32 and finite; it is of torch.bfloat16"),
        (Wide, "encoder(x) is a distribution with a batch of images; it raised RuntimeError: mat1 and mat2 shapes"),
        (Spare, "a gradient reaches every parameter; it does not reach encoder.spare.weight"),
        (Hidden, "weights survive saving and loading; it gave another log d, log m"),
    ],
)
def test_the_broken_clause_is_named_with_what_was_found(encoder, clause, monkeypatch):
    (check,) = broken(encoder, monkeypatch)
    assert check.name.startswith(f"contract: {clause}") and check.mend
    assert check.name.isprintable()


def test_a_whole_part_keeps_every_clause(monkeypatch):
    torch.manual_seed(0)
    assert not broken(Whole, monkeypatch)
