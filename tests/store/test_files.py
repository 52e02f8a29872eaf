"""Stores in folders and behind URLs: the same verbs, the same results."""

import os
import signal
import socket
import threading
import time

import pandas as pd
import pytest

from rdbench.analysis.plots import draw
from rdbench.analysis.report import assemble
from rdbench.config.sweep import load_sweep
from rdbench.errors import UserError
from rdbench.execute.runner import run_sweep
from rdbench.store import objects
from rdbench.store.claims import Claims, owners
from rdbench.store.columns import TABLES
from rdbench.store.location import open_storage
from rdbench.store.objects import ObjectStorage
from rdbench.store.store import Store


def test_a_signal_in_the_middle_of_a_write_waits_for_its_end(bucket, monkeypatch):
    """Arrow would else put what it has of the object, often nothing, over the one that is there."""
    storage = open_storage(f"s3://bench/interrupted?{bucket}")
    put, done = ObjectStorage._put, []

    def slow(*arguments):
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        put(*arguments)
        done.append(1)

    monkeypatch.setattr(ObjectStorage, "_put", slow)
    with pytest.raises(KeyboardInterrupt):
        storage.write("runs/a", b"content")
    assert done and storage.read("runs/a") == b"content"


@pytest.fixture(params=["folder", "file", "s3"])
def location(request, tmp_path):
    if request.param == "folder":
        return tmp_path / "store"
    if request.param == "file":
        return f"file://{tmp_path}/store"
    query = request.getfixturevalue("bucket")
    return f"s3://bench/{tmp_path.name}?{query}"


def test_every_kind_of_storage_does_the_same(location):
    storage = open_storage(location)
    assert not storage.is_there()
    storage.prepare("runs", "claims")
    assert storage.names("runs") == []
    storage.write("runs/b", b"1")
    storage.write("runs/a", memoryview(b"22"))
    storage.write("runs/a", b"333")
    assert storage.is_there()
    assert storage.names("runs") == ["runs/a", "runs/b"]
    assert storage.read("runs/a") == b"333"
    assert storage.exists("runs/b") and not storage.exists("runs/c")
    assert set(storage.modified("runs")) == {"runs/a", "runs/b"}
    storage.delete("runs/b")
    storage.delete("runs/b")
    assert storage.names("runs") == ["runs/a"]
    assert storage.names("elsewhere") == []
    with pytest.raises(FileNotFoundError):
        storage.read("runs/b")
    assert open_storage(storage.location).read("runs/a") == b"333"


def test_claims_hold_wherever_they_lie(location):
    storage = open_storage(location)
    storage.prepare("claims")
    with Claims(storage) as one, Claims(storage) as other:
        assert one.take(["a", "b"])
        assert not other.take(["c", "b"])
        assert set(owners(storage)) == {"a", "b"}
        assert other.take(["c"])
        one.release(["b"])
        assert other.take(["b"])
    assert owners(storage) == {}


@pytest.mark.slow
def test_a_sweep_into_an_unreliable_server_is_that_of_a_folder(bucket, tmp_path):
    values = {"family": "---", "beta": [0.5, 1.0], "width": 0.03, "latent_dim": 3, "train_images": 96}
    sweep = load_sweep("demo").with_values(values | {"evaluation_images": 8, "generated_images": 4, "iwae": [1]})
    url = f"s3://bench/sweeps?{bucket}"
    assert not run_sweep(sweep, url).failed
    assert not run_sweep(sweep, tmp_path / "store").failed
    for table in TABLES:
        ours, theirs = (Store(place).read(table).frame for place in (url, tmp_path / "store"))
        numbers = ["run_id", "rate", "distortion", "train_rate"]
        numbers = [name for name in numbers if name in ours]
        pd.testing.assert_frame_equal(ours[numbers], theirs[numbers])
    assert Store(url).storage.names("claims") == []
    report = assemble(Store(url), [], [], None, None)
    assert report.exit_code == 0 and len(report.runs) == 2
    paths, *_ = draw(Store(url), report.runs, ["plane", "samples"], ["png"], tmp_path / "figures")
    assert [path.name for path in paths] == ["plane.png", "samples.png"]


def test_a_silent_server_is_given_up_in_time(monkeypatch):
    """One loop of retries, ended by the clock: ten requests of ten tries each took minutes."""
    monkeypatch.setattr(objects, "PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    storage = open_storage(f"s3://bench/x?scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{port}")
    for ask in (storage.is_there, lambda: storage.names("runs"), lambda: storage.exists("runs/a")):
        begun = time.monotonic()
        with pytest.raises(UserError, match=r"cannot read the store s3://bench/x.*: the server has not answered for"):
            ask()
        assert time.monotonic() - begun < 5
    for act in (lambda: storage.read("runs/a"), lambda: storage.write("runs/a", b""), lambda: storage.delete("runs/a")):
        with pytest.raises(OSError, match="the server has not answered for"):
            act()


DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.mark.parametrize(
    "command", [["report"], ["plot"], ["runs"], ["evaluate", "--iwae", "1"], ["merge"], ["sweep", "demo", "--store"]]
)
def test_a_server_that_denies_access_is_told_at_once_in_one_line(command, rdbench_command, monkeypatch):
    from werkzeug.serving import make_server

    def denying(environ, start_response):
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [DENIED]

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    served = make_server("127.0.0.1", 0, denying, threaded=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    url = f"s3://bench/x?scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{served.port}"
    begun = time.monotonic()
    code, _, told = rdbench_command(*command, url, *(["--into", "other"] if command == ["merge"] else []))
    served.shutdown()
    thread.join()
    assert code == 2 and told.count("\n") == 1 and told.startswith("rdbench: cannot read the store s3://bench/x")
    assert "ACCESS_DENIED" in told and time.monotonic() - begun < 5


def test_urls_that_cannot_be_opened_are_refused():
    with pytest.raises(UserError, match=r"expected a folder, s3://…, gs://… or file:///…"):
        open_storage("ftp://somewhere/store")


def test_what_is_secret_in_a_url_is_not_shown():
    storage = open_storage("s3://key:secret@bucket/folder?region=eu-west-1")
    assert str(storage) == "s3://bucket/folder?region=eu-west-1"
