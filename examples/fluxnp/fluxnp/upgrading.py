"""fluxnp's own loader: takes what any release saved, and refuses what does not fit.

Old states are brought to today's fields first, by the steps of ``migrations``. What the steps
leave is loaded with two liberties that no release of Flux has: static fields that the state
lacks stay as the layer was built, and either everything is loaded or nothing.

As in Flux, static values in the file are not loaded: stride, pad and the like are the
constructor's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fluxnp import releases
from fluxnp.errors import ArgumentError, DimensionMismatch
from fluxnp.layer import Layer, children
from fluxnp.saving import state as state_of
from pytest_ckptcompat.migrations import MigrationError, Migrations, State

Array = np.ndarray[Any, Any]

# A state of Flux does not say which release saved it, so every step meets the states of all
# releases and looks for the fields that it is about: in the state, and in today's layer, which
# stands in ``state.like``.
migrations = Migrations(base="0.11.0", current=releases.NEWEST)


@migrations.step("0.12.0", where=lambda state: "W" in state.surplus and _is_dense(state.like))
def name_the_weight_of_dense(state: State) -> State:
    return state.renamed("W", "weight")


@migrations.step("0.12.0", where=lambda state: "b" in state.surplus and _is_dense(state.like))
def name_the_bias_of_dense(state: State) -> State:
    return state.renamed("b", "bias")


@migrations.step("0.14.17", where=lambda state: "outpad" in state.lacking and "σ" in state.like)
def add_outpad(state: State) -> State:
    return state.added("outpad", (0,) * len(state.like["outpad"]))


@migrations.step("0.15.0", where=lambda state: not state and _is_pool(state.like))
def save_the_sizes_of_pools(state: State) -> State:
    for name in state.like:
        state = state.added(name, state.like[name])
    return state


# The running state is no parameter: a sequence starts from the cell's state0.
@migrations.step(
    "0.15.0", where=lambda state: state.keys() == {"cell", "state"} and _is_recurrent(state.like)
)
def forget_the_running_state(state: State) -> State:
    return state.removed("state")


@migrations.step("0.15.0", where=lambda state: "b" in state.surplus and _is_cell(state.like))
def name_the_bias_of_cells(state: State) -> State:
    return state.renamed("b", "bias")


@migrations.step("1.0.0", where=lambda state: "state0" in state.lacking and _is_cell(state.like))
def start_from_zero(state: State) -> State:
    return state.added("state0", _zeros(state.like["state0"]))


def _is_dense(like: State) -> bool:
    return like.keys() == {"weight", "bias", "σ"}


def _is_pool(like: State) -> bool:
    # Names do not tell them from a Chain of parts with these names: sizes do.
    alike = like.keys() in ({"k", "pad", "stride"}, {"out"})
    return alike and all(isinstance(size, tuple) and size for size in like.values())


def _is_recurrent(like: State) -> bool:
    return like.keys() == {"cell"} and "cell/Wi" in like


def _is_cell(like: State) -> bool:
    return {"Wi", "Wh", "state0"} <= like.keys()


def _zeros(value: Any) -> Any:
    return tuple(map(_zeros, value)) if isinstance(value, tuple) else np.zeros_like(value)


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
    try:
        source = migrations.apply(source, like=state_of(layer))
    except MigrationError as error:
        raise ArgumentError(str(error)) from error
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
