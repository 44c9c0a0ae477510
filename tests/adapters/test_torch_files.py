"""PyTorch's files of weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="files of PyTorch are read by PyTorch")

from pytest_ckptcompat.formats import FormatError, files  # noqa: E402


def test_a_state_dict_is_read_as_a_tree(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.save(module.state_dict(), tmp_path / "a.pt")
    state = files.read_state(tmp_path / "a.pt")
    assert list(state) == ["0", "1"]
    assert list(state["1"])[-1] == "num_batches_tracked"
    np.testing.assert_array_equal(state["0"]["weight"], module[0].weight.detach().numpy())


def test_the_state_may_be_one_variable_of_a_training_checkpoint(tmp_path):
    module = torch.nn.Linear(3, 2)
    torch.save({"epoch": 3, "model": module.state_dict()}, tmp_path / "a.pth")
    assert list(files.read_state(tmp_path / "a.pth", key="model")) == ["weight", "bias"]


def test_bfloat16_keeps_its_bits(tmp_path):
    tensor = torch.tensor([1.5, -0.0, float("nan")], dtype=torch.bfloat16)
    torch.save({"w": tensor}, tmp_path / "a.pt")
    found = files.read(tmp_path / "a.pt")["w"]
    assert found.dtype.name == "bfloat16"
    assert found.view("i2").tolist() == tensor.view(torch.int16).tolist()


def test_a_pickled_module_is_not_unpickled(tmp_path):
    torch.save(torch.nn.Linear(3, 2), tmp_path / "a.pt")
    with pytest.raises(FormatError, match=r"is no \.pt file of weights alone"):
        files.read(tmp_path / "a.pt")
