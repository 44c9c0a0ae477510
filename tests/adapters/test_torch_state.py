"""What the torch adapter reads of a module, on the PyTorch that is installed."""

from __future__ import annotations

import dataclasses
import functools
import types
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch adapter needs torch")
nn = torch.nn

from pytest_ckptcompat.adapters.torch import TorchAdapter  # noqa: E402
from pytest_ckptcompat.drift import diff  # noqa: E402
from pytest_ckptcompat.kinds import Kind  # noqa: E402
from pytest_ckptcompat.state import Name, Tree, format_path  # noqa: E402


@pytest.fixture
def adapter():
    return TorchAdapter()


def state_of(module):
    return TorchAdapter().state(module)


def leaves(module):
    """The leaves of a module's state by formatted path, as a golden keeps them."""
    return {format_path(path): leaf for path, leaf in Tree.of(state_of(module)).leaves().items()}


def with_attribute(value):
    module = nn.ReLU()
    module.given = value
    return module


def static(value):
    """What the state has for an attribute of that value."""
    return leaves(with_attribute(value))["given"].value


def test_submodules_are_nested_and_arrays_stand_under_their_names_in_the_state_dict():
    module = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.BatchNorm1d(2)))
    arrays = Tree.of(state_of(module)).arrays()
    assert [".".join(path) for path in arrays] == list(module.state_dict())


def test_attributes_are_static_values_whether_public_or_private():
    found = leaves(nn.Conv2d(2, 3, (2, 1), padding=(1, 0), padding_mode="circular"))
    assert found["kernel_size"].value == (2, 1)
    assert found["padding_mode"].value == "circular"
    assert found["_reversed_padding_repeated_twice"].value == (0, 0, 1, 1)


def test_what_torch_keeps_for_itself_is_no_part_of_the_state():
    module = nn.Linear(2, 1)
    module.register_forward_hook(lambda *_: None)
    assert set(state_of(module)) == {"weight", "bias", "in_features", "out_features"}
    assert "_flat_weights" not in state_of(nn.LSTM(2, 3))


def test_a_parameter_and_a_submodule_that_are_none_are_leaves():
    module = nn.Linear(2, 1, bias=False)
    module.register_module("norm", None)
    found = leaves(module)
    assert found["bias"].value is None
    assert found["norm"].value is None


def test_a_frozen_parameter_is_told():
    module = nn.Linear(2, 1)
    module.bias.requires_grad_(False)
    found = leaves(module)
    assert found["bias.requires_grad"].value is False
    assert "weight.requires_grad" not in found


def test_one_parameter_under_two_names_is_one_array():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    assert Tree.of(state_of(module)).ties() == ((("0", "weight"), ("1", "weight")),)


def test_two_parameters_that_share_memory_are_one_array():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = nn.Parameter(module[0].weight.detach())
    assert Tree.of(state_of(module)).ties() == ((("0", "weight"), ("1", "weight")),)


def test_parts_of_one_memory_are_arrays_of_their_own():
    module = nn.ReLU()
    memory = torch.arange(6.0)
    module.register_buffer("whole", memory)
    module.register_buffer("part", memory[:3])
    assert Tree.of(state_of(module)).ties() == ()


def test_a_module_under_two_names_stands_under_both():
    inner = nn.Linear(2, 2)
    assert list(state_of(nn.Sequential(inner, inner))["1"]) == list(state_of(inner))


def test_a_parameter_that_became_a_buffer_is_told(adapter):
    before, after = nn.Module(), nn.Module()
    before.scale = nn.Parameter(torch.ones(3))
    after.register_buffer("scale", torch.ones(3))
    (drift,) = diff(Tree.of(adapter.state(before)), Tree.of(adapter.state(after)))
    assert (drift.kind, drift.describe()) == (Kind.ROLE, "role changed: trainable -> buffer")


def test_a_buffer_that_is_not_persistent_is_described_and_not_loaded(adapter):
    module = nn.Linear(2, 1)
    module.register_buffer("mask", torch.zeros(3, dtype=torch.int64), persistent=False)
    state = adapter.state(module)
    assert state["mask"] == ("buffer, not saved", "int64", (3,))
    adapter.load(module, state, "state")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(torch.zeros(2, 3), ("tensor, not saved", "float32", (2, 3)), id="tensor"),
        pytest.param(np.zeros(2, "i2"), ("array, not saved", "int16", (2,)), id="array"),
        pytest.param(torch.Size([2, 3]), (2, 3), id="size"),
        pytest.param(torch.float16, "torch.float16", id="dtype"),
        pytest.param(torch.device("cpu"), "cpu", id="device"),
        pytest.param(torch.channels_last, "torch.channels_last", id="memory-format"),
        pytest.param({3, 1, 2}, (1, 2, 3), id="set"),
        pytest.param(torch.relu, "torch.relu", id="compiled-function"),
        pytest.param([1, (None, "a")], [1, (None, "a")], id="list"),
    ],
)
def test_an_attribute_is_kept_as(value, expected):
    assert static(value) == expected


def test_a_function_is_kept_by_its_name():
    name = Name("function", "torch.nn.functional:relu")
    assert static(nn.functional.relu) == name
    found = leaves(with_attribute(functools.partial(nn.functional.relu, inplace=True)))
    assert found["given/function"].value == name
    assert found["given/keywords/inplace"].value is True


def test_a_dataclass_is_kept_by_its_fields():
    @dataclasses.dataclass
    class Config:
        width: int
        table: dict

    found = leaves(with_attribute(Config(3, {torch.float32: 1, (1, 2): 2})))
    assert found["given/width"].value == 3
    assert found["given/table/torch.float32"].value == 1
    assert found["given/table/(1, 2)"].value == 2


def test_of_any_other_object_the_type_is_kept():
    kind = Name("type", "torch.nn.modules.activation:Tanh")
    assert static([nn.Tanh()]) == [("object", kind)]


def test_an_attribute_that_contains_itself_comes_to_an_end():
    endless = types.SimpleNamespace(width=3)
    endless.own = endless
    found = leaves(with_attribute(endless))
    assert found["given/own"].value == ("object", Name("type", "types:SimpleNamespace"))


class Versioned(nn.Module):
    _version = 3

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        self.seen = local_metadata["version"]
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def test_the_version_of_a_module_is_in_its_state_and_reaches_its_loader(adapter):
    state = adapter.state(nn.Sequential(Versioned()))
    assert state["0"]["_version"] == 3
    state["0"]["_version"] = 2
    assert adapter.load(nn.Sequential(Versioned()), state, "state")[0].seen == 2


def test_a_module_of_the_first_version_says_nothing_of_it(adapter):
    state = adapter.state(nn.Sequential(nn.Linear(2, 1)))
    assert "_version" not in state["0"]
    module = nn.Sequential(Versioned())
    adapter.load(module, {"0": {"weight": np.ones(2, "f4")}}, "state")
    assert module[0].seen == 1


class Extra(nn.Module):
    def __init__(self, extra):
        super().__init__()
        self.extra = extra

    def get_extra_state(self):
        return self.extra

    def set_extra_state(self, state):
        self.extra = state


def test_extra_state_is_saved_and_restored(adapter):
    extra = {"history": torch.arange(3.0), "steps": (4, "a")}
    state = Tree.of(adapter.state(nn.Sequential(Extra(extra)))).plain()
    np.testing.assert_array_equal(state["0"]["_extra_state"]["history"], [0, 1, 2])
    loaded = adapter.load(nn.Sequential(Extra(None)), state, "state")[0].extra
    assert torch.equal(loaded["history"], extra["history"])
    assert loaded["steps"] == (4, "a")


def test_extra_state_of_which_the_content_is_unknown_is_refused(adapter):
    with pytest.raises(TypeError, match=r"a builtins\.object at 0\._extra_state\['own'\]"):
        adapter.state(nn.Sequential(Extra({"own": object()})))


def test_what_a_hook_saves_under_a_name_of_its_own_is_in_the_state_and_loads(adapter):
    def build():
        module = nn.Linear(2, 1)
        module._register_state_dict_hook(rename)
        module._register_load_state_dict_pre_hook(
            lambda state, *_: state.update(bias=state.pop("old.inner.bias"))
        )
        return module

    def rename(_, state, *__):
        state["old.inner.bias"] = state.pop("bias")

    module = build()
    state = adapter.state(module)
    assert state["bias"] == ("parameter, not saved", "float32", (1,))
    state["old"]["inner"]["bias"] = np.full(1, 7, "f4")
    assert adapter.load(module, state, "state").bias.item() == 7


def test_a_lazy_layer_is_refused_with_what_to_do(adapter):
    with pytest.raises(ValueError, match=r"weight has no shape yet.*run the layer once"):
        adapter.state(nn.LazyLinear(3))


def test_a_layer_without_values_is_refused(adapter):
    with pytest.raises(ValueError, match="weight is on the meta device"):
        adapter.state(nn.Linear(2, 3, device="meta"))


def test_a_scripted_module_has_its_arrays(adapter):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.script(nn.Sequential(nn.Linear(2, 3)))
    assert list(adapter.state(module)["0"]) == ["weight", "bias"]
