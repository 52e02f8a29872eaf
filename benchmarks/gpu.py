"""Check and time rdbench on a GPU within a number of minutes, and print the largest sweep that fits the time left.

Rows are written to OUT/rows.jsonl as they come, so they survive the loss of the machine. A check without time left
writes a row that says so. The table comes last, then the commands of the largest sweep that fits the minutes left.
``--device cpu --small`` runs the same code without a GPU; its numbers mean nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import gpu_checks as checks
import torch
from contest import Contender
from gpu_checks import Row, begun, row, steps, timed
from machine import describe
from utilisation import flop_an_image

from rdbench.config.family import FAMILIES
from rdbench.data.images import Images
from rdbench.measures.bounds import measure
from rdbench.runs.device import pick_device

TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000
"""Of MNIST."""

CURVE_EPOCHS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8, help="for all of it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rows")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="small models and few steps, to try the script")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device, ends = pick_device(options.device), time.monotonic() + 60 * options.minutes
    rows: list[Row] = [row(name, found) for name, found in describe().items()]
    with (options.out / "rows.jsonl").open("w") as file:
        for found in (*rows, *measured(device, options.small, ends)):
            file.write(json.dumps(found) + "\n")
            file.flush()
            if found not in rows:
                rows.append(found)
    print(table(rows))
    print(*commands(rows, ends - time.monotonic()), sep="\n")


def measured(device: torch.device, small: bool, ends: float) -> Iterator[Row]:
    """Every row, what is right before what is fast."""
    values = {"width": 0.05, "batch_size": 16} if small else {}
    width, batch, count = (0.05, 4, 6) if small else (0.25, 64, 40)
    families = ["---"] if small else [family.signs for family in FAMILIES]
    work: list[tuple[str, Callable[[], Iterator[Row]]]] = [("peaks", lambda: peaks(device, small))]
    work += [(f"precision {s}", lambda s=s: checks.precision(device, s, width, batch)) for s in families]
    work += [(f"waits {s}", lambda s=s: checks.no_wait(device, s, **values)) for s in ("---", "-++")]
    work += [("infinite", lambda: checks.infinite(device, **values)), ("memory", lambda: checks.memory(device))]
    work += [("equal", lambda: checks.equal(device, "---", count, **values))]
    work += [(f"speed {s}", lambda s=s: speeds(device, s, 5 if small else 100, values)) for s in families]
    work += [("evaluation", lambda: evaluation(device, small)), ("sampling", lambda: sampling(device, small))]
    work += [("jobs", lambda: jobs(1 if small else 4, 2 if small else 200, values))]
    for name, yields in work:
        if time.monotonic() > ends:
            yield row(name, "left out: no time")
            continue
        try:
            yield from yields()
        except Exception as error:  # one that fails must not take the others with it; its row says so
            yield row(name, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", "", False)


def peaks(device: torch.device, small: bool) -> Iterator[Row]:
    """FLOP a second of large square products, and bytes a second of a copy."""
    side = 256 if small else 8192
    for name, dtype, tf32 in (("float32", torch.float32, False), ("TF32", torch.float32, True),
                              ("bfloat16", torch.bfloat16, False)):  # fmt: skip
        torch.backends.cuda.matmul.allow_tf32 = tf32
        one = torch.randn(side, side, device=device, dtype=dtype)
        timed(lambda one=one: one @ one, device)
        seconds = timed(lambda one=one: [one @ one for _ in range(10)], device) / 10
        yield row(f"peak {name} FLOP/s", 2 * side**3 / seconds)
    torch.backends.cuda.matmul.allow_tf32 = False
    data = torch.empty(2**20 if small else 2**30, dtype=torch.uint8, device=device)
    timed(data.clone, device)
    yield row("memory bytes/s", 2 * data.numel() / timed(data.clone, device))


def speeds(device: torch.device, signs: str, count: int, values: dict) -> Iterator[Row]:
    """Images a second in training, one kernel after another, by a graph, and with the model compiled too."""
    batch, width = values.get("batch_size", 128), values.get("width", 1.0)
    flop = flop_an_image(signs, batch, width)
    for how in ("eager", "graph", "compiled"):
        if device.type == "cpu" and how != "eager":
            yield row(f"images/s {how} {signs}", "not to be shown on a CPU")
            continue
        training = begun(device, signs, **values)
        if how == "eager":
            training.do_step = training.eager
        if how == "compiled":
            training.body.model.compile(fullgraph=True)
        steps(training, 6)
        speed = count * training.batch / timed(lambda training=training: steps(training, count), device)
        yield row(f"images/s {how} {signs}", speed)
        yield row(f"FLOP/s {how} {signs}", speed * flop)


def evaluation(device: torch.device, small: bool) -> Iterator[Row]:
    """IWAE-8 of test images a second, by layout of the maps and by TF32."""
    for signs in ("---", "-+-"):
        training = begun(device, signs, **({"width": 0.05, "batch_size": 16} if small else {}))
        images = Images(training.train_images.packed[: 8 if small else 400])
        for name, layout in (("NHWC", torch.channels_last), ("NCHW", torch.contiguous_format)):
            model = training.model.to(memory_format=layout)
            for tf32 in (False, True):
                torch.backends.cuda.matmul.allow_tf32 = tf32
                timed(lambda model=model, images=images: measure(model, images, [8]), device)
                speed = len(images) / timed(lambda model=model, images=images: measure(model, images, [8]), device)
                yield row(f"evaluated images/s {name}, TF32 in products {tf32}, {signs}", speed)
        torch.backends.cuda.matmul.allow_tf32 = False


def sampling(device: torch.device, small: bool) -> Iterator[Row]:
    """Images drawn a second, pixel by pixel."""
    model, count = (
        begun(device, "-+-", **({"width": 0.05, "batch_size": 16} if small else {})).model,
        2 if small else 100,
    )
    with torch.no_grad():
        decoder = model.decoder(model.marginal().sample((count,)))
        yield row("drawn images/s -+-", count / timed(decoder.sample, device))


def jobs(most: int, count: int, values: dict) -> Iterator[Row]:
    """Images a second of several trainings side by side, all together."""
    for running in range(1, most + 1):
        batch, width = values.get("batch_size", 128), values.get("width", 1.0)
        contenders = [Contender(sys.executable, "rdbench", "train", "---", batch, width) for _ in range(running)]
        for contender in contenders:
            contender.turn(6)
        for contender in contenders:  # all begin, then each is waited for
            contender.begin(count)
        yield row(f"images/s of --jobs {running}", sum(contender.heard() for contender in contenders))
        for contender in contenders:
            contender.end()


def table(rows: list[Row]) -> str:
    """What was found, line by line."""
    shown = {True: "passed", False: "FAILED", None: ""}
    texts = [[line["what"], _number(line["found"]), line["wanted"], shown[line["passed"]]] for line in rows]
    widths = [max(len(line[column]) for line in texts) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in texts)  # fmt: skip


def _number(found: object) -> str:
    return f"{found:.4g}" if isinstance(found, float) else str(found)


def commands(rows: list[Row], seconds: float) -> Iterator[str]:
    """The commands of the largest sweep that fits: all twelve, then ``---`` in full, then a β below 1."""
    found = {line["what"]: line["found"] for line in rows}

    def an_epoch(signs: str) -> float | None:
        speeds = [found.get(f"images/s {how} {signs}") for how in ("eager", "graph")]
        known = [speed for speed in speeds if isinstance(speed, float)]
        return TRAIN_IMAGES / max(known) if known else None

    each = [an_epoch(family.signs) for family in FAMILIES]
    if None in each:
        yield "no sweep is proposed: not all twelve families were timed"
        return
    common = min(CURVE_EPOCHS, int(0.7 * seconds / sum(each)))  # the rest is for evaluation, which is not estimated
    if common < 1:
        yield f"no sweep is proposed: an epoch of all twelve takes {sum(each):.0f} s, and {seconds:.0f} s are left"
        return
    base = "rdbench sweep mnist --store outputs/card --device cuda --beta"
    yield f"{base} 1 --epochs {common}"
    left = 0.7 * seconds - common * sum(each)
    for beta, signs in ((1, "---"), (0.5, "-+-")):
        cost = CURVE_EPOCHS * an_epoch(signs)
        if cost <= left:
            left -= cost
            yield f"{base} {beta} --family={signs} --epochs {CURVE_EPOCHS}"


if __name__ == "__main__":
    main()
