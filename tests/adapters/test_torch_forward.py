"""How the torch adapter runs modules, and what it makes of their outputs."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch adapter needs torch")
nn = torch.nn

from pytest_ckptcompat.adapters.torch import TorchAdapter  # noqa: E402


@pytest.fixture
def adapter():
    return TorchAdapter()


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


def test_a_layer_that_is_not_lazy_is_not_run_to_start_it(adapter):
    module = Given(lambda *_: pytest.fail("it was run"))
    assert adapter.start(module, (), {}, None) is module


def test_a_pass_in_double_precision_leaves_the_layer_in_single():
    layer = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).eval()
    x = np.ones((5, 3), np.float32)
    adapter = TorchAdapter()
    single = adapter.forward(layer, [x], {}, None)
    double = adapter.double(layer, [x.astype(np.float64)], {}, None)
    assert double.dtype == np.float64
    assert layer[0].weight.dtype == torch.float32
    assert 0 < np.abs(double - single).max() < 1e-6
