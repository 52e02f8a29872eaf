"""The disturbances of a campaign: file-system faults, wrong clocks, a failing server, signals."""

import io
import itertools
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from rdbench.__main__ import main
from rdbench.runs import provenance
from rdbench.store import claims, current, folder

FAULTS = (5, 28, 13, 116)
"""EIO, ENOSPC, EACCES, ESTALE."""

CALLS = ("open", "replace", "fsync", "unlink", "scandir", "stat")


class FaultyOs:
    """The module ``os`` as a store in a folder sees it, of which calls fail at random."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self.chance = chance
        self.share = share

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in CALLS:
            return call

        def failing(*arguments: Any, **options: Any) -> Any:
            if self.chance.random() < self.share:
                number = self.chance.choice(FAULTS)
                raise OSError(number, os.strerror(number))
            return call(*arguments, **options)

        return failing


def set_clock(seconds: float) -> None:
    """Let this process believe that it is so many seconds later."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=seconds)

    for module in (provenance, claims, current):
        module.datetime = Shifted


class Child:
    """A process that runs one command of rdbench, forked from this one, which has imported all of it."""

    def __init__(self, arguments: list[str], clock: float = 0.0, faults: float = 0.0, seed: int = 0) -> None:
        self.arguments = arguments
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.reader)
            self._work(writer, clock, faults, seed)
        os.setpgid(self.pid, self.pid)  # here too, for the child may get a signal before it has begun
        os.close(writer)
        self.code: int | None = None

    def _work(self, writer: int, clock: float, faults: float, seed: int) -> None:
        code = 99
        try:
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(writer, 2)
            sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w"), write_through=True) for number in (1, 2))
            set_clock(clock)
            if faults:
                folder.os = FaultyOs(random.Random(seed), faults)  # type: ignore[attr-defined]
            sys.argv = ["rdbench", *self.arguments]
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def ends(self, seconds: float) -> bool:
        """Whether the process ends within some seconds."""
        end = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                return False
            else:
                time.sleep(0.005)
        return True

    def send(self, number: int) -> None:
        """Send a signal to the process and to those that it has started."""
        if self.code is None:
            os.killpg(self.pid, number)

    def told(self) -> str:
        """What the process wrote to standard error; once, after its end."""
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 65536).decode(errors="replace")
        except BlockingIOError:
            return ""
        finally:
            os.close(self.reader)


@contextmanager
def failing_server(seed: int, share: float) -> Iterator[str]:
    """An S3 server in a process of its own, of which a share of answers fails; the query of URLs of its buckets."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pid = os.fork()
    if not pid:
        try:
            _serve(port, random.Random(seed), share)
        finally:
            os._exit(0)
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    try:
        yield f"scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{port}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _serve(port: int, chance: random.Random, share: float) -> None:
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.disable()
    app = DomainDispatcherApplication(create_backend_app)
    count, lock = itertools.count(), threading.Lock()

    def unreliable(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        with lock:
            fails = next(count) > 20 and chance.random() < share
            kind = chance.choice(("busy", "broken", "after the deed"))
        if not fails:
            return app(environ, start_response)
        if kind == "after the deed":  # what was asked is done, and the answer lost
            list(app(environ, lambda *_: None))
        status = "503 Slow Down" if kind == "busy" else "500 Internal Server Error"
        start_response(status, [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"]

    make_server("127.0.0.1", port, unreliable, threaded=True).serve_forever()
