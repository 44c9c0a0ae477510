"""The adapter of Haiku libraries: layers are transformed functions with their params and state.

Self-contained: Python 3.8, standard library, NumPy, JAX and Haiku only.
"""

from __future__ import annotations

import functools
import importlib
import pickle
import random
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Sequence, Tuple

import numpy as np


class HaikuAdapter:
    """Puts params and state into ``apply``.

    A recipe returns a transformed function, which is initialised with the recipe's inputs; or
    beside it what ``init`` gave: ``(net, params)`` for ``haiku.transform``, ``(net, params,
    state)`` for ``haiku.transform_with_state``. The state tree has ``params`` and ``state``, each
    by the parts of a module's name (``mlp/~/linear_0``) and by the parameter's. These names stay
    as they are: ``apply`` finds the parameters by them, and each transformed function counts its
    modules from zero.

    There is no loader but ``apply`` itself, which ignores what no module asks for: a layer is
    given the parameters that a fresh one has as well.
    """

    routes: Tuple[str, ...] = ("state", "pickle")

    def __init__(self) -> None:
        self._jax: Any = importlib.import_module("jax")
        self._numpy: Any = importlib.import_module("jax.numpy")
        try:
            self._haiku: Any = importlib.import_module("haiku")
        except ModuleNotFoundError as error:
            # Its distribution has another name, and that is what people install.
            name = "dm-haiku" if error.name == "haiku" else error.name
            raise ImportError(str(error), name=name) from error
        self._stateless = self._kinds("Transformed", "MultiTransformed")
        self._stateful = self._kinds("TransformedWithState", "MultiTransformedWithState")

    def _kinds(self, *names: str) -> Tuple[Any, ...]:
        return tuple(getattr(self._haiku, name) for name in names if hasattr(self._haiku, name))

    def carries_statics(self, route: str) -> bool:  # noqa: ARG002  there are none
        return False

    def goes_by_name(self, route: str) -> bool:  # noqa: ARG002  every route does
        return True

    def suffix(self, route: str) -> Any:
        return {"pickle": ".pkl"}.get(route)

    def save(self, layer: Any, route: str, path: Any) -> None:  # noqa: ARG002  there is one
        given = self._jax.tree_util.tree_map(np.asarray, layer[1:])
        Path(path).write_bytes(pickle.dumps(given, protocol=4))

    def restore(self, layer: Any, route: str, path: Any) -> Any:  # noqa: ARG002
        """The layer with what a file has. It is unpickled, which runs whatever code the file
        names: a recipe opts in to it."""
        given = pickle.loads(Path(path).read_bytes())  # noqa: S301  opted in to
        return self._taken(layer, [_nested(_plain(part)) for part in given])

    def seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  JAX itself is given keys

    def start(self, layer: Any, args: Any, kwargs: Mapping[str, Any], call: Any) -> Any:  # noqa: ARG002
        """A transformed function alone with what ``init`` makes of the inputs."""
        if not self._wanted(layer):
            return layer
        given = [self._inputs(value) for value in args]
        named = {key: self._inputs(value) for key, value in kwargs.items()}
        made = layer.init(self._jax.random.PRNGKey(0), *given, **named)
        return (layer, *made) if isinstance(made, tuple) else (layer, made)

    def prepare(self, layer: Any) -> Any:
        """The function with its params and state. Haiku has no inference mode to set: what a
        module is told at each call (``is_training``) is the recipe's."""
        if isinstance(layer, tuple) and layer:
            net, *given = layer
            if len(given) == 1 and isinstance(given[0], tuple):
                given = list(given[0])
            wanted = self._wanted(net)
            if wanted and len(given) == wanted and all(isinstance(p, Mapping) for p in given):
                return (net, *given)
        raise TypeError(
            "the haiku adapter takes what haiku.transform or haiku.transform_with_state gives, or "
            "(net, params) or (net, params, state): return net, or net, *net.init(key, ...)"
        )

    def _wanted(self, net: Any) -> int:
        """How many trees a transformed function is applied to; none for anything else."""
        if isinstance(net, self._stateful):
            return 2
        return 1 if isinstance(net, self._stateless) else 0

    # State

    def state(self, layer: Any) -> Any:
        arrays: Dict[int, Any] = {}

        def kept(leaf: Any) -> Any:
            return arrays.setdefault(id(leaf), (leaf, self._array(leaf)))[1]

        trees = [self._jax.tree_util.tree_map(kept, _plain(part)) for part in layer[1:]]
        return dict(zip(("params", "state"), map(_nested, trees)))

    def load(self, layer: Any, state: Any, route: str) -> Any:  # noqa: ARG002  others read files
        return self._taken(layer, list(state.values()))

    def checkpoint(self, layer: Any, state: Any) -> Any:
        """What users save: params, or params and state, as nested dicts of NumPy arrays."""
        saved = [_flat(part, _places(_plain(own))) for own, part in zip(layer[1:], state.values())]
        return tuple(saved) if len(saved) > 1 else saved[0]

    def _taken(self, layer: Any, saved: Sequence[Mapping[str, Any]]) -> Any:
        """The layer with those of the saved parameters that a module of it asks for."""
        net, *given = layer
        if len(saved) != len(given):
            raise ValueError(
                f"{len(saved)} trees were saved (of params and state), and this function is "
                f"applied to {len(given)}"
            )
        return (net, *map(self._merged, map(_plain, given), saved))

    def _merged(self, fresh: Mapping[str, Any], saved: Mapping[str, Any]) -> Dict[str, Any]:
        merged: Dict[str, Dict[str, Any]] = {}
        for path, (module, name) in _places(fresh).items():
            value = functools.reduce(_part, path, saved)
            if value is not None:
                merged.setdefault(module, {})[name] = self._leaf(fresh[module][name], value)
        return merged

    def _leaf(self, now: Any, value: Any) -> Any:
        """A saved parameter or entry of the state: an array, a key, or a tree of arrays."""
        if self._is_key(now):
            impl = self._jax.random.key_impl(now)
            return self._jax.random.wrap_key_data(self._numpy.asarray(value), impl=impl)
        return self._jax.tree_util.tree_map(self._numpy.asarray, value)

    def _is_key(self, array: Any) -> bool:
        kind = getattr(self._jax.dtypes, "prng_key", None)
        dtype = getattr(array, "dtype", None)
        return bool(kind and dtype is not None and self._jax.dtypes.issubdtype(dtype, kind))

    def _array(self, leaf: Any) -> np.ndarray[Any, Any]:
        return np.asarray(self._jax.random.key_data(leaf) if self._is_key(leaf) else leaf)

    # Forward

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        """The outputs of ``apply`` without a random key; with a name in ``call``, of that function
        of a ``multi_transform``; with a function, of that on what the recipe returns."""
        given = [self._inputs(value) for value in args]
        named = {key: self._inputs(value) for key, value in kwargs.items()}
        if callable(call):
            return self._outputs(call(layer, *given, **named))
        apply = layer[0].apply if call is None else getattr(layer[0].apply, call)
        return self._outputs(apply(*layer[1:], None, *given, **named))

    def double(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        """The outputs in double precision."""
        # A release has this switch in one place or the other.
        older: Any = importlib.import_module("jax.experimental")
        newer = getattr(self._jax, "enable_x64", None)
        with older.enable_x64() if newer is None else newer(True):
            given = self._jax.tree_util.tree_map(self._wide, tuple(layer[1:]))
            return self.forward((layer[0], *given), args, kwargs, call)

    def _wide(self, leaf: Any) -> Any:
        if self._is_key(leaf):
            return leaf
        for kind, dtype in (("complexfloating", np.complex128), ("floating", np.float64)):
            if self._numpy.issubdtype(leaf.dtype, getattr(self._numpy, kind)):
                return leaf.astype(dtype)
        return leaf

    def _inputs(self, value: Any) -> Any:
        return self._jax.tree_util.tree_map(
            lambda leaf: self._numpy.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, value
        )

    def _outputs(self, value: Any) -> Any:
        if isinstance(value, (self._jax.Array, np.ndarray)):
            return np.array(self._array(value))
        if isinstance(value, Mapping):
            return {key: self._outputs(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._outputs(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value


def _plain(part: Mapping[str, Any]) -> Dict[str, Any]:
    """Haiku's own mappings as dicts."""
    return {key: _plain(v) if isinstance(v, Mapping) else v for key, v in part.items()}


def _nested(part: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Parameters by the parts of their module's name, then by their own.

    Where a part is the name of a parameter as well, the module's name stays in one piece.
    """
    tree: Dict[str, Any] = {}
    for module, own in part.items():
        if not _is_free(tree, module.split("/"), own):
            tree[module] = dict(own)
            continue
        node = functools.reduce(lambda at, key: at.setdefault(key, {}), module.split("/"), tree)
        node.update(own)
    return tree


def _is_free(tree: Dict[str, Any], parts: Sequence[str], own: Mapping[str, Any]) -> bool:
    node: Any = tree
    for part in parts:
        node = node.get(part, {})
        if not isinstance(node, dict):
            return False
    return not any(name in node for name in own)


def _part(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, Mapping) else None


def _places(part: Mapping[str, Mapping[str, Any]]) -> Dict[Tuple[str, ...], Tuple[str, str]]:
    """Where each parameter stands in the tree, with its module's name and its own."""
    names = {module: {name: (module, name) for name in own} for module, own in part.items()}
    return dict(_walk(_nested(names), ()))


def _flat(
    tree: Mapping[str, Any], known: Mapping[Tuple[str, ...], Tuple[str, str]]
) -> Dict[str, Dict[str, Any]]:
    """Parameters by their module's name, then by their own: the inverse of ``_nested``.

    An entry of the state may be a tree itself, which is seen where the layer has it.
    """
    flat: Dict[str, Dict[str, Any]] = {}
    for path, _ in _walk(tree, ()):
        whole = [path[:end] for end in range(1, len(path)) if path[:end] in known]
        place = whole[0] if whole else path
        module, name = known.get(place, ("/".join(place[:-1]), place[-1]))
        flat.setdefault(module, {})[name] = functools.reduce(_part, place, tree)
    return flat


def _walk(node: Any, path: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], Any]]:
    if not isinstance(node, Mapping):
        yield path, node
        return
    for key, item in node.items():
        yield from _walk(item, (*path, key))
