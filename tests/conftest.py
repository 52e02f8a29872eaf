"""What all tests share."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for models as small as these threads only wait

import pickle
import signal
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from rdbench.__main__ import main
from rdbench.config.family import FAMILIES, Family
from rdbench.config.parts import OWN
from rdbench.data import load
from rdbench.models import VAE, Size, build
from rdbench.store.store import Store

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is told to ignore it
settings.register_profile("untimed", deadline=None)  # what else a machine does is no reason to fail
settings.load_profile("untimed")

TINY = Size(width=0.05, latent_dim=4, pseudo_inputs=3)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep packed copies and downloads out of the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    load.cache_clear()


@pytest.fixture
def data_dir() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = os.environ.get("RDBENCH_DATA_DIR")
    if not folder:
        pytest.skip("RDBENCH_DATA_DIR is not set: no real data here")
    return Path(folder)


def with_each_other_part() -> list[Family]:
    """A family for every part that is none of the paper's, with the first parts that go with it."""
    families = []
    for part in OWN:
        if part.kind not in Family._fields or part.sign or part.explains != "image":
            continue
        chosen = {part.kind: part}
        for kind in sorted(set(Family._fields) - {part.kind}):
            chosen[kind] = next(
                other for other in OWN if other.kind == kind and set(other.latent) & set(part.latent) and not (
                    kind == "decoder" and other.explains != "image")
            )  # fmt: skip
        families.append(Family(**{kind: part.name for kind, part in chosen.items()}))
    return families


@pytest.fixture(params=(*FAMILIES, *with_each_other_part()), ids=lambda family: family.words)
def family(request) -> Family:
    return request.param


@pytest.fixture
def model(family) -> VAE:
    """A small model of each family, its weights moved a little off their start."""
    model = build(family, TINY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    return model


@pytest.fixture
def rdbench_command(monkeypatch, capsys):
    """The command line: exit code, output and errors; an exception, which would be a traceback, fails the test."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rdbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    store = Store(tmp_path / "store")
    store.prepare()
    return store


@pytest.fixture
def bomb(tmp_path):
    """A pickle that makes a file when it is loaded, and that file."""
    marker = tmp_path / "pickle-was-loaded"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (marker,)

    content = pickle.dumps(Bomb())
    pickle.loads(content)
    assert marker.exists()
    marker.unlink()
    return content, marker, Bomb
