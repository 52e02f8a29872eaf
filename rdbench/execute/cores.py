"""How many runs of a sweep go at once on the cores of this machine, and on how many threads each."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rdbench import data
from rdbench.config.plugins import load_plugins, plugin_files
from rdbench.config.run_config import RunConfig
from rdbench.errors import counted, named
from rdbench.execute.cost import images_of, loads
from rdbench.execute.processes import Processes
from rdbench.runs.device import peak_memory
from rdbench.runs.timing import images_per_second
from rdbench.store.claims import neighbours
from rdbench.store.files import Storage

SECONDS = 3.0
"""How long each way to share the cores is timed, after its processes have started."""

PATIENCE = 300.0
"""Seconds within which the processes of a timing must all have done a first step."""

LOOK_SECONDS = 10.0
"""How often a sweep looks for other sweeps on its store."""

WORTH = 1.05
"""More runs at once are chosen only if they are faster by this factor, since a timing is no more exact than that."""

MEMORY_MARGIN = 1.5
"""A run must have this multiple of the memory of its first steps, for its data and its evaluation."""


class Timing(NamedTuple):
    """Runs at once and the threads of each; the images a second of all runs together; the most bytes that one held."""

    jobs: int
    threads: int
    images_per_second: float
    memory: int


class SharedCores(Processes):
    """Does as many tasks at a time as fit this sweep's share of the cores, from one to ``most``.

    The share is the number of cores divided by the number of sweeps that this machine has on the store.
    """

    def __init__(self, threads: int, most: int, storage: Storage) -> None:
        super().__init__(most, threads)
        self.storage = storage
        self.now = 1
        self.looked = -LOOK_SECONDS

    def room(self) -> int:
        if time.monotonic() - self.looked >= LOOK_SECONDS:
            self.now = max(1, min(self.jobs, share(self.storage) // self.threads))
            self.looked = time.monotonic()
        return self.now


def share(storage: Storage) -> int:
    """The cores of a sweep on a store: those that torch uses, divided by the sweeps of this machine on it."""
    return max(1, torch.get_num_threads() // (1 + len(neighbours(storage))))


def by_timing(
    pending: Mapping[str, RunConfig], storage: Storage, data_dir: Path | None, say: Callable[[str], None]
) -> Processes:
    """Processes for the pending runs of a sweep, as many at once and on as many threads as a timing finds fastest.

    The run that computes most is timed, at each of 1, 2, 4, … at once.
    """
    costs = loads(pending, data_dir)
    run = pending[max(costs, key=lambda run_id: costs[run_id].training)]
    sizes, side = data.shape(run.dataset, data_dir, run.binarisation)
    timed = run.model_copy(update={"batch_size": min(run.batch_size, images_of(run, sizes)[0])})
    cores = share(storage)
    try:
        best = fastest((time_runs(timed, side, *split) for split in splits(cores, len(pending))), free_memory())
    except Exception as error:  # a plug-in's fault or too little memory: the run will show it again
        say(f"one run at a time, since the timing failed: {named(error)}")
        return Processes(1)
    say(
        f"{counted(best.jobs, 'run')} at once, on {counted(best.threads, 'thread')} each: "
        f"{best.images_per_second:.0f} images a second of {run.family.words}"
    )
    most = min(torch.get_num_threads() // best.threads, _fitting(best, free_memory()))
    return SharedCores(best.threads, max(1, int(most)), storage)


def splits(cores: int, runs: int) -> list[tuple[int, int]]:
    """The ways to share cores: runs at once and the threads of each.

    >>> splits(6, 100)
    [(1, 6), (2, 3), (4, 1)]
    """
    jobs = [2**power for power in range(cores.bit_length()) if 2**power <= min(cores, runs)]
    return [(many, cores // many) for many in jobs]


def fastest(timings: Iterator[Timing], free: float) -> Timing:
    """The fastest timing that fits into ``free`` bytes of memory; more runs at once must be faster by ``WORTH``."""
    best = next(timings)
    for timing in timings:
        if timing.jobs > _fitting(timing, free):
            break
        if timing.images_per_second > WORTH * best.images_per_second:
            best = timing
    return best


def _fitting(timing: Timing, free: float) -> float:
    """How many such runs fit into ``free`` bytes of memory."""
    return free / (MEMORY_MARGIN * timing.memory)


def free_memory() -> float:
    """The bytes that can be taken without swapping; infinite if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return 1024.0 * int(kilobytes)


def time_runs(run: RunConfig, side: int, jobs: int, threads: int) -> Timing:
    """Train a run's model for some seconds, in each of ``jobs`` processes at the same time.

    Raises:
        Exception: one of the processes raised it, or ended.
    """
    context = multiprocessing.get_context("spawn")
    setting = (context.Barrier(jobs), threads, plugin_files())
    with ProcessPoolExecutor(jobs, context, _begin, setting) as pool:
        found = [future.result() for future in [pool.submit(_train, run, side) for _ in range(jobs)]]
    return Timing(jobs, threads, sum(speed for speed, _ in found), max(memory for _, memory in found))


_together: Any = None
"""In a process that is timed, the barrier at which all such processes wait."""


def _begin(together: Any, threads: int, plugins: tuple[str, ...]) -> None:
    global _together
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process says when to stop
    _together = together
    torch.set_num_threads(threads)
    load_plugins(plugins)


def _train(run: RunConfig, side: int) -> tuple[float, int]:
    speed = images_per_second(run, side, SECONDS, lambda: _together.wait(PATIENCE))
    return speed, peak_memory(torch.device("cpu"))
