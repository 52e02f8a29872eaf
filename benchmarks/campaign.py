"""Disturb sweeps that share a store by kills, signals, stops, wrong clocks and faults, and check the store afterwards.

Each round has a store of its own: commands run on it side by side and are disturbed at random, then an undisturbed
sweep does the rest. The store must then equal an undisturbed one bit for bit in numbers and weights, with each run
once and no state, claim or partial file left; every exit code must be a documented one.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["RDBENCH_CLAIM_SECONDS"] = "1.5"

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from disturbances import Child, failing_server

from rdbench.store import claims, folder
from rdbench.store.columns import TABLES
from rdbench.store.store import Store

CLOCKS = ["created_at", "replaces", "train_seconds", "eval_seconds", "images_per_second", "peak_memory_bytes",
          "seconds", "command", "evaluated_with", "git_commit", "threads"]  # fmt: skip
GRID = ["dataset={images}", "family=---,+-v", "beta=0.5,1", "width=0.03", "latent_dim=3", "precision=float32",
        "pseudo_inputs=3", "epochs=3", "batch_size=8", "iwae=1,3", "rate_samples=4", "generated_images=5"]  # fmt: skip
RUNS = 4
BESIDE = ("report", "report --check", "runs", "evaluate", "merge", "rm")
PATIENCE = 300.0
LONGEST_WITH_JOBS = 15.0
KILLED = -signal.SIGKILL
DOCUMENTED = {
    "sweep": {0}, "evaluate": {0, 2}, "merge": {0, 2}, "rm": {0, 2}, "runs": {0, 2}, "report": {0, 2, 3},
    "report --check": {0, 1, 2, 3},
}  # fmt: skip
"""Exit codes of commands that nothing disturbs, beside others: a store may hold nothing yet, or not that run."""
FAULTY = {1, 2, 3}
"""Further exit codes where the file system fails: a run may fail, a command may refuse, no file may be readable."""


class Campaign:
    """Rounds on stores in a folder, and on those of a server, until the time is over."""

    def __init__(self, work: Path, server: str, chance: random.Random, end: float) -> None:
        self.work = work
        self.server = server
        self.chance = chance
        self.end = end
        self.counts: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        images = work / "noise.npz"
        np.savez(images, (np.random.default_rng(0).random((60, 28, 28)) < 0.2).astype(np.uint8))
        self.grid = [part for value in GRID for part in ("--set", value.format(images=images))]
        self.undisturbed = str(work / "undisturbed")
        self.run(self.command("sweep", self.undisturbed), {0})
        self.run(self.command("evaluate", self.undisturbed), {0})

    def command(self, kind: str, store: str) -> list[str]:
        """A command on a store, in words."""
        if kind == "sweep":
            seconds = self.chance.choice(("0.01s", "0.05s", "60s"))
            return ["sweep", "demo", *self.grid, "--store", store, "--checkpoint-every", seconds]
        if kind == "merge":
            place, mark, query = store.partition("?")
            return ["merge", store, "--into", f"{place}-merged{mark}{query}"]
        if kind == "rm":
            held = sorted(Store(self.undisturbed).finished())
            return ["runs", store, "rm", self.chance.choice(held)]
        more = {"evaluate": ["--iwae", "7"], "report --check": ["--check"]}.get(kind, [])
        return [kind.split()[0], store, *more]

    def run(self, arguments: list[str], codes: set[int]) -> None:
        """Run a command that nothing disturbs."""
        child = Child(arguments)
        self.expect(child, codes)

    def expect(self, child: Child, codes: set[int]) -> None:
        """Wait for a process, and end the campaign where it ends as is not documented."""
        if not child.ends(PATIENCE):
            child.send(signal.SIGABRT)
            raise SystemExit(f"{child.arguments} did not end within {PATIENCE:.0f} s")
        told = child.told()
        self.codes[f"{child.arguments[0]} {child.code}"] += 1
        if child.code not in codes or "Traceback" in told:
            raise SystemExit(f"{child.arguments} ended with {child.code}, expected one of {sorted(codes)}\n{told}")

    def round(self, number: int) -> None:
        """One store: disturbed, then finished, then checked."""
        remote = self.chance.random() < 0.1
        remote = remote and number > 0
        store = f"s3://bench/{number}?{self.server}" if remote else str(self.work / f"store{number}")
        self.counts["stores on a server that fails" if remote else "stores in a folder"] += 1
        if not remote and (number == 0 or self.chance.random() < 0.2):
            self.disturb_several(store)
        for _ in range(self.chance.randint(2, 30 if not remote else 5)):
            if time.monotonic() > self.end:
                break
            self.disturb(store, remote)
        evaluated = self.chance.random() < 0.5
        self.run(self.command("sweep", store), {0})
        self.run(self.command("evaluate", store), {0})
        if not remote:
            folder.LONGEST_WRITE_SECONDS = 0.0  # what killed writers have left is cleared now, not in an hour
            time.sleep(0.01)
        if not remote and evaluated:
            self.run(self.command("merge", store), {0})
            self.check(f"{store}-merged")
        self.run(self.command("sweep", store), {0})
        folder.LONGEST_WRITE_SECONDS = 3600.0
        self.check(store)
        if not remote:
            for path in self.work.glob(f"store{number}*"):
                shutil.rmtree(path)

    def disturb(self, store: str, remote: bool) -> None:
        """Start a sweep or two, perhaps another command beside them, and disturb each of them at a random time."""
        kinds = ["sweep"] * self.chance.choice((1, 1, 2))
        if self.chance.random() < 0.3:
            kinds.append(self.chance.choice(BESIDE))
        children = []
        for kind in kinds:
            arguments = self.command(kind, store)
            codes = set(DOCUMENTED[kind])
            clock = self.chance.choice((0.0, 0.0, 0.0, 3600.0, -3600.0))
            faults = 0.0 if remote or self.chance.random() > 0.15 else self.chance.choice((0.001, 0.01, 0.1))
            if faults:
                codes |= FAULTY
                self.counts["processes with faults of the file system"] += 1
            self.counts["processes whose clock is wrong"] += clock != 0
            children.append((Child(arguments, clock, faults, self.chance.randrange(2**32)), codes))
        self.counts["processes"] += len(children)
        for child, codes in self.chance.sample(children, len(children)):
            self.expect(child, codes | self.strike(child, 6.0 if remote else 1.2))

    def disturb_several(self, store: str) -> None:
        """Start a sweep with runs in processes of their own, which take seconds to begin, and disturb all of them."""
        child = Child([*self.command("sweep", store), "--jobs", "2"])
        self.counts["sweeps in several processes"] += 1
        self.counts["processes"] += 1
        self.expect(child, DOCUMENTED["sweep"] | self.strike(child, LONGEST_WITH_JOBS))

    def strike(self, child: Child, longest: float) -> set[int]:
        """Do one of several things to a process, or nothing; the further exit codes that it may have for that."""
        if child.ends(self.chance.uniform(0, longest)):
            return set()
        deed = self.chance.choices(("kill", "signal", "signals", "stop", "nothing"), (10, 2, 1, 1, 1))[0]
        self.counts[f"disturbed by: {deed}"] += 1
        if deed == "kill":
            child.send(signal.SIGKILL)
            return {KILLED}
        if deed == "stop":
            child.send(signal.SIGSTOP)
            time.sleep(claims.claim_seconds() * self.chance.choice((0.5, 1.5)))
            child.send(signal.SIGCONT)
        if deed in ("signal", "signals"):
            number = self.chance.choice((signal.SIGINT, signal.SIGTERM))
            child.send(number)
            if deed == "signals":
                time.sleep(self.chance.uniform(0, 0.2))
                child.send(number)
            return {128 + number, -number}
        return set()

    def check(self, store: str) -> None:
        """Hold a store to the undisturbed one.

        Raises:
            AssertionError: it differs.
        """
        ours, theirs = Store(store), Store(self.undisturbed)
        for table in TABLES:
            frames = [_numbers(place, table) for place in (ours, theirs)]
            pd.testing.assert_frame_equal(*frames, check_exact=True)
        names = ours.storage.names("checkpoints")
        assert names == theirs.storage.names("checkpoints"), names
        for name in names:
            assert ours.storage.read(name) == theirs.storage.read(name), name
        assert not ours.storage.names("claims"), ours.storage.names("claims")
        if "://" not in store:
            left = list(Path(store).rglob(".*"))
            assert not left, left
            written = [len(pd.read_parquet(path)) for path in Path(store, "runs").iterdir()]
            assert sum(written) == RUNS, written
        self.counts["stores checked"] += 1


def _numbers(store: Store, table: str) -> pd.DataFrame:
    frame = store.read(table).frame
    frame = frame.drop(columns=[name for name in CLOCKS if name in frame])
    keys = ["run_id", *({"epoch", "index"} & set(frame))]
    return frame.sort_values(keys, ignore_index=True)[sorted(frame)].convert_dtypes()


def main() -> None:
    """Do rounds until the time is over, and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=float, default=float("inf"), help="end after so many SIGKILLs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    print(f"campaign of {options.minutes:g} minutes, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as work, failing_server(options.seed, 0.05) as server:
        campaign = Campaign(Path(work), server, random.Random(options.seed), end)
        _make_bucket(server)
        try:
            number = 0
            while time.monotonic() < end and campaign.counts["disturbed by: kill"] < options.kills:
                campaign.round(number)
                number += 1
                print(f"after {number} stores: {campaign.counts['disturbed by: kill']:,} kills", flush=True)
        finally:
            for counts in (campaign.counts, campaign.codes):
                print("\n".join(f"{count:6,}  {what}" for what, count in sorted(counts.items())), flush=True)


def _make_bucket(server: str) -> None:
    from pyarrow import fs

    port = server.rpartition(":")[2]
    for _ in range(100):
        try:
            fs.S3FileSystem(
                scheme="http", region="us-east-1", endpoint_override=f"127.0.0.1:{port}", allow_bucket_creation=True
            ).create_dir("bench")
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server of the campaign does not answer")


if __name__ == "__main__":
    main()
