"""What the torch adapter reads, restores and runs, on the PyTorch that is installed."""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
import typing
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layerlib import LayerLibrary, outcomes

torch = pytest.importorskip("torch", reason="the torch adapter needs torch")
nn = torch.nn

from pytest_ckptcompat.adapters.torch import TorchAdapter, _to_numpy  # noqa: E402
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


# State


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


# Dtypes


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from("?bhiqBefdFD").flatmap(lambda c: st.sampled_from([f"<{c}", f">{c}"])),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
def test_an_array_of_any_dtype_and_order_has_the_same_bits_as_a_tensor(array):
    wanted = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    for given_ in (array, array[..., ::-1][..., ::-1] if array.ndim else array):
        tensor = TorchAdapter()._tensor(given_)
        assert tuple(tensor.shape) == array.shape
        assert _to_numpy(torch, tensor, "x").tobytes() == wanted.tobytes()


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("shape", [(), (3, 2)], ids=str)
def test_a_dtype_that_numpy_lacks_comes_from_ml_dtypes_with_all_its_bits(adapter, name, shape):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name))
    bits = np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape).astype(f"u{dtype.itemsize}")
    module = nn.ReLU()
    module.register_buffer("table", torch.zeros(shape, dtype=getattr(torch, name)))
    adapter.load(module, {"table": bits.view(dtype)}, "state")
    array = adapter.state(module)["table"]
    assert array.dtype == dtype
    np.testing.assert_array_equal(array.view(bits.dtype), bits)


def test_without_ml_dtypes_bfloat16_is_refused_with_what_to_install(adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r"weight is bfloat16.*pip install ml_dtypes"):
        adapter.state(nn.Linear(2, 1).to(torch.bfloat16))


def test_a_dtype_that_this_torch_lacks_is_refused(adapter):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(TypeError, match="has no dtype float8_e3m4"):
        adapter.load(nn.Linear(2, 1), {"weight": np.zeros(2, ml_dtypes.float8_e3m4)}, "state")


# Loading


def test_a_state_gets_into_another_layer_bit_by_bit(adapter):
    state = adapter.state(nn.LSTM(3, 2, num_layers=2))
    loaded = adapter.state(adapter.load(nn.LSTM(3, 2, num_layers=2), state, "state"))
    for path, array in Tree.of(state).arrays().items():
        assert Tree.of(loaded).arrays()[path].tobytes() == array.tobytes()


@pytest.mark.parametrize("change", ["missing", "surplus"])
def test_the_loader_is_strict(adapter, change):
    state = adapter.state(nn.Linear(2, 1))
    if change == "missing":
        del state["bias"]
    else:
        state["other"] = np.zeros(1, "f4")
    with pytest.raises(RuntimeError, match="Missing key" if change == "missing" else "Unexpected"):
        adapter.load(nn.Linear(2, 1), state, "state")


def test_the_hook_that_torch_has_for_old_weight_norm_states_takes_them(adapter):
    module = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    state = {"bias": np.ones(3, "f4"), "weight_g": np.full((3, 1), 2, "f4")}
    state["weight_v"] = np.arange(12, dtype="f4").reshape(3, 4)
    adapter.load(module, state, "state")
    np.testing.assert_allclose(module.weight.detach().norm(dim=1), 2, rtol=1e-6)


# Native files


def test_a_pickled_module_is_itself_again_with_its_attributes(adapter, tmp_path):
    module = nn.Conv2d(2, 3, 1)
    module.own = [1, 2]
    path = tmp_path / f"layer{adapter.suffix('module')}"
    adapter.save(module, "module", path)
    restored = adapter.restore(nn.Conv2d(2, 3, 1), "module", path)
    assert restored.own == [1, 2]
    assert torch.equal(restored.weight, module.weight)


def test_safetensors_restore_a_layer_with_tied_parameters(adapter, tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / f"layer{adapter.suffix('safetensors')}"

    def tied():
        module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        module[1].weight = module[0].weight
        return module

    module = tied()
    adapter.save(module, "safetensors", path)
    restored = adapter.restore(tied(), "safetensors", path)
    assert torch.equal(restored[1].weight, module[1].weight)
    assert restored[1].weight is restored[0].weight


def test_safetensors_of_several_tied_parameters_have_the_same_bytes_each_time(adapter, tmp_path):
    pytest.importorskip("safetensors")
    module = nn.Sequential(*(nn.Linear(2, 2) for _ in range(8)))
    for number in range(1, 8):
        module[number].weight = module[0].weight
    files = {tmp_path / f"{number}.safetensors" for number in range(4)}
    for path in files:
        adapter.save(module, "safetensors", path)
    assert len({path.read_bytes() for path in files}) == 1
    adapter.restore(module, "safetensors", files.pop())


def test_a_quantized_layer_is_refused_with_what_to_return(adapter):
    module = nn.ReLU()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        values = torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)
    module.register_buffer("table", values)
    with pytest.raises(TypeError, match=r"table is a quantized tensor.*return the float layer"):
        adapter.state(module)


def test_only_a_pickled_module_carries_static_values(adapter):
    carrying = [route for route in adapter.routes if adapter.carries_statics(route)]
    assert adapter.routes[0] == "state"
    assert carrying == ["module"]


# Forward


class Given(nn.Module):
    """Gives what a function makes of its inputs."""

    def __init__(self, make):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.make = make

    def forward(self, *args, **kwargs):
        return self.make(self, *args, **kwargs)

    def twice(self, x):
        return 2 * x


def outputs_of(make, *args, call=None, **kwargs):
    adapter = TorchAdapter()
    return adapter.forward(adapter.prepare(Given(make)), args, kwargs, call)


def test_a_layer_is_in_inference_mode_and_records_no_gradients():
    found = outputs_of(lambda module: [module.training, torch.is_grad_enabled()])
    assert found == [False, False]


def test_what_is_no_module_is_refused(adapter):
    with pytest.raises(TypeError, match=r"takes a torch\.nn\.Module, not a builtins\.dict"):
        adapter.prepare({"weight": 1})


def test_integers_stay_integers_and_nested_inputs_are_tensors():
    def make(_, pair, *, mask):
        assert pair[0].dtype == torch.int64
        assert pair[1]["x"].dtype == torch.complex64
        assert mask.dtype == torch.bool
        return pair[0]

    inputs = [np.arange(2), {"x": np.zeros(2, "c8")}]
    assert outputs_of(make, inputs, mask=np.array(True)).dtype == np.int64


def test_outputs_are_plain_python_of_arrays():
    class Pair(typing.NamedTuple):
        first: object
        second: object

    @dataclasses.dataclass
    class Output:
        logits: object
        loss: object = None

    x = torch.arange(2.0)
    found = outputs_of(lambda _: {"pair": Pair(x, x.max(0)), "own": Output(x), "size": x.shape})
    assert isinstance(found["own"]["logits"], np.ndarray)
    assert found["own"]["loss"] is None
    assert [part.shape for part in found["pair"][1]] == [(), ()]
    assert found["size"] == (2,)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda x: x.conj(), id="conjugate"),
        pytest.param(lambda x: x.to_sparse(), id="sparse"),
        pytest.param(lambda x: x.t().contiguous().t(), id="strided"),
    ],
)
def test_an_output_has_the_values_of_its_tensor(make):
    x = np.array([[1 + 2j, 0], [3, 4]], "c8")
    found = outputs_of(lambda _, x: make(x), x)
    np.testing.assert_array_equal(found, np.conj(x) if "conj" in make.__code__.co_names else x)


def test_an_output_is_no_view_of_the_layer():
    module = Given(lambda own: own.weight)
    found = TorchAdapter().forward(module, (), {}, None)
    with torch.no_grad():
        module.weight.fill_(9)
    np.testing.assert_array_equal(found, [1, 1])


def test_call_names_a_method_or_is_a_function():
    x = np.ones(2, "f4")
    np.testing.assert_array_equal(outputs_of(None, x, call="twice"), [2, 2])
    found = outputs_of(None, x, call=lambda module, x: module.twice(x) + 1)
    np.testing.assert_array_equal(found, [3, 3])


def test_seeding_makes_fresh_layers_alike(adapter):
    weights = []
    for _ in range(2):
        adapter.seed(7)
        weights.append(nn.Linear(3, 2).weight)
    assert torch.equal(*weights)


# Through the plugin

SCALED = """
import torch

class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.inner = torch.nn.Linear(3, 2)
        self.slope = 1.5

    def forward(self, x):
        return self.slope * self.inner(self.weight * x)
"""
RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(4, 3)], routes=["state", "module"])
def test_scaled():
    return mylayers.Scaled()
"""


@pytest.fixture
def released(pytester, monkeypatch):
    """The library, with what 1.0.0 recorded."""
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "torch"')
    return library.released("1.0.0", source=SCALED, recipes=RECIPES)


def checked(library, *replacements):
    """What the next version's run says, and the outcome of each route."""
    source = SCALED
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.install("1.1.0", source)
    result = library.run("-rA")
    return result, [outcomes(result)[f"test_scaled[1.0.0-{r}]"] for r in ("state", "module")]


SLOPE = "        self.slope = 1.5\n"


def test_an_unchanged_library_passes_by_each_route(released):
    assert checked(released)[1] == ["passed", "passed"]


def test_a_new_parameter_fails_in_the_words_of_the_loader(released):
    more = SLOPE + "        self.shift = torch.nn.Parameter(torch.zeros(2))\n"
    result, found = checked(
        released, (SLOPE, more), ("self.weight * x)", "self.weight * x) + self.shift")
    )
    assert found == ["failed", "failed"]
    result.stdout.fnmatch_lines(
        ["*load *failed: RuntimeError: Error(s) in loading state_dict for Scaled: *", "*+ shift *"]
    )


def test_a_parameter_of_another_shape_fails_at_load(released):
    result, found = checked(released, ("torch.ones(3)", "torch.ones(1)"))
    assert found[0] == "failed"
    result.stdout.fnmatch_lines(
        ["*failed: RuntimeError: *size mismatch for", "*~ weight   reshaped: *"]
    )


def test_a_loader_that_skips_a_parameter_fails_at_the_state_stage(released):
    skipping = (
        "    def load_state_dict(self, state):\n"
        "        del state['inner.bias']\n"
        "        return super().load_state_dict(state, strict=False)\n\n    def forward"
    )
    result, found = checked(released, ("    def forward", skipping))
    assert found == ["failed", "passed"]
    result.stdout.fnmatch_lines(["*load *ok", "*state *not loaded: *inner/bias*"])


def test_a_renamed_parameter_that_is_left_as_it_was_fails(released):
    loose = (
        "    def load_state_dict(self, state):\n"
        "        return super().load_state_dict(state, strict=False)\n\n    def forward"
    )
    result, found = checked(released, ("    def forward", loose), ("self.weight", "self.gain"))
    assert found[0] == "failed"
    result.stdout.fnmatch_lines(["*load *ok", "*weight *renamed to gain*", "*forward *differ*"])


def test_an_attribute_that_is_gone_is_a_note_where_outputs_are_right(released):
    _, found = checked(released, (SLOPE, ""), ("self.slope *", "1.5 *"))
    assert found == ["passed", "passed"]


def test_a_new_attribute_breaks_the_pickled_module_alone(released):
    more = SLOPE + "        self.power = 1\n"
    result, found = checked(
        released, (SLOPE, more), ("self.weight * x)", "self.weight * x**self.power)")
    )
    assert found == ["passed", "failed"]
    result.stdout.fnmatch_lines(
        ["*(the loaded*", "*forward *AttributeError: 'Scaled' object has no attribute 'power'*"]
    )


def test_another_computation_fails_at_the_forward_stage(released):
    result, found = checked(released, ("self.slope *", "1.01 * self.slope *"))
    assert found == ["failed", "failed"]
    result.stdout.fnmatch_lines(["*state *ok", "*forward *elements differ*"])


def test_a_lazy_recipe_is_refused_with_what_to_do(released):
    released.recipes(
        RECIPES.replace("mylayers.Scaled()", "mylayers.torch.nn.LazyLinear(2)").replace(
            "test_scaled", "test_lazy"
        )
    )
    result = released.run("--ckpt-record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*weight has no shape yet*"])
