"""Runs on a real Ray cluster of two nodes, each of several processes, on this machine."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pandas as pd
import pytest
from readme_plugin import PLUGIN, install

from rdbench.config.parts import find, unregister
from rdbench.config.plugins import load_plugins
from rdbench.errors import InterruptedSweepError, UserError
from rdbench.execute.display import Display
from rdbench.execute.runner import make_executor, run_sweep
from rdbench.execute.task import Resources, Settings
from rdbench.store.store import Store

ray = pytest.importorskip("ray", reason="Ray is not installed: rdbench[ray]")


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_a_node_is_lost_and_its_run_goes_on_elsewhere(sweep, read_tables, cluster, tmp_path, monkeypatch):
    """The sweep ends with every run once, and with the numbers of an undisturbed one."""
    longer = sweep.with_values({"epochs": 40, "family": "---"})
    assert not run_sweep(longer, tmp_path / "undisturbed").failed
    second = cluster.add_node(num_cpus=1)
    steps, lost, said = {}, [], []
    show = Display.show

    def watch(display, name, stage, done, total, numbers):
        show(display, name, stage, done, total, numbers)
        steps[name] = done
        if not lost and len(steps) == 2 and stage == "training" and min(steps.values()) > 40:
            lost.append(True)
            cluster.remove_node(second, allow_graceful=False)

    monkeypatch.setattr(Display, "show", watch)
    monkeypatch.setattr(Display, "say", lambda display, name, line: said.append(line))
    executor = make_executor("ray", Resources("cpu", address=cluster.address))
    assert not run_sweep(
        longer, tmp_path / "store", executor=executor, settings=Settings(checkpoint_seconds=0.2)
    ).failed
    assert lost
    assert [line.rpartition(" ")[0][:19] for line in said] == ["going on from step "], said
    ours, theirs = read_tables(tmp_path / "store"), read_tables(tmp_path / "undisturbed")
    for table in ours:
        pd.testing.assert_frame_equal(ours[table], theirs[table], check_exact=True)


MINE = """
from rdbench import Part
from rdbench.models.encoders import GaussianEncoder

class Mine(GaussianEncoder):
    pass

PARTS = [Part("encoder", "mine", "Mine", "the paper's")]
"""


@pytest.mark.slow
def test_a_part_from_a_file_is_loaded_and_compared_by_the_workers(sweep, read_tables, cluster, tmp_path):
    """Its runs have the numbers that they have in this process; once the file is edited, none is trained."""
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    load_plugins([file])
    try:
        own = sweep.with_values({"family": "mine-deconv-gaussian"})
        executor = make_executor("ray", Resources("cpu", address=cluster.address))
        assert not run_sweep(own, tmp_path / "store", executor=executor).failed
        assert not run_sweep(own, tmp_path / "here").failed
        ours, theirs = read_tables(tmp_path / "store"), read_tables(tmp_path / "here")
        for table in ours:
            pd.testing.assert_frame_equal(ours[table], theirs[table], check_exact=True)
        file.write_text(MINE + "# edited\n")
        with pytest.raises(UserError, match=r"the source in .*mine.py is|is already a part of"):
            run_sweep(own.with_values({"seed": 1}), tmp_path / "store", executor=executor)
        assert len(Store(tmp_path / "store").read("runs").frame) == len(ours["runs"])
    finally:
        unregister(find("encoder", "mine"))


TINY = ["width=0.05", "latent_dim=3", "epochs=6", "batch_size=8", "iwae=1", "generated_images=3", "train_images=all",
        "rate_samples=2"]  # fmt: skip


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with the encoder ``thick``, on the path of all processes that start after this."""
    install(tmp_path)
    paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.mark.slow
def test_parts_of_a_file_and_of_a_package_go_on_where_a_killed_sweep_left_them(
    installed, cluster, images, read_tables, tmp_path
):
    """The cluster outlives the sweep; every number is that of the runs that nobody killed, on no cluster."""
    (tmp_path / "my_model.py").write_text(PLUGIN)
    values = [word for value in (f"dataset={images}", *TINY) for word in ("--set", value)]
    families = ["--family=dense-deconv-gaussian", "--family=thick-deconv-gaussian", "--plugin=my_model.py"]

    def words(store, *more):
        return [sys.executable, "-m", "rdbench", "sweep", "demo", *families, *values, f"--store={store}", *more]

    on_ray = words("store", "--executor=ray", f"--address={cluster.address}", "--checkpoint-every=0.02s")
    process = subprocess.Popen(on_ray, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("store/checkpoints/*unfinished*")) and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not list(tmp_path.glob("store/runs/*"))
    told = subprocess.run(on_ray, capture_output=True, text=True, timeout=90, cwd=tmp_path)
    assert told.returncode == 0 and "going on from step" in told.stdout, told.stdout + told.stderr
    subprocess.run(words("undisturbed"), stdout=subprocess.DEVNULL, check=True, timeout=90, cwd=tmp_path)
    ours, theirs = read_tables(tmp_path / "store"), read_tables(tmp_path / "undisturbed")
    assert sorted(ours["runs"]["encoder"]) == ["dense", "thick"]
    for table in ours:
        pd.testing.assert_frame_equal(ours[table], theirs[table], check_exact=True)


@pytest.mark.slow
def test_a_stop_also_ends_what_waits_for_resources(sweep, cluster, tmp_path, monkeypatch):
    """As where another job has the cluster."""
    executor = make_executor("ray", Resources("cpu", address=cluster.address))
    taken = ray.remote(num_cpus=1)(lambda: time.sleep(600)).remote()
    begin = Display.begin

    def interrupted(display, name):
        begin(display, name)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Display, "begin", interrupted)
    with pytest.raises(InterruptedSweepError, match="interrupted; 0 of 4 runs are whole"):
        run_sweep(sweep, tmp_path, executor=executor)
    ray.cancel(taken, force=True)


LONG = ["--family=---", "--set", "beta=1", "--set", "width=0.03", "--set", "epochs=3000", "--checkpoint-every", "0.1s"]


@pytest.mark.slow
def test_a_signal_to_the_group_that_ends_the_cluster_too_ends_the_sweep(tmp_path):
    """As a terminal or a batch system sends it: the cluster that the sweep has started is in the same group."""
    store = tmp_path / "store"
    command = [sys.executable, "-m", "rdbench", "sweep", "demo", *LONG, "--store", str(store), "--executor", "ray"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        until = time.monotonic() + 120
        while not list(store.glob("checkpoints/*")) and time.monotonic() < until:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGTERM)
        _, told = process.communicate(timeout=90)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"interrupted; 0 of 1 run is whole" in told and b"1 more in part" in told
    assert list(store.glob("checkpoints/*")) and not list(store.glob("claims/*"))
