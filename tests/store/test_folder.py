"""A store in a folder: links, pipes, and what cannot be listed."""

import errno
import os
import socket
import stat
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save as save_weights

from rdbench.errors import RefusedFileError, UserError
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.state import State, UnusableStateError
from rdbench.store.changes import remove
from rdbench.store.merge import merge
from rdbench.store.parquet import load
from rdbench.store.schema import Record
from rdbench.store.store import Store

ROW = {"run_id": "a", "status": "ok", "created_at": "2026-01-01T00:00:00"}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def keep(store):
    store.write(Record("a", ROW, {"run_id": []}, {"run_id": []}, {"weight": np.zeros(1, np.float32)}))


def test_no_file_is_read_through_a_link(store, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "store" / "runs" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(RefusedFileError, match="link is a link; a store needs a regular file there"):
        store.storage.read("runs/link")


@pytest.mark.parametrize("linked", ["checkpoints", "history", "runs", "plans", "claims"])
def test_a_link_in_place_of_a_folder_is_refused_whatever_is_asked(store, tmp_path, linked):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.safetensors").write_bytes(b"mine")
    folder = tmp_path / "store" / linked
    folder.rmdir()
    folder.symlink_to(tmp_path / "elsewhere")
    name = f"{linked}/a.safetensors"
    for ask in (store.storage.names, store.storage.modified):
        with pytest.raises(UserError, match=f"{linked} is a link; a store needs a folder there"):
            ask(linked)
    for act in (store.storage.read, store.storage.delete, lambda name: store.storage.write(name, b"theirs")):
        with pytest.raises(RefusedFileError, match="is a link"):
            act(name)
    with pytest.raises(UserError, match="is a link"):
        remove(store, ["a"])
    with pytest.raises(UserError, match="is a link"):
        store.prepare()
    assert (tmp_path / "elsewhere" / "a.safetensors").read_bytes() == b"mine"


def test_a_store_may_itself_be_reached_by_a_link(store, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "store")
    Store(tmp_path / "link").storage.write("runs/a", b"content")
    assert store.storage.read("runs/a") == b"content"


def test_a_write_replaces_a_link_and_leaves_what_it_led_to(store, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "store" / "runs" / "a").symlink_to(tmp_path / "mine")
    store.storage.write("runs/a", b"content")
    assert store.storage.read("runs/a") == b"content" and (tmp_path / "mine").read_bytes() == b"mine"


def pipe(path):
    os.mkfifo(path)


def listening(path):
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))  # whose names may not be long


def device(path):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zeros without end


@pytest.mark.parametrize("make", [pipe, listening, device, os.mkdir])
def test_only_regular_files_are_read_and_nothing_waits_for_others(store, tmp_path, make, monkeypatch):
    monkeypatch.chdir(tmp_path / "store" / "checkpoints")
    try:
        make(tmp_path / "store" / "checkpoints" / "a.safetensors")
        make(tmp_path / "store" / "checkpoints" / "a.unfinished-a.safetensors")
    except PermissionError:
        pytest.skip("only root makes devices")
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"cannot read the checkpoint .* a store needs a regular file there"):
        store.load_weights("a")
    with pytest.raises(UnusableStateError, match="a store needs a regular file there"):
        Checkpoint(store.storage, "a").states()
    assert time.monotonic() - begun < 1


def test_weights_that_cannot_be_read_just_now_are_no_reason_to_do_a_run_again(store, monkeypatch):
    keep(store)

    def stale(name, most=0):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(store.storage, "open", stale)
    with pytest.raises(UserError, match=r"cannot read the checkpoint .*: Stale file handle; see to that file first$"):
        store.load_weights("a")


def test_the_threads_that_read_a_file_hold_nothing_of_python(store):
    """They may end after Python has, as in a command that ends at once; what is Python's would abort it then."""
    keep(store)
    with store.storage.open(*store.storage.names("runs")) as file:
        assert isinstance(file, pa.OSFile)
    (table,), _ = load(store.storage, "runs", None, None)
    assert table["run_id"].to_pylist() == ["a"]


def test_a_table_that_is_a_link_or_a_pipe_is_named(store, tmp_path):
    keep(store)
    os.mkfifo(tmp_path / "store" / "runs" / "pipe.parquet")
    (tmp_path / "store" / "runs" / "link.parquet").symlink_to(tmp_path / "nowhere")
    _, skipped = store.read("runs", columns=["run_id", "status"])
    assert ["link.parquet is a link" in skipped[0], "pipe.parquet is a pipe" in skipped[1]] == [True, True]


def test_a_file_beyond_all_measure_is_not_read(store, tmp_path):
    with (tmp_path / "store" / "checkpoints" / "a.safetensors").open("wb") as file:
        file.truncate(2**33 + 1)
    with pytest.raises(UserError, match="found 8,589,934,593 bytes; expected at most 8,589,934,592"):
        store.load_weights("a")


def test_merge_copies_nothing_that_a_link_leads_to_and_names_the_store(store, tmp_path):
    keep(store)
    Checkpoint(store.storage, "b").save(State({}, {}))
    (tmp_path / "secret").write_bytes(save_weights({"secret": np.zeros(1)}))
    for name in ("checkpoints/a.safetensors", "checkpoints/b.unfinished-a.safetensors", "plans/p.json"):
        path = tmp_path / "store" / name
        path.unlink(missing_ok=True)
        path.symlink_to(tmp_path / "secret")
        into = tmp_path / f"into {path.stem}"
        with pytest.raises(UserError, match=f"cannot read the store {store}/{name}: .*is a link"):
            merge([store], Store(into))
        assert not list(into.rglob(path.name))
        path.unlink()


def test_what_killed_writers_left_goes_in_time_and_nothing_else_is_made(store, tmp_path):
    runs = tmp_path / "store" / "runs"
    for name in (".new.partial", ".old.partial"):
        (runs / name).write_bytes(b"part")
    os.utime(runs / ".old.partial", (0, 0))
    store.prepare()
    assert [path.name for path in runs.iterdir()] == [".new.partial"]


def test_an_interrupted_write_leaves_nothing(store, tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.storage.write("runs/a", b"content")
    assert not list((tmp_path / "store" / "runs").iterdir())


SWEEP = ["sweep", "demo", "--store"]
COMMANDS = [["report"], ["plot"], ["runs"], ["evaluate", "--iwae", "1"], ["merge"], SWEEP]


@pytest.mark.parametrize(("command", "denied"), [*((command, "runs") for command in COMMANDS), (SWEEP, "claims")])
def test_a_store_that_cannot_be_listed_is_named_in_one_line(
    store, tmp_path, monkeypatch, rdbench_command, command, denied
):
    """As root may read everything, the system's answer is put in its mouth."""
    keep(store)
    scandir = os.scandir

    def refusing(folder):
        if os.readlink(f"/proc/self/fd/{folder}").endswith(f"store/{denied}"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    more = ["--into", tmp_path / "other"] if command == ["merge"] else []
    code, _, told = rdbench_command(*command, store, *more)
    assert code == 2 and told.count("\n") == 1
    assert f"the store {store}: Permission denied" in told


LONG, NOT_UTF8 = "x" * 300, "\udcff\udcfe"


@pytest.mark.parametrize(
    ("command", "name"),
    [*((command, NOT_UTF8) for command in COMMANDS[:-1]), *((command, LONG) for command in COMMANDS)],
)
def test_a_store_of_an_impossible_name_is_refused_in_one_line(tmp_path, rdbench_command, command, name):
    code, _, told = rdbench_command(
        *command, tmp_path / name, *(["--into", tmp_path / "o"] if "merge" in command else [])
    )
    assert code == 2 and told.count("\n") == 1 and told[:-1].isprintable()


def test_files_with_names_that_are_not_utf8_are_named_plainly(store, tmp_path):
    keep(store)
    Path(os.fsdecode(os.fsencode(tmp_path / "store" / "runs") + b"/\xff.parquet")).write_bytes(b"none")
    _, (line,) = store.read("runs", columns=["run_id", "status"])
    assert line.isprintable() and "\\udcff.parquet: not a table" in line
