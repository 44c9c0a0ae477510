"""Tensors of any dtype, shape and name become arrays and tensors again, bit by bit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

torch = pytest.importorskip("torch", reason="the torch adapter needs torch")
nn = torch.nn

from pytest_ckptcompat.adapters.torch import TorchAdapter, _to_numpy  # noqa: E402
from pytest_ckptcompat.state import Tree  # noqa: E402


@pytest.fixture
def adapter():
    return TorchAdapter()


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


# Shapes and names


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)], ids=str)
def test_an_array_without_dimensions_or_elements_gets_through_every_route(adapter, tmp_path, shape):
    def build(value):
        module = nn.ReLU()
        module.register_buffer("table", torch.full(shape, value))
        return module

    saved = build(7.0)
    adapter.load(build(0.0), adapter.state(saved), "state")
    for route in filter(adapter.suffix, adapter.routes):
        if adapter.needs(route) is None and route != "module_default":
            path = tmp_path / f"{route}{adapter.suffix(route)}"
            adapter.save(saved, route, path)
            table = adapter.state(adapter.restore(build(0.0), route, path))["table"]
            assert table.shape == shape
            assert (table == 7).all()


@pytest.mark.parametrize("name", ["gewicht_µ", "重み", "a/b", "with space", "100%"])
def test_a_parameter_may_have_any_name_that_torch_takes(adapter, name):
    def build(value):
        module = nn.Sequential(nn.ReLU())
        module[0].register_parameter(name, nn.Parameter(torch.full((2,), value)))
        return module

    state = Tree.of(adapter.state(build(3.0))).plain()
    np.testing.assert_array_equal(state["0"][name], [3, 3])
    assert getattr(adapter.load(build(0.0), state, "state")[0], name).tolist() == [3, 3]
