"""Datasets from strangers: none leads elsewhere, takes memory it has no need of, or ends in a traceback."""

import io
import zipfile

import pytest
from hostile import ESCAPE, one_line

from rdbench.data import load
from rdbench.errors import UserError


def npy(header, body=b""):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin1") + body


def zipped(name, content, at=None, value=0):
    """A zip of one file; both its headers say ``value`` at an offset."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    found = bytearray(file.getvalue())
    if at is not None:
        found[at] = value
        found[found.find(b"PK\x01\x02") + at + 2] = value
    return bytes(found)


def header(kind, shape):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"


ONES = npy(header("|u1", "(20, 28, 28)"), b"\1" * 20 * 28 * 28)
DATASETS = {
    "code.npy": npy("__import__('os').system('true')"),
    "petabytes.npy": npy(header("<f8", "(1000000000000, 28, 28)")),
    "petabytes.npz": zipped("a.npy", npy(header("<f8", "(1000000000000, 28, 28)"))),
    "more-than-a-long.npy": npy(header("<f8", f"(1{'0' * 3000}, 28, 28)")),
    "digits-without-end.npy": npy(header("<f8", f"(1{'0' * 5000}, 28, 28)")),
    "brackets.npy": npy("(" * 5000),
    "signs.npy": npy("-" * 9000),
    "half-a-string.npy": npy("'''"),
    "a-zip.npy": zipped("a.npy", ONES),
    "an-array.npz": ONES,
    "text.npz": zipped("a.txt", b"x"),
    "encrypted.npz": zipped("a.npy", ONES, at=6, value=1),
    "unknown-compression.npz": zipped("a.npy", ONES, at=8, value=99),
    "wrong-compression.npz": zipped("a.npy", ONES, at=8, value=8),
    "empty.npy": b"",
}


@pytest.mark.parametrize("name", DATASETS)
def test_an_absurd_dataset_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(DATASETS[name])
    with pytest.raises(UserError) as error:
        load(str(path))
    assert name in one_line(error) and len(one_line(error)) < 500


def test_a_dataset_leads_to_no_other_place(tmp_path):
    path = tmp_path / "inner" / "slip.npz"
    path.parent.mkdir()
    path.write_bytes(zipped("../../evil.npy", ONES))
    assert load(str(path)).sizes == (16, 2, 2)
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["inner", "slip.npz"]


def test_names_of_arrays_are_shown_plainly(tmp_path, rdbench_command):
    path = tmp_path / "names.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (f"{ESCAPE}.npy", "two\nlines.npy"):
            archive.writestr(name, ONES)
    code, _, told = rdbench_command("sweep", "--set", f"dataset={path}", "--dry-run")
    assert code == 2 and told[:-1].isprintable() and "\\x1b[31m, two\\nlines" in told
