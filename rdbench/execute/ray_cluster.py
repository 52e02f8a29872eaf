"""Execute runs as tasks of a Ray cluster, on machines that share a store."""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from rdbench.errors import UserError, named
from rdbench.execute.doing import failed, perform
from rdbench.execute.stopping import Deadline
from rdbench.execute.task import Outcome, Queue, Resources, Task, Watch, begin_tasks
from rdbench.runs.host import StoppedError

WAIT_SECONDS = 0.5
ASK_SECONDS = 1.0
"""The seconds between two reports of a run; the reply to a report says whether to stop."""

ANSWER_SECONDS, ANSWER_SECONDS_STOPPING = 60.0, 5.0
"""How long the cluster may be silent before it counts as lost: less while the sweep stops, since a signal to a group of
processes also ends a cluster on this machine."""

RETRIES = 5
"""How many times Ray starts a run again, from its saved state, when its process or node is lost."""


class Cluster:
    """The executor whose runs are Ray tasks that reserve ``cpus`` and ``gpus``; only this process writes rows.

    Ray hides the GPUs from a task that has not reserved them.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, resources: Resources) -> None:
        try:
            import ray
        except ImportError:
            raise UserError('--executor ray: Ray is not installed; python -m pip install "rdbench[ray]"') from None
        self.ray = ray
        self.cpus = resources.cpus_per_run
        address, gpus = resources.address, resources.gpus_per_run
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UserError(f"--address: no Ray cluster at {address!r}: {str(error).splitlines()[0]}") from None
        self.gpus = gpus_for(resources.device, ray.cluster_resources()) if gpus is None else gpus
        self.place = f"a Ray cluster ({self.cpus:g} CPUs and {self.gpus:g} GPUs for each run)"

    def map(self, queue: Queue, watch: Watch) -> Iterator[Outcome]:
        """Do all tasks; yield their outcomes.

        Raises:
            UserError: the cluster does not answer any more.
        """
        ray = self.ray
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        switchboard = ray.remote(num_cpus=0, scheduling_strategy=here)(_Switchboard).remote()
        reports = _Reports(ray, switchboard)
        remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=RETRIES)(_perform)
        running: dict[Any, Task] = {}
        begun: set[str] = set()
        told, more = False, True

        def start(task: Task) -> None:
            running[remote.remote(task, switchboard, self.cpus)] = task

        try:
            while more or running:
                stopping = watch.stop_asked()
                more = more and not stopping
                more = more and begin_tasks(queue, watch, lambda: len(running) < self._room(reports.resources), start)
                if stopping and not told:
                    told = True
                    switchboard.stop.remote()
                    for reference, task in running.items():
                        if task.name not in begun:  # it waits for resources, and cannot receive the request to stop
                            ray.cancel(reference)
                if not running:
                    time.sleep(WAIT_SECONDS)  # other sweeps do the runs that are left
                done, _ = ray.wait(list(running), timeout=WAIT_SECONDS) if running else ([], [])
                for name, kind, *values in reports.heard():
                    begun.add(name)
                    for task in running.values():
                        if task.name == name:
                            getattr(watch, kind)(task, *values)
                for reference in done:
                    yield self._outcome(reference, running.pop(reference))
                if reports.silent(ANSWER_SECONDS_STOPPING if told else ANSWER_SECONDS):
                    break
        finally:
            if not reports.lost:
                for reference in running:
                    ray.cancel(reference, force=True)
                ray.kill(switchboard)
        if reports.lost and not told:
            raise UserError("the Ray cluster does not answer any more; what is done is kept: see ray status, try again")
        for task in running.values():
            yield Outcome(task, [])

    def _room(self, resources: Mapping[str, float]) -> int:
        """The number of runs that a cluster with these resources has room for."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        rooms = [int(resources.get(name, 0) / each) for name, each in wanted.items() if each]
        return max(1, min(rooms, default=1))

    def _outcome(self, reference: Any, task: Task) -> Outcome:
        try:
            kind, value = self.ray.get(reference)
        except self.ray.exceptions.TaskCancelledError:
            return Outcome(task, [])
        except self.ray.exceptions.RayError as error:
            return Outcome(task, failed(task, named(error)))
        if kind == "user error":
            raise UserError(value)
        return Outcome(task, value)


def gpus_for(device: str, resources: Mapping[str, float]) -> float:
    """The number of GPUs that a run on ``device`` reserves, given the resources of a cluster.

    >>> [gpus_for(device, {"CPU": 8, "GPU": 1}) for device in ("cpu", "cuda", "auto")], gpus_for("auto", {"CPU": 8})
    ([0.0, 1.0, 1.0], 0.0)
    """
    return float(device == "cuda" or (device == "auto" and resources.get("GPU", 0) > 0))


class _Switchboard:
    """An actor on the sweep's machine, to which runs report and from which they hear whether to stop."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, ...]] = []
        self.stopping = False

    def tell(self, messages: list[tuple[Any, ...]]) -> bool:
        self.messages += messages
        return self.stopping

    def heard(self) -> tuple[list[tuple[Any, ...]], Mapping[str, float]]:
        """The messages since the last call, and the resources of the cluster now."""
        import ray

        resources = ray.cluster_resources()
        messages, self.messages = self.messages, []
        return messages, resources

    def stop(self) -> None:
        self.stopping = True


class _Reports:
    """The messages of runs and the resources of the cluster, as the switchboard last reported them.

    Only the switchboard asks the cluster, since a question to a cluster that is gone never returns.
    """

    def __init__(self, ray: Any, switchboard: Any) -> None:
        self.ray = ray
        self.switchboard = switchboard
        self.resources: Mapping[str, float] = ray.cluster_resources()
        self.asked: Any = None
        self.answered = time.monotonic()
        self.lost = False

    def heard(self) -> list[tuple[Any, ...]]:
        """The messages since the last answer; none if the switchboard does not answer soon.

        The question is asked now, so that the last messages of a run that has just ended come before its outcome.
        """
        self.asked = self.asked or self.switchboard.heard.remote()
        answers, _ = self.ray.wait([self.asked], timeout=WAIT_SECONDS)
        if not answers:
            return []
        try:
            messages, self.resources = self.ray.get(self.asked)
        except self.ray.exceptions.RayError:  # the node that has the switchboard is gone
            self.lost = True
            return []
        self.asked, self.answered = None, time.monotonic()
        return messages

    def silent(self, seconds: float) -> bool:
        """Whether the cluster is lost, or has not answered for so long."""
        self.lost = self.lost or time.monotonic() - self.answered > seconds
        return self.lost


class _Host:
    def __init__(self, task: Task, switchboard: Any) -> None:
        self.name = task.name
        self.switchboard = switchboard
        self.deadline = Deadline.at(task.settings.ends)
        self.messages: dict[str, tuple[Any, ...]] = {}
        self.next = Deadline(ASK_SECONDS)
        self.stopping = False

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        self.messages["progress"] = (self.name, "progress", stage, done, total, numbers)

    def say(self, line: str) -> None:
        self.messages[line] = (self.name, "say", line)

    def stop_asked(self) -> bool:
        if not self.stopping and (self.next.left or 0) <= 0:
            self.tell()
            self.next = Deadline(ASK_SECONDS)
        return self.stopping or self.deadline.near()

    def tell(self) -> None:
        """Send the messages that wait, and receive whether to stop."""
        import ray

        self.stopping = ray.get(self.switchboard.tell.remote(list(self.messages.values())))
        self.messages = {}


def _perform(task: Task, switchboard: Any, cpus: float) -> tuple[str, Any]:
    torch.set_num_threads(max(1, int(cpus)))
    host = _Host(task, switchboard)
    try:
        records = perform(task, host)
        host.tell()
        return "records", records
    except StoppedError:
        return "stopped", []
    except UserError as error:
        return "user error", str(error)
