"""fluxnp's own loader: takes what any release saved, and refuses what does not fit.

Three ways out where a release of Flux would refuse an old state:

1. a source whose fields are a subset is accepted: static fields that it lacks stay as the layer
   was built;
2. what old states looked like is known (``_OLD``) and put into today's shape first;
3. an array field that came later has a default (``_DEFAULTS``).

As in Flux, static values in the file are not loaded: stride, pad and the like are the
constructor's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fluxnp.errors import ArgumentError, DimensionMismatch
from fluxnp.layer import Layer, children

Array = np.ndarray[Any, Any]
Old = Callable[[Any], Any]


def _without_running_state(source: Any) -> Any:
    # Until 0.14 the running state was saved beside the cell. It is no parameter: a sequence
    # starts from the cell's state0.
    if isinstance(source, dict) and set(source) == {"cell", "state"}:
        return {"cell": source["cell"]}
    return source


def _renamed(**names: str) -> Old:
    def rename(source: Any) -> Any:
        if not isinstance(source, dict):
            return source
        return {
            names[key] if key in names and names[key] not in source else key: value
            for key, value in source.items()
        }

    return rename


def _once_empty(source: Any) -> Any:
    return {} if isinstance(source, tuple) and not source else source


_OLD: dict[str, Old] = {
    "RNN": _without_running_state,
    "LSTM": _without_running_state,
    "GRU": _without_running_state,
    "RNNCell": _renamed(b="bias"),  # until 0.14
    "LSTMCell": _renamed(b="bias"),
    "Dense": _renamed(W="weight", b="bias"),  # until 0.11
    "MaxPool": _once_empty,  # until 0.14
    "MeanPool": _once_empty,
    "AdaptiveMaxPool": _once_empty,
    "AdaptiveMeanPool": _once_empty,
}

#: Array fields that came later, with the value that old states imply.
_DEFAULTS: dict[tuple[str, str], float] = {
    ("RNNCell", "state0"): 0.0,
    ("LSTMCell", "state0"): 0.0,
    ("GRUCell", "state0"): 0.0,
}


class _Plan:
    """What to copy where, complete before the first array is touched."""

    def __init__(self) -> None:
        self.copies: dict[int, tuple[Array, Array, str]] = {}

    def add(self, target: Array, value: Any, path: str) -> None:
        source = np.broadcast_to(np.asarray(value, target.dtype), target.shape)
        known = self.copies.setdefault(id(target), (target, source, path))
        if not np.array_equal(known[1], source, equal_nan=True):
            raise ArgumentError(
                f"{known[2]} and {path} are one array in the layer; the checkpoint has two "
                f"different ones"
            )

    def carry_out(self) -> None:
        for target, source, _ in self.copies.values():
            np.copyto(target, source)


def load(layer: Any, source: Any) -> None:
    """Load a state of any release into the layer, in place.

    Raises ArgumentError (unknown fields, missing arrays, another structure, tied arrays that
    differ) or DimensionMismatch, naming the place, before anything is loaded.
    """
    plan = _Plan()
    _visit(layer, source, "", plan)
    plan.carry_out()


def _visit(target: Any, source: Any, path: str, plan: _Plan) -> None:
    if isinstance(target, Layer):
        _visit_layer(target, source, path, plan)
    elif isinstance(target, np.ndarray):
        _visit_array(target, source, path, plan)
    elif _is_structure(target):
        _visit_container(target, source, path, plan)
    elif target is False and isinstance(source, np.ndarray):
        if np.any(source):
            raise ArgumentError(
                f"{_at(path)} is switched off (false) in the layer; the checkpoint has an array "
                f"that is not zero"
            )
    elif _has_arrays(source):
        raise ArgumentError(f"the checkpoint has arrays at {_at(path)}, where the layer keeps none")


def _visit_layer(layer: Layer, source: Any, path: str, plan: _Plan) -> None:
    kind = type(layer).__name__
    parts = children(layer)
    if parts is None:
        if _has_arrays(source):
            raise ArgumentError(f"the checkpoint has arrays at {_at(path)}; {kind} has none")
        return
    source = _OLD.get(kind, lambda same: same)(source)
    if not isinstance(source, dict):
        raise ArgumentError(
            f"{_at(path)} is {kind} with the fields {', '.join(parts)}; the checkpoint has "
            f"{_described(source)} there"
        )
    unknown = [name for name in source if name not in parts]
    if unknown:
        raise ArgumentError(
            f"the checkpoint has {', '.join(unknown)} at {_at(path)}, which {kind} of this "
            f"fluxnp does not know: it has {', '.join(parts)}. Was it saved by a newer release?"
        )
    for name, part in parts.items():
        place = f"{path}/{name}" if path else name
        if name in source:
            _visit(part, source[name], place, plan)
        elif (kind, name) in _DEFAULTS:
            for array in _arrays(part):
                plan.add(array, _DEFAULTS[kind, name], place)
        elif _has_arrays(part):
            raise ArgumentError(
                f"the checkpoint lacks {place}, whose values {kind} cannot do without; "
                f"it has {', '.join(source) or 'no fields'} there"
            )


def _visit_array(target: Array, source: Any, path: str, plan: _Plan) -> None:
    if isinstance(source, (bool, np.bool_)) and not source:
        plan.add(target, 0, path)  # a parameter that was switched off
        return
    if not isinstance(source, np.ndarray):
        raise ArgumentError(
            f"{_at(path)} is an array in the layer; the checkpoint has {_described(source)}"
        )
    if source.shape != target.shape:
        raise DimensionMismatch(
            f"{_at(path)} has size {target.shape} in the layer, {source.shape} in the checkpoint"
        )
    if source.dtype != target.dtype and not np.can_cast(source.dtype, target.dtype, "same_kind"):
        raise ArgumentError(
            f"{_at(path)} is {target.dtype} in the layer, {source.dtype} in the checkpoint"
        )
    plan.add(target, source, path)


def _visit_container(target: Any, source: Any, path: str, plan: _Plan) -> None:
    if isinstance(target, dict):
        same = isinstance(source, dict) and set(source) == set(target)
        pairs = [(name, target[name]) for name in target]
    else:
        same = isinstance(source, (tuple, list)) and len(source) == len(target)
        pairs = list(enumerate(target))
    if not same:
        raise ArgumentError(
            f"{_at(path)} is {_described(target)} in the layer; the checkpoint has "
            f"{_described(source)}"
        )
    for key, part in pairs:
        _visit(part, source[key], f"{path}/{key}" if path else str(key), plan)


def _arrays(value: Any) -> list[Array]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Layer):
        value = children(value) or ()
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in _arrays(part)]
    return []


def _has_arrays(value: Any) -> bool:
    return bool(_arrays(value))


def _is_structure(value: Any) -> bool:
    """Whether a value has parts of its own; a tuple of numbers, such as a stride, has none."""
    if isinstance(value, tuple):
        return any(
            callable(part) or isinstance(part, np.ndarray) or _is_structure(part) for part in value
        )
    return isinstance(value, dict)


def _at(path: str) -> str:
    return path or "the top"


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of size {value.shape}"
    if isinstance(value, dict):
        return f"the fields {', '.join(map(str, value)) or '(none)'}"
    if isinstance(value, (tuple, list)):
        return f"a tuple of {len(value)}"
    return repr(value)
