"""What a GPU would refuse or wait for, shown on a device of Python's own.

Its tensors have their values on the CPU and say that they are elsewhere. It refuses an operation that mixes them with
tensors of the CPU, and counts what is read from it and what is brought to it. Random numbers are those of the CPU, so
whatever runs on it must have the numbers that it has on the CPU.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

from rdbench.config.family import parse_family
from rdbench.config.parts import find
from rdbench.config.run_config import make_run
from rdbench.data.dataset import pack
from rdbench.data.images import Images
from rdbench.measures import bounds, information
from rdbench.models import make_model
from rdbench.runs.training import Training

aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.masked_select.default,
         aten.is_nonzero.default, aten._unique2.default}  # fmt: skip


class Backend(_DummyBackendModule):
    """What torch asks of a device's module."""

    def get_amp_supported_dtype(self):
        return [torch.bfloat16]


DISGUISE = torch.device("privateuseone:0")


class Disguised(torch.Tensor):
    """A tensor that says it is on another device."""

    @staticmethod
    def __new__(cls, values):
        self = torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), storage_offset=values.storage_offset(),
            dtype=values.dtype, device=DISGUISE,
        )  # fmt: skip
        self.values = values
        return self

    def tolist(self):
        return self.cpu().tolist()

    def __repr__(self):
        return f"Disguised({self.values})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"{function} outside of the disguise")


class Disguise(TorchDispatchMode):
    """Runs what is asked of the device; ``reads`` and ``brought`` are the operations that copied from it and to it."""

    def __init__(self):
        super().__init__()
        self.reads = []
        self.brought = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        disguised = [tensor for tensor in tensors if isinstance(tensor, Disguised)]
        target = kwargs.get("device")
        to_disguise = target is not None and torch.device(target).type == DISGUISE.type
        if not disguised and not to_disguise:
            return function(*args, **kwargs)
        self._judge(function, args, target, tensors, disguised)
        if to_disguise:
            kwargs["device"] = torch.device("cpu")
        kwargs.pop("pin_memory", None)
        known = {id(tensor.values): tensor for tensor in disguised}
        results = function(*tree_map_only(Disguised, lambda tensor: tensor.values, args),
                           **tree_map_only(Disguised, lambda tensor: tensor.values, kwargs))  # fmt: skip
        if target is not None and not to_disguise:
            return results
        if function is aten.copy_.default and not isinstance(args[0], Disguised):
            return args[0]
        return tree_map_only(
            torch.Tensor, lambda found: known[id(found)] if id(found) in known else Disguised(found), results
        )

    def _judge(self, function, args, target, tensors, disguised):
        others = [tensor for tensor in tensors if not isinstance(tensor, Disguised)]
        if function is aten.copy_.default:
            (self.brought if isinstance(args[0], Disguised) else self.reads).extend([function] * bool(others))
        elif function is aten._to_copy.default and target is not None:
            stays = bool(disguised) == (torch.device(target).type == DISGUISE.type)  # a change of dtype alone
            (self.reads if disguised else self.brought).extend([function] * (not stays))
        elif any(tensor.ndim for tensor in others):
            raise RuntimeError(f"{function}: tensors of two devices")
        reads = function in READS or (function is aten.index.Tensor and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        ))  # fmt: skip
        if reads and disguised:
            self.reads.append(function)


@pytest.fixture(scope="session", autouse=True)
def backend():
    """Made by the first test, not on import: collecting the doctests of a process imports this file too."""
    _setup_privateuseone_for_python_backend("disguise", Backend())


@pytest.fixture
def disguise(monkeypatch):
    """The device; whatever is done at once on a CPU is done at once on it."""
    for table in (bounds.DECODED_DRAWS_AT_ONCE, information.IMAGES_AT_ONCE):
        monkeypatch.setitem(table, DISGUISE.type, table["cpu"])
    with Disguise() as disguise:
        yield disguise


SMALL = {"precision": "float32", "width": 0.05, "latent_dim": 4, "pseudo_inputs": 3, "epochs": 2, "batch_size": 8}
OBJECTIVES = [
    {},
    {"objective": "target-rate", "target_rate": 3.0},
    {"objective": "target-rate-penalty", "target_rate": 3.0},
    {"objective": "free-bits", "free_nats": 3.0},
    {"objective": "iwae", "train_samples": 2},
]


def begun(device, signs, **values):
    config = make_run({**SMALL, **parse_family(signs)._asdict(), **values})
    packed = pack(np.random.default_rng(0).random((20, 8, 8)) < 0.2)
    torch.manual_seed(0)
    model = make_model(config, 8)
    images = Images.on(device, packed)
    return Training(model.to(device), images, Images.on(device, packed[:9]), config)


def test_the_disguise_refuses_what_a_gpu_would(disguise):
    there, here = torch.ones(3, device=DISGUISE), torch.ones(3)
    with pytest.raises(RuntimeError, match="tensors of two devices"):
        there + here
    assert not disguise.reads and not disguise.brought
    (there + 2.0).cpu()
    float(there.sum())
    there[there > 0]
    there.copy_(here)
    here.to(DISGUISE)
    assert len(disguise.reads) == 3 and len(disguise.brought) == 2


def test_a_step_that_can_be_recorded_reads_nothing_and_none_is_brought_anything(family, disguise):
    moved_by_rate = not find("encoder", family.encoder).deterministic
    objective = {"objective": "target-rate", "target_rate": 3.0} if moved_by_rate else {}
    training = begun(DISGUISE, family.signs, **objective)
    training._prepare_epoch()
    training.body()  # the first lays out what all later ones use
    disguise.reads.clear(), disguise.brought.clear()
    training.body()
    assert bool(disguise.reads) != training.body.graphable
    assert not disguise.brought
    assert all(isinstance(parameter.grad, Disguised) for parameter in training.model.parameters())


@pytest.mark.parametrize("values", OBJECTIVES, ids=lambda values: values.get("objective", "beta-vae"))
def test_no_objective_reads_or_is_brought_a_number(values, disguise):
    training = begun(DISGUISE, "---", **values)
    training._prepare_epoch()
    training.body()
    disguise.reads.clear(), disguise.brought.clear()
    training.body()
    assert not disguise.reads and not disguise.brought


@pytest.mark.parametrize("signs", ["---", "+-v", "-++"])
def test_a_training_with_its_validations_has_the_numbers_of_the_cpu(signs, disguise):
    here, there = begun(torch.device("cpu"), signs), begun(DISGUISE, signs)
    for training in (here, there):
        torch.manual_seed(1)
        training.run()
    for mine, theirs in zip(here.history, there.history, strict=True):
        assert vars(theirs) == pytest.approx({**vars(mine), "seconds": theirs.seconds}, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("signs", ["---", "++v", "--+"])
def test_an_evaluation_has_the_numbers_of_the_cpu(signs, disguise):
    """R, D, IWAE-k, mutual information, active units, rates by dimension, and bounds of what is generated."""
    found = {}
    for device in (torch.device("cpu"), DISGUISE):
        training = begun(device, signs)
        model, images = training.model.eval(), training.valid_images
        torch.manual_seed(1)
        measured = bounds.measure(model, images, [3], 2).summary()
        torch.manual_seed(1)
        sampled = information.generative_bounds(model, 4, 2)
        units = information.active_units(model, images)
        rates = information.rate_by_dimension(model, images) or []
        torch.manual_seed(1)
        mutual = information.mutual_information(model, images).mean()
        found[device.type] = [*sampled.values(), units, *rates, mutual, measured["rate"], measured["distortion"]]
    assert found["disguise"] == pytest.approx(found["cpu"], rel=1e-3, abs=1e-3)
