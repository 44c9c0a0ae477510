"""PyTorch's .pt and .pth, weights only: tensors in dicts and lists, read by PyTorch itself."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.state import StateError, as_dtype

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> dict[str, Any]:
    """What ``torch.save`` wrote of a dict. No code that the file names is run.

    Raises FormatError, also for what is more than weights.
    """
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise FormatError(
            f"{path} needs PyTorch, which is not installed: pip install torch"
        ) from error
    try:
        loaded = torch.load(str(path), map_location="cpu", weights_only=True)
    except Exception as error:
        said = " ".join(str(error).split())
        raise FormatError(f"{path} is no .pt file of weights alone: {said:.300}") from error
    if not isinstance(loaded, dict):
        raise FormatError(f"{path} holds a {type(loaded).__name__}: expected a state_dict")
    values: dict[str, Any] = _plain(loaded, torch, path)
    return values


def _plain(value: Any, torch: Any, path: Path) -> Any:
    if isinstance(value, torch.Tensor):
        return _array(value.detach(), torch, path)
    if isinstance(value, dict):
        return {str(key): _plain(item, torch, path) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item, torch, path) for item in value)
    return value


def _array(tensor: Any, torch: Any, path: Path) -> np.ndarray[Any, Any]:
    name = str(tensor.dtype).partition(".")[2]
    try:
        dtype = as_dtype(name)
    except StateError as error:
        raise FormatError(f"{path}: a tensor is {name}: {error}") from error
    plain = tensor.contiguous()
    if dtype.isbuiltin == 1:
        return np.asarray(plain.numpy())
    bits = torch.uint8 if dtype.itemsize == 1 else torch.int16
    return np.asarray(plain.view(bits).numpy().view(dtype))
