"""How the torch adapter restores modules: by their states, and by native files."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch adapter needs torch")
nn = torch.nn

from pytest_ckptcompat.adapters.torch import TorchAdapter  # noqa: E402
from pytest_ckptcompat.state import Tree  # noqa: E402


@pytest.fixture
def adapter():
    return TorchAdapter()


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


def test_a_parametrized_layer_has_its_original_arrays_and_loads_them(adapter):
    def build():
        return nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))

    state = Tree.of(adapter.state(build())).plain()
    originals = state["parametrizations"]["weight"]
    assert originals["original0"].shape == (3, 1)
    originals["original0"] = np.full((3, 1), 5, "f4")
    loaded = adapter.load(build(), state, "state")
    np.testing.assert_allclose(loaded.weight.detach().norm(dim=1), 5, rtol=1e-6)


def test_a_norm_by_hook_saves_what_it_computes_the_weight_from(adapter):
    def build():
        return nn.utils.spectral_norm(nn.Linear(4, 3))

    state = Tree.of(adapter.state(build())).plain()
    assert {"weight_orig", "weight_u"} <= {k for k, v in state.items() if hasattr(v, "dtype")}
    assert state["weight"] == ("tensor, not saved", "float32", (3, 4))
    loaded = adapter.prepare(adapter.load(build(), state, "state"))
    again = adapter.prepare(adapter.load(build(), state, "state"))
    x = np.ones((2, 4), "f4")
    first, second = (adapter.forward(layer, (x,), {}, None) for layer in (loaded, again))
    np.testing.assert_array_equal(first, second)


def test_a_lazy_layer_that_has_run_is_restored_into_one_that_has_run(adapter):
    def build():
        layer = nn.LazyLinear(3)
        layer(torch.zeros(2, 4))
        return layer

    state = adapter.state(build())
    loaded = adapter.load(build(), state, "state")
    np.testing.assert_array_equal(adapter.state(loaded)["weight"], state["weight"])


def test_a_checkpoint_is_the_state_dict_with_its_versions(adapter):
    module = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    made = adapter.checkpoint(module, Tree.of(adapter.state(module)).plain())
    saved = module.state_dict()
    assert list(made) == list(saved)
    assert all(torch.equal(made[key], saved[key]) for key in saved)
    assert made._metadata["0"] == saved._metadata["0"] == {"version": 2}


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
    assert carrying == ["module", "module_default"]


def test_the_file_of_a_state_dict_is_loaded_strictly(adapter, tmp_path):
    path = tmp_path / f"layer{adapter.suffix('state_dict')}"
    module = nn.Linear(2, 3)
    adapter.save(module, "state_dict", path)
    assert torch.equal(adapter.restore(nn.Linear(2, 3), "state_dict", path).weight, module.weight)
    with pytest.raises(RuntimeError, match="Missing key"):
        adapter.restore(nn.Sequential(nn.Linear(2, 3)), "state_dict", path)


class Payload:
    """Unpickled, it leaves a trace."""

    ran = False

    def __reduce__(self):
        return setattr, (Payload, "ran", True)


def test_the_file_of_a_state_dict_runs_no_code(adapter, tmp_path):
    path = tmp_path / "layer.pth"
    torch.save({"weight": Payload()}, path)
    with pytest.raises(pickle.UnpicklingError):
        adapter.restore(nn.Linear(2, 3), "state_dict", path)
    assert not Payload.ran


def test_torch_load_by_default_refuses_a_module_that_the_route_module_takes(adapter, tmp_path):
    path = tmp_path / "layer.pt"
    adapter.save(nn.Linear(2, 3), "module_default", path)
    assert isinstance(adapter.restore(None, "module", path), nn.Linear)
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        adapter.restore(None, "module_default", path)


def test_torch_load_by_default_takes_a_module_of_classes_known_to_be_safe(adapter, tmp_path):
    path = tmp_path / "layer.pt"
    module = nn.Linear(2, 3)
    adapter.save(module, "module_default", path)
    with torch.serialization.safe_globals([nn.Linear]):
        restored = adapter.restore(None, "module_default", path)
    assert torch.equal(restored.weight, module.weight)


def test_safetensors_that_are_not_installed_are_named(adapter, monkeypatch):
    assert all(adapter.needs(route) is None for route in adapter.routes if route != "safetensors")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert adapter.needs("safetensors") == "safetensors"
