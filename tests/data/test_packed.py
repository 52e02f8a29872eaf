"""Packed copies in the user's cache."""

import numpy as np

from rdbench.data.custom import from_arrays
from rdbench.data.packed import load_packed, save_packed


def test_a_cache_that_cannot_be_written_is_only_a_warning(tmp_path, monkeypatch, capsys):
    dataset = from_arrays("blank", {"images": np.zeros((20, 16, 16))})
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_packed(dataset)
    told = capsys.readouterr().err
    assert told.startswith("rdbench: warning: cannot write the packed copy") and told.count("\n") == 1
    assert load_packed("blank") is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    save_packed(dataset)
    assert load_packed("blank").sha256 == dataset.sha256 and not capsys.readouterr().err
