"""Codes take as many bits on disk as the marginal says, by an entropy coder of another library."""

import math
import sys
from pathlib import Path

import pytest
import torch

import rdbench
from rdbench.config.family import Family
from rdbench.config.run_config import make_run
from rdbench.data import load
from rdbench.models import Size, build
from rdbench.runs.run import execute
from rdbench.store.store import Store

IMAGES = (torch.rand(150, 16, 16, generator=torch.Generator().manual_seed(1)) < 0.2).float()


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(rdbench.__file__).parent.parent / "benchmarks")
    import file_size

    return file_size


@pytest.mark.parametrize("marginal", ["uniform", "factorised", "autoregressive", "pixelcnn"])
@pytest.mark.parametrize(("encoder", "places"), [("vq", 16), ("vq2", 4 + 16)])
def test_a_file_has_the_bits_of_the_rate_and_is_decoded_without_loss(script, encoder, places, marginal):
    model = build(Family(encoder, "deconv", marginal), Size(0.05, 3, image_side=16), {"codes": 16})
    with torch.no_grad():
        for value in model.parameters():
            value += 0.1 * torch.randn_like(value)
        codes, m = model.encoder(IMAGES).codes, model.marginal()
        nats = -float(m.log_prob(codes).sum())
    words = script.encode(m, codes)
    assert 32 * len(words) == pytest.approx(nats / math.log(2), rel=0.01)
    assert codes.unique().numel() > 3
    assert torch.equal(script.decode(m, words, *codes.shape), codes)
    assert codes.shape == (150, places)


def test_the_file_of_a_trained_run(script, tmp_path, monkeypatch, capsys):
    run = make_run({"dataset": "sprites", "encoder": "vq", "marginal": "pixelcnn", "codes": 4, "grid": 4, "width": 0.05,
                    "latent_dim": 3, "epochs": 1, "train_images": 64, "evaluation_images": 60})  # fmt: skip
    store = Store(tmp_path / "store")
    store.prepare()
    record = execute(run, "test", load("sprites"), torch.device("cpu"))
    store.write(record)
    out = tmp_path / "codes.bin"
    monkeypatch.setattr(sys, "argv", ["file_size.py", str(store), record.run_id[:6], "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        script.main()
    told = capsys.readouterr().out
    assert ended.value.code == 0 and "decoded again without loss" in told
    assert f"R {record.row['rate']:.2f} nats an image" in told and f"{out.stat().st_size:,} bytes" in told
