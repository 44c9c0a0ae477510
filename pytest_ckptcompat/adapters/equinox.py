"""The adapter of Equinox libraries: layers are ``equinox.Module`` objects, or any PyTree of them.

Self-contained: Python 3.8, standard library, NumPy, JAX and Equinox (0.10 and later) only.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import pickle
import random
import types
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

_SCALARS = (bool, int, float, complex, np.generic)
_LITERALS = (str, bytes, enum.Enum, type, np.dtype)
#: Where users find JAX's own functions, whichever private module has them in a release.
_PUBLIC = ("numpy", "nn", "lax", "scipy.special", "nn.initializers", "random")
_Route = Tuple[Any, ...]


class EquinoxAdapter:
    """Reads and restores modules through the leaves file, their state tree, or pickle.

    The state of a module is a dict of its fields, in the order in which they are declared: arrays
    (of random keys, their data), numbers, and static values, functions by their names; modules
    within it likewise. A recipe may return ``(module, state)``, as ``equinox.nn.make_with_state``
    gives it: the state tree has both, and in ``state`` each entry stands under the path of its
    ``StateIndex`` within the module, since its own key is made by the release.
    """

    routes: Tuple[str, ...] = ("leaves", "state", "pickle")

    def __init__(self) -> None:
        self._eqx: Any = importlib.import_module("equinox")
        self._jax: Any = importlib.import_module("jax")
        self._numpy: Any = importlib.import_module("jax.numpy")
        # Releases before 0.10.5 kept their state elsewhere.
        self._state_types: Any = getattr(self._eqx.nn, "State", ())
        self._index_types: Any = getattr(self._eqx.nn, "StateIndex", ())

    def carries_statics(self, route: str) -> bool:
        return route == "pickle"

    def goes_by_name(self, route: str) -> bool:
        return route != "leaves"

    def suffix(self, route: str) -> Any:
        return {"leaves": ".eqx", "pickle": ".pkl"}.get(route)

    def save(self, layer: Any, route: str, path: Any) -> None:
        if route == "pickle":
            Path(path).write_bytes(pickle.dumps(layer, protocol=4))
        else:
            self._eqx.tree_serialise_leaves(str(path), layer)

    def restore(self, layer: Any, route: str, path: Any) -> Any:
        """The layer read from a file. The route ``pickle`` runs whatever code the file names: a
        recipe opts in to it."""
        if route == "pickle":
            return pickle.loads(Path(path).read_bytes())  # noqa: S301  opted in to
        return self._eqx.tree_deserialise_leaves(str(path), layer)

    def seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  JAX itself is given keys

    def prepare(self, layer: Any) -> Any:
        if not self._has_module(layer):
            raise TypeError(
                f"the equinox adapter takes an equinox.Module, or (module, state), not a "
                f"{_type_name(layer)}: return the module itself, or use another adapter"
            )
        off = getattr(self._eqx.nn, "inference_mode", None) or self._eqx.tree_inference
        if self._is_stateful(layer):
            return off(layer[0], True), layer[1]
        return off(layer, True)

    def _has_module(self, layer: Any) -> bool:
        is_module = lambda value: isinstance(value, self._eqx.Module)  # noqa: E731
        return any(map(is_module, self._jax.tree_util.tree_leaves(layer, is_leaf=is_module)))

    def _is_stateful(self, layer: Any) -> bool:
        is_pair = isinstance(layer, tuple) and len(layer) == 2
        return is_pair and isinstance(layer[1], self._state_types)

    # State

    def state(self, layer: Any) -> Any:
        arrays: Dict[int, Any] = {}

        def kept(leaf: Any) -> Any:
            if isinstance(leaf, (self._jax.Array, np.ndarray)):
                return arrays.setdefault(id(leaf), (leaf, self._array(leaf)))[1]
            return leaf if isinstance(leaf, _SCALARS) else self._static(leaf, ())

        leaves, _, tree = self._slots(layer)
        return _filled(tree, [kept(leaf) for leaf in leaves])

    def load(self, layer: Any, state: Any, route: str) -> Any:  # noqa: ARG002  others read files
        """The layer with every leaf of the state: both have the same ones, of one form."""
        leaves, treedef, tree = self._slots(layer)
        places = {slot: path for path, slot in _walk(tree, ()) if isinstance(slot, _Slot)}
        saved = dict(_walk(state, ()))
        known = {path for path, _ in _walk(tree, ())}
        surplus = [path for path in saved if path not in known and _is_data(saved[path])]
        if surplus:
            raise ValueError(f"the module has no {_listed(surplus)}, which the state has")
        restored = list(leaves)
        made: Dict[int, Any] = {}
        for slot, path in places.items():
            if _is_data(leaves[slot.number]) or self._is_array(leaves[slot.number]):
                if not _is_data(saved.get(path)):
                    raise ValueError(f"the state has no {_listed([path])}, which the module has")
                now = self._leaf(leaves[slot.number], saved[path], path)
                restored[slot.number] = made.setdefault(id(saved[path]), (saved[path], now))[1]
        return self._jax.tree_util.tree_unflatten(treedef, restored)

    def _leaf(self, now: Any, value: Any, path: _Route) -> Any:
        """A saved leaf as the layer has it. Raises ValueError where its form is another."""
        if not self._is_array(now):
            if type(value) is not type(now):
                raise ValueError(_another(path, f"a {_type_name(now)}", f"a {_type_name(value)}"))
            return value
        mine = self._array(now)
        if not isinstance(value, np.ndarray) or _form(value) != _form(mine):
            raise ValueError(_another(path, _form(mine), _form(value)))
        if isinstance(now, np.ndarray):
            return value
        if self._is_key(now):
            impl = self._jax.random.key_impl(now)
            return self._jax.random.wrap_key_data(self._numpy.asarray(value), impl=impl)
        return self._numpy.asarray(value)

    def _is_array(self, leaf: Any) -> bool:
        return isinstance(leaf, (self._jax.Array, np.ndarray))

    def _is_key(self, array: Any) -> bool:
        kind = getattr(self._jax.dtypes, "prng_key", None)
        return kind is not None and self._jax.dtypes.issubdtype(array.dtype, kind)

    def _array(self, leaf: Any) -> np.ndarray[Any, Any]:
        if not isinstance(leaf, np.ndarray) and self._is_key(leaf):
            leaf = self._jax.random.key_data(leaf)
        return np.asarray(leaf)

    def _slots(self, layer: Any) -> Tuple[List[Any], Any, Any]:
        """The leaves as JAX orders them, their tree's definition, and the state tree with a slot
        in the place of each leaf."""
        leaves, treedef = self._jax.tree_util.tree_flatten(layer)
        slotted = self._jax.tree_util.tree_unflatten(treedef, map(_Slot, range(len(leaves))))
        indices: Dict[Any, str] = {}
        if not self._is_stateful(layer):
            return leaves, treedef, self._node(slotted, (), leaves, indices)
        # The module first: it tells what the entries of the state are called.
        model = self._node(slotted[0], (), leaves, indices)
        state = self._node(slotted[1], (), leaves, indices)
        return leaves, treedef, {"model": model, "state": state}

    def _node(self, value: Any, path: _Route, leaves: List[Any], indices: Dict[Any, str]) -> Any:
        """A part of the layer as dicts, lists, tuples, slots and static values."""

        def inner(item: Any, key: Any) -> Any:
            return self._node(item, (*path, key), leaves, indices)

        if isinstance(value, _Slot) or value is None:
            return value
        if isinstance(value, self._index_types):
            return self._index(value, path, leaves, indices)
        if isinstance(value, self._state_types):
            entries = value._state  # noqa: SLF001  there is no other way to read it
            names = {key: indices.get(_hashed(key), str(n)) for n, key in enumerate(entries)}
            return {names[key]: inner(item, names[key]) for key, item in entries.items()}
        if isinstance(value, self._eqx.Module):
            return self._module(value, inner)
        if isinstance(value, dict):
            return {_key(key): inner(item, key) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [inner(item, number) for number, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        children = self._jax.tree_util.tree_leaves(value, is_leaf=lambda part: part is not value)
        return [inner(item, number) for number, item in enumerate(children)]

    def _module(self, module: Any, inner: Any) -> Dict[str, Any]:
        node: Dict[str, Any] = {}
        for field in dataclasses.fields(module):
            if field.name not in vars(module):
                continue
            value = vars(module)[field.name]
            is_static = field.metadata.get("static", False)
            node[field.name] = self._static(value, ()) if is_static else inner(value, field.name)
        return node

    def _index(self, index: Any, path: _Route, leaves: List[Any], indices: Dict[Any, str]) -> Any:
        """Where a layer's state is kept: its key is made by the release, and says nothing."""
        marker = index.marker
        marker = leaves[marker.number] if isinstance(marker, _Slot) else marker
        indices.setdefault(_hashed(marker), ".".join(map(str, path)))
        init = self._node(index.init, (*path, "init"), leaves, indices)
        has_data = any(
            _is_data(leaves[slot.number]) or self._is_array(leaves[slot.number])
            for _, slot in _walk(init, ())
            if isinstance(slot, _Slot)
        )
        return {"init": init} if has_data else "StateIndex"

    def _static(self, value: Any, above: Tuple[int, ...]) -> Any:
        """A static field, or a leaf that is no number, as static values or dicts and lists."""
        if value is None or isinstance(value, (*_SCALARS, *_LITERALS)):
            return value
        if self._is_array(value):
            return ("array, static", str(value.dtype), tuple(value.shape))
        if id(value) in above:
            return ("object", type(value))
        above = (*above, id(value))
        if isinstance(value, functools.partial):
            value = {"function": value.func, "args": value.args, "keywords": value.keywords}
        elif isinstance(value, types.MethodType):
            value = value.__func__
        if isinstance(value, dict):
            return {_key(key): self._static(item, above) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._static(item, above) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, (set, frozenset)):
            return tuple(sorted((self._static(item, above) for item in value), key=repr))
        if callable(value) and hasattr(value, "__name__"):
            return self._function(value)
        if dataclasses.is_dataclass(value):
            fields = (field.name for field in dataclasses.fields(value))
            return {name: self._static(getattr(value, name, None), above) for name in fields}
        return ("object", type(value))

    def _function(self, function: Any) -> Any:
        """JAX's functions by the name that users call them by; others are kept as they are."""
        name = function.__name__
        if str(getattr(function, "__module__", None)).partition(".")[0] not in ("jax", "jaxlib"):
            return function
        for place in _PUBLIC:
            module = functools.reduce(
                lambda at, part: getattr(at, part, None), place.split("."), self._jax
            )
            if getattr(module, name, None) is function:
                return f"jax.{place}.{name}"
        return f"{function.__module__}.{getattr(function, '__qualname__', name)}"

    # Forward

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        given = [self._inputs(value) for value in args]
        named = {key: self._inputs(value) for key, value in kwargs.items()}
        # A state that was updated cannot be read again: what runs gets a copy.
        leaves, treedef = self._jax.tree_util.tree_flatten(layer)
        layer = self._jax.tree_util.tree_unflatten(treedef, leaves)
        if callable(call):
            outputs = call(layer, *given, **named)
        else:
            module = layer[0] if self._is_stateful(layer) else layer
            run = module if call is None else getattr(module, call)
            outputs = run(*given, *([layer[1]] if self._is_stateful(layer) else []), **named)
        return self._outputs(outputs)

    def double(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        """The outputs in double precision."""
        # A release has this switch in one place or the other.
        older: Any = importlib.import_module("jax.experimental")
        newer = getattr(self._jax, "enable_x64", None)
        with older.enable_x64() if newer is None else newer(True):
            widened = self._jax.tree_util.tree_map(self._wide, layer)
            return self.forward(widened, args, kwargs, call)

    def _wide(self, leaf: Any) -> Any:
        if not self._is_array(leaf) or self._is_key(leaf):
            return leaf
        for kind, dtype in (("complexfloating", np.complex128), ("floating", np.float64)):
            if self._numpy.issubdtype(leaf.dtype, getattr(self._numpy, kind)):
                return leaf.astype(dtype)
        return leaf

    def _inputs(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._numpy.asarray(value)
        if isinstance(value, dict):
            return {key: self._inputs(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._inputs(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return value

    def _outputs(self, value: Any) -> Any:
        if self._is_array(value):
            # A copy: a layer may give an array of its own.
            return np.array(self._array(value))
        if isinstance(value, self._state_types):
            return [self._outputs(leaf) for leaf in self._jax.tree_util.tree_leaves(value)]
        if isinstance(value, self._eqx.Module):
            return self.state(value)
        if isinstance(value, Mapping):
            return {key: self._outputs(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._outputs(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value


@dataclasses.dataclass(frozen=True)
class _Slot:
    """The place of a leaf, by its number."""

    number: int


def _walk(node: Any, path: _Route) -> List[Tuple[_Route, Any]]:
    """The leaves of a tree of dicts, lists and tuples, with their paths."""
    if isinstance(node, dict):
        pairs: List[Tuple[Any, Any]] = list(node.items())
    elif isinstance(node, (list, tuple)):
        pairs = list(enumerate(node))
    else:
        return [(path, node)]
    return [found for key, item in pairs for found in _walk(item, (*path, key))]


def _filled(node: Any, leaves: List[Any]) -> Any:
    """The tree with each slot's leaf."""
    if isinstance(node, _Slot):
        return leaves[node.number]
    if isinstance(node, dict):
        return {key: _filled(item, leaves) for key, item in node.items()}
    if isinstance(node, (list, tuple)):
        items = [_filled(item, leaves) for item in node]
        return items if isinstance(node, list) else tuple(items)
    return node


def _is_data(value: Any) -> bool:
    return isinstance(value, (np.ndarray, *_SCALARS))


def _form(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return f"a {_type_name(value)}"
    return f"{value.dtype}{list(value.shape)}"


def _another(path: _Route, now: str, saved: str) -> str:
    return f"{_listed([path])} is {now} in the module, and {saved} in the state"


def _listed(paths: List[_Route]) -> str:
    return ", ".join("/".join(map(str, path)) for path in paths[:4])


def _hashed(marker: Any) -> Any:
    """What tells one marker from another."""
    return marker if isinstance(marker, (str, int)) else id(marker)


def _key(key: Any) -> Any:
    return key if isinstance(key, (str, int)) and not isinstance(key, bool) else repr(key)


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
