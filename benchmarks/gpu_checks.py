"""The checks of benchmarks/gpu.py; each is a function that yields rows: what, found, wanted, passed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.distributions import Normal

from rdbench.config.family import parse_family
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.models import make_model
from rdbench.runs.training import Training

Row = dict[str, Any]


def row(what: str, found: Any, wanted: str = "", passed: bool | None = None) -> Row:
    return {"what": what, "found": found, "wanted": wanted, "passed": passed}


def begun(device: torch.device, signs: str, count: int = 1280, **values: Any) -> Training:
    """A training on invented images, of which one is validated."""
    config = make_run(parse_family(signs)._asdict() | {"epochs": 1000} | values)
    packed = pack(np.random.default_rng(0).random((count, 28, 28)) < 0.13)
    torch.manual_seed(0)
    model = make_model(config).to(device)
    return Training(model, Images.on(device, packed), Images.on(device, packed[:1]), config)


def steps(training: Training, count: int) -> None:
    """So many steps, past the ends of epochs, and the wait for the last."""
    for index in range(count):
        if index == 0 or training.step % training.steps_per_epoch == 0:
            training._prepare_epoch()
        training.do_step(print)
        training.step += 1
    if training.device.type == "cuda":
        torch.cuda.synchronize()


def weights(training: Training) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()]).cpu()


@contextmanager
def injected(noise: torch.Tensor) -> Iterator[None]:
    """Every normal draw takes the same noise, and what is float64 stays so, so that devices can be compared."""
    rsample, to_float = Normal.rsample, torch.Tensor.float
    torch.Tensor.float = lambda tensor: tensor if tensor.dtype == torch.float64 else to_float(tensor)

    def drawn(normal: Normal, shape: Any = ()) -> torch.Tensor:
        wanted = torch.Size(shape) + normal.loc.shape
        return normal.loc + normal.scale * noise[: wanted.numel()].reshape(wanted).to(normal.loc)

    Normal.rsample = drawn
    try:
        yield
    finally:
        Normal.rsample, torch.Tensor.float = rsample, to_float


def precision(device: torch.device, signs: str, width: float, batch: int) -> Iterator[Row]:
    """R + D of a batch against float64 on the CPU, at the same weights and the same noise."""
    images = (torch.rand(batch, 28, 28, generator=torch.Generator().manual_seed(1)) < 0.13).float()
    noise = torch.randn(batch * 64, generator=torch.Generator().manual_seed(2))
    config = make_run(parse_family(signs)._asdict() | {"width": width})

    def loss(where: torch.device, dtype: torch.dtype) -> float:
        torch.manual_seed(0)
        model = make_model(config).to(where)
        model = model.double() if dtype == torch.float64 else model
        inputs = images.to(where).to(torch.float64 if dtype == torch.float64 else torch.float32)
        with torch.no_grad(), injected(noise), torch.autocast(where.type, dtype, enabled=dtype == torch.bfloat16):
            terms = model(inputs)
        return float(terms.mean_distortion + terms.mean_rate)

    truth = loss(torch.device("cpu"), torch.float64)
    for dtype, bound in ((torch.float32, 1e-4), (torch.bfloat16, 2e-2)):
        off = abs(loss(device, dtype) / truth - 1)
        yield row(f"{dtype} against float64 {signs}", off, f"< {bound:g}", off < bound)


def no_wait(device: torch.device, signs: str, **values: Any) -> Iterator[Row]:
    """torch raises where a step would wait for the device."""
    training = begun(device, signs, **values)
    training.do_step = training.eager
    steps(training, 2)
    if device.type != "cuda":
        yield row(f"no wait in a step {signs}", "not to be shown on a CPU")
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.do_step(print)
        yield row(f"no wait in a step {signs}", "none", "none", True)
    except RuntimeError as error:
        yield row(f"no wait in a step {signs}", str(error).splitlines()[0], "none", False)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def infinite(device: torch.device, **values: Any) -> Iterator[Row]:
    """A step whose loss is infinite changes no weight and is counted."""
    training = begun(device, "---", **values)
    training.do_step = training.eager
    steps(training, 2)
    before, forward = weights(training), training.objective.forward
    training.objective.forward = lambda terms, step: forward(terms, step) * float("inf")
    steps(training, 1)
    same = bool((weights(training) == before).all()) and training.skipped_steps == 1
    yield row("a step with an infinite gradient changes nothing", same, "True", same)


def memory(device: torch.device, **values: Any) -> Iterator[Row]:
    """A batch for which memory is too small passes in parts."""
    if device.type != "cuda":
        yield row("a batch too large for memory", "not to be shown on a CPU")
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + 1.5e9) / total))
    try:
        training = begun(device, "-+-", **{**values, "batch_size": 512})
        steps(training, 2)
        yield row("parts of a batch of 512 -+- in 1.5 GB", training.micro_batch, "< 512", training.micro_batch < 512)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def equal(device: torch.device, signs: str, count: int, **values: Any) -> Iterator[Row]:
    """Going on from a state against never stopping, and a graph against eager steps, bit for bit or how far off."""
    for deterministic in (False, True):
        torch.backends.cudnn.deterministic = deterministic
        name = f"{signs}, cudnn.deterministic={deterministic}"
        whole, first, second = (begun(device, signs, **values) for _ in range(3))
        for training in (whole, first):
            torch.manual_seed(1)
            steps(training, count if training is whole else count // 2)
        second.restore(first.state())
        steps(second, count - count // 2)
        off = float((weights(second) - weights(whole)).abs().max())
        yield row(f"weights of a resumed run, off by {name}", off, "0", off == 0)
        eager = begun(device, signs, **values)
        eager.do_step = eager.eager
        torch.manual_seed(1)
        steps(eager, count)
        off = float((weights(eager) - weights(whole)).abs().max())
        yield row(f"weights of a graph and of eager steps, off by {name}", off, "0", off == 0)
    torch.backends.cudnn.deterministic = False


def timed(work: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
