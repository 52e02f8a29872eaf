import gzip
import hashlib
import http.server
import os
import threading

import pytest

from rdbench.data import data_folder, files, load
from rdbench.data.files import Source, cache_folder, obtain
from rdbench.errors import RefusedFileError, UserError

CONTENT = b"0 1\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    """A web server on loopback that has ``good`` and ``bad`` files and nothing else; its address."""
    root = tmp_path / "server"
    root.mkdir()
    (root / "good").write_bytes(CONTENT)
    (root / "bad").write_bytes(CONTENT[:-1])

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=root)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("upstream", ["absent", "bad"])
def test_the_mirror_serves_where_upstream_does_not(server, tmp_path, upstream):
    sources = [Source(f"{server}/{upstream}", SHA256), Source(f"{server}/good", SHA256)]
    assert obtain(tmp_path, "data.txt", sources).read_bytes() == CONTENT


def test_what_is_there_is_not_fetched(tmp_path):
    (tmp_path / "data.txt").write_bytes(CONTENT)
    assert obtain(tmp_path, "data.txt", []) == tmp_path / "data.txt"


def test_no_network_is_one_line_that_says_what_to_do(server, tmp_path):
    sources = [Source("http://127.0.0.1:9/data.txt", SHA256), Source(f"{server}/bad", SHA256)]
    with pytest.raises(UserError, match=r"could not be fetched \(.*checksum differs\); put it there by hand") as caught:
        obtain(tmp_path, "data.txt", sources)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("data*"))


def test_the_folder_that_was_asked_for_must_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("RDBENCH_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="does not exist"):
        data_folder(None)
    monkeypatch.delenv("RDBENCH_DATA_DIR")
    assert data_folder(None) == cache_folder()
    assert str(cache_folder()).startswith(os.environ["XDG_CACHE_HOME"])


def test_an_unknown_dataset_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="unknown dataset 'minst'; did you mean 'mnist'"):
        load("minst")


def test_a_gzipped_file_of_any_length_is_given_up_at_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 100_000)
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(10**7)))
    with pytest.raises(RefusedFileError, match="found 100,001 bytes; expected at most 100,000"):
        files.read(tmp_path / "zeros.gz")
