"""What `rdbench runs` shows of a run that has no row yet."""

from rdbench.store.plans import announce


def test_a_missing_and_an_unfinished_run_are_shown_as_planned(store, rdbench_command):
    announce(store.storage, "mine", "rdbench sweep mine", {"m": "one", "u": "other"}, {"m": {"width": 0.5}})
    store.storage.write("checkpoints/u.unfinished-a.safetensors", b"killed")
    store.storage.write("checkpoints/x.unfinished-a.safetensors", b"killed")  # its plan is lost
    code, out, _ = rdbench_command("runs", store, "show", "m", "u", "x")
    assert code == 0
    assert out.splitlines() == [
        *("run_id: m", "status: missing", "sweep: mine", "command: rdbench sweep mine", "width: 0.5"),
        *("run_id: u", "status: unfinished", "sweep: mine", "command: rdbench sweep mine"),
        *("run_id: x", "status: unfinished"),
    ]
