"""Do a task: train and evaluate its runs."""

import numpy as np
import torch

from rdbench import data
from rdbench.config.plugins import load_plugins
from rdbench.config.sources import check_sources
from rdbench.execute.task import Task
from rdbench.runs import toy
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.device import pick_device
from rdbench.runs.host import Host
from rdbench.runs.provenance import describe
from rdbench.runs.run import execute
from rdbench.runs.state import UnusableStateError
from rdbench.store.location import open_storage
from rdbench.store.schema import Record
from rdbench.store.status import Status


def perform(task: Task, host: Host) -> list[Record]:
    """Do a task.

    Raises:
        UserError: a plug-in's part is not installed here, or its source differs.
        StoppedError: the host asked the task to stop; its state is saved, except for toy runs, which take seconds.
    """
    load_plugins(task.plugins)
    runs, settings = list(task.runs.values()), task.settings
    check_sources(runs[0].sources)
    if runs[0].exact:
        return toy.execute(runs, task.sweep, host)
    (run,) = runs
    dataset = data.load(run.dataset, settings.data_dir, run.binarisation)
    checkpoint = Checkpoint(open_storage(task.store), task.name)
    device, threads = pick_device(settings.device), torch.get_num_threads()
    try:
        return [execute(run, task.sweep, dataset, device, host, checkpoint, settings.checkpoint_seconds)]
    except UnusableStateError as error:
        return failed(task, str(error))
    finally:
        torch.set_num_threads(threads)  # a resumed run trains on the number that it began with


def failed(task: Task, reason: str) -> list[Record]:
    """Records of failed runs, with the reason."""
    records = []
    for run_id, run in task.runs.items():
        sha256 = data.checksum(run.dataset, task.settings.data_dir, run.binarisation)
        row = describe(run, task.sweep, sha256, None, None)
        row |= {"status": Status.FAILED, "error": reason}
        records.append(Record(run_id, row, {"run_id": []}, {"run_id": []}, {"none": np.zeros(0, np.float32)}))
    return records
