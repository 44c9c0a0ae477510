"""The adapter of Flax libraries, linen and nnx.

Self-contained: Python 3.8, standard library, NumPy, JAX and Flax (0.6.11 and later) only.

A recipe returns a module. That of linen is initialised with the recipe's inputs; where it needs
more for that, the recipe initialises it and returns ``(module, variables)``, or
``module.bind(variables)``. A layer of linen is that pair; functions given as ``call=`` get the
bound module.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import importlib
import inspect
import pickle
import random
import sys
from collections import abc
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

_LITERALS = (type(None), bool, int, float, complex, str, bytes, np.generic)
#: The switches of Flax's own layers, as they stand for users who only run a layer.
_SWITCHES = {"deterministic": True, "use_running_average": True}
#: The arguments by which models pass them on.
_ARGUMENTS = {**_SWITCHES, "train": False, "training": False, "is_training": False}
#: How nnx names what it keeps in modules for itself.
_INTERNAL = ("_object__", "_pytree__", "_graph__", "_module__", "__")
_SUFFIXES = {"msgpack": ".msgpack", "pickle": ".pkl"}
_Above = Tuple[int, ...]
_Tree = Dict[str, Any]


class FlaxAdapter:
    """Restores what Flax's users save.

    ``state`` is ``flax.serialization.from_state_dict``, which may ignore surplus keys; ``tree``
    wants the same tree on both sides, leaves that are None included, and the same shapes, as
    Orbax does; ``msgpack`` is a file of ``flax.serialization``; ``pickle`` is a file of the
    variables or the ``nnx.State`` itself.

    The state of a linen module is ``variables`` (its collections as ``to_state_dict`` gives
    them), ``container`` (what holds the collections, ``dict`` or ``FrozenDict``) and ``module``
    (its attributes); that of nnx is ``state`` and ``module``. Typed random keys stand as their
    data.
    """

    routes: Tuple[str, ...] = ("state", "tree", "msgpack", "pickle")

    def __init__(self) -> None:
        self._jax: Any = importlib.import_module("jax")
        self._linen: Any = importlib.import_module("flax.linen")
        self._serialization: Any = importlib.import_module("flax.serialization")
        self._keys = _Keys(self._jax)
        self._random = random.Random()  # noqa: S311  for layers, not for secrets

    def carries_statics(self, route: str) -> bool:  # noqa: ARG002  all hold variables alone
        return False

    def suffix(self, route: str) -> Any:
        return _SUFFIXES.get(route)

    def seed(self, seed: int) -> None:
        # JAX draws from keys, which recipes may make of these.
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        self._random.seed(seed)

    def start(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        if not self._is_linen(layer) or layer.scope is not None:
            return layer
        # Another one each time, so that arrays that no checkpoint holds are seen to be drawn.
        key = self._jax.random.PRNGKey(self._random.getrandbits(31))
        keys = dict(zip(("params", "dropout"), self._jax.random.split(key)))

        def first(module: Any) -> Any:
            given, named = self._inputs(tuple(args)), self._inputs(dict(kwargs))
            return _run(layer, module, given, named, call)

        with self._inference():
            return layer, layer.init(keys, method=first)

    def prepare(self, layer: Any) -> Any:
        if self._is_linen(layer):
            return layer.unbind()
        if isinstance(layer, tuple) and len(layer) == 2 and self._is_linen(layer[0]):
            if not isinstance(layer[1], abc.Mapping):
                raise TypeError(
                    f"beside {_name(type(layer[0]))} stands a {_name(type(layer[1]))}, not its "
                    f"variables: return (module, module.init(key, x))"
                )
            return layer
        if not self._is_nnx(layer):
            raise TypeError(
                f"the flax adapter takes an nnx module, or a linen module with its variables, "
                f"(module, variables); not a {_name(type(layer))}"
            )
        if callable(getattr(type(layer), "eval", None)):
            layer.eval()
        return layer

    def _is_linen(self, value: Any) -> bool:
        return isinstance(value, self._linen.Module)

    def _is_nnx(self, value: Any) -> bool:
        return _is_one_of(value, "Module", "Object", "Pytree")

    # State

    def state(self, layer: Any) -> Any:
        config = _Config(self)
        if self._is_nnx(layer):
            return {"state": self._saved(layer), "module": config.of(layer)}
        module, variables = layer
        return {
            "variables": self._saved(layer),
            "container": _name(type(variables)),
            "module": config.of(module),
        }

    def _saved(self, layer: Any) -> Any:
        """What Flax saves of a layer: nested dicts of NumPy arrays and static values."""
        return _mapped(self._plain(layer), self._keys.to_numpy)

    def _plain(self, layer: Any) -> Any:
        """The same, its arrays as the layer has them."""
        if self._is_nnx(layer):
            return _values(_nnx().state(layer))
        return self._serialization.to_state_dict(layer[1])

    # Restoring

    def load(self, layer: Any, state: Any, route: str) -> Any:
        if route == "tree":
            section = self._section(layer)
            state = {section: _fitted(self._saved(layer), state[section])}
        saved = self.checkpoint(layer, state)
        if not self._is_nnx(layer):
            return layer[0], self._serialization.from_state_dict(layer[1], saved)
        restored = self._serialization.from_state_dict(self._plain(layer), saved)
        _nnx().update(layer, _replaced(_nnx().state(layer), restored))
        return layer

    def checkpoint(self, layer: Any, state: Any) -> Any:
        """The state dict of JAX's arrays that users save, and a library's own loaders take."""
        return self._keys.like(self._plain(layer), state[self._section(layer)])

    def _section(self, layer: Any) -> str:
        return "state" if self._is_nnx(layer) else "variables"

    def save(self, layer: Any, route: str, path: Any) -> None:
        if route == "msgpack":
            content = self._serialization.msgpack_serialize(self._saved(layer))
        elif self._is_nnx(layer):
            content = pickle.dumps(_nnx().state(layer))
        else:
            content = pickle.dumps(self._jax.device_get(layer[1]))
        Path(path).write_bytes(content)

    def restore(self, layer: Any, route: str, path: Any) -> Any:
        """The layer with what a file holds. The route ``pickle`` unpickles it, which runs
        whatever code the file names: a recipe opts in to it."""
        content = Path(path).read_bytes()
        if route == "msgpack":
            saved = self._serialization.msgpack_restore(content)
            return self.load(layer, {self._section(layer): saved}, "state")
        saved = pickle.loads(content)  # noqa: S301  the recipe opted in
        if self._is_nnx(layer):
            _nnx().update(layer, saved)
            return layer
        # What users do with them: gradients and optimisers map over both trees.
        return layer[0], self._jax.tree_util.tree_map(lambda _, leaf: leaf, layer[1], saved)

    # Forward

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        given = [self._inputs(value) for value in args]
        named = {key: self._inputs(value) for key, value in kwargs.items()}
        if not self._is_nnx(layer):
            with self._inference():
                bound = layer[0].bind(layer[1])
                return self._outputs(_run(layer[0], bound, given, named, call))
        # A pass may count or cache in the module; the next one finds it as it was.
        return self._outputs(_run(layer, _nnx().clone(layer), given, named, call))

    def double(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        """The outputs in double precision."""
        # A release has this switch in one place or the other.
        older: Any = importlib.import_module("jax.experimental")
        newer = getattr(self._jax, "enable_x64", None)
        with older.enable_x64() if newer is None else newer(True):
            if self._is_nnx(layer):
                definition, state = _nnx().split(layer)
                widened = _nnx().merge(definition, self._jax.tree_util.tree_map(self._wide, state))
            else:
                widened = (layer[0], self._jax.tree_util.tree_map(self._wide, layer[1]), *layer[2:])
            return self.forward(widened, args, kwargs, call)

    def _wide(self, leaf: Any) -> Any:
        numpy = self._jax.numpy
        for kind, dtype in ((numpy.complexfloating, np.complex128), (numpy.floating, np.float64)):
            if hasattr(leaf, "dtype") and numpy.issubdtype(leaf.dtype, kind):
                return leaf.astype(dtype)
        return leaf

    def _inference(self) -> Any:
        """Where linen's switches are set to inference. Flax before 0.7 has no way to do that."""
        intercept = getattr(self._linen, "intercept_methods", None)
        return contextlib.nullcontext() if intercept is None else intercept(_inferring)

    def _inputs(self, value: Any) -> Any:
        """The value with every array in it as one of JAX's."""
        if isinstance(value, (np.ndarray, np.generic)):
            return self._jax.numpy.asarray(value)
        if isinstance(value, dict):
            return {key: self._inputs(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._inputs(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return value

    def _outputs(self, value: Any) -> Any:
        if isinstance(value, abc.Mapping):
            return {key: self._outputs(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._outputs(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = (field.name for field in dataclasses.fields(value))
            return {name: self._outputs(getattr(value, name)) for name in fields}
        if _is_variable(value):
            return self._outputs(_value(value))
        array = self._keys.to_numpy(value)
        return np.array(array) if isinstance(array, np.ndarray) else array


# Running


def _run(module: Any, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
    if callable(call):
        return call(layer, *args, **kwargs)
    method = getattr(type(module), call or "__call__")
    asked = inspect.signature(method)
    taken = asked.bind_partial(layer, *args, **kwargs).arguments
    more = {
        name: _ARGUMENTS[name]
        for name in asked.parameters
        if name in _ARGUMENTS and name not in taken and getattr(module, name, None) is None
    }
    return getattr(layer, call or "__call__")(*args, **kwargs, **more)


def _inferring(method: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Run a method of a linen module with the module's switches set to inference.

    Flax's layers take a switch as an attribute or as an argument, and refuse both.
    """
    module = context.module
    kept = {
        field.name: getattr(module, field.name)
        for field in dataclasses.fields(module)
        if field.name in _SWITCHES
    }
    if not kept:
        return method(*args, **kwargs)
    bound = inspect.signature(method).bind_partial(*args, **kwargs)
    for name in kept:
        if name in bound.arguments:
            bound.arguments[name] = None
        object.__setattr__(module, name, _SWITCHES[name])
    try:
        return method(*bound.args, **bound.kwargs)
    finally:
        for name, value in kept.items():
            object.__setattr__(module, name, value)


# Trees of what is saved


def _mapped(value: Any, change: Any) -> Any:
    """Nested dicts with their leaves changed, in JAX's own order: that of their keys."""
    if isinstance(value, dict):
        return {key: _mapped(value[key], change) for key in sorted(value)}
    return change(value)


def _flat(value: Any, path: str = "") -> Iterator[Tuple[str, Any]]:
    """The leaves of nested dicts by path; an empty dict is one, too."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}/{key}" if path else key)
    else:
        yield path, value


def _fitted(mine: _Tree, saved: _Tree) -> _Tree:
    """What was saved, in the layer's dtypes. Raises ValueError where the trees differ."""
    wanted, given = dict(_flat(mine)), dict(_flat(saved))
    surplus = [path for path in given if path not in wanted]
    lacking = [path for path in wanted if path not in given]
    if surplus or lacking:
        said = [
            f"the checkpoint has {', '.join(surplus)}, which the layer lacks" if surplus else "",
            f"the layer has {', '.join(lacking)}, which the checkpoint lacks" if lacking else "",
        ]
        raise ValueError(f"the trees differ: {'; '.join(filter(None, said))}")
    for path, own in wanted.items():
        if np.shape(own) != np.shape(given[path]) or (own is None) != (given[path] is None):
            raise ValueError(
                f"the trees differ: {path} is {_form(given[path])} in the checkpoint and "
                f"{_form(own)} in the layer"
            )
    return _cast(mine, saved)  # type: ignore[no-any-return]


def _form(value: Any) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)


def _cast(mine: Any, saved: Any) -> Any:
    if isinstance(mine, dict):
        return {key: _cast(mine[key], item) for key, item in saved.items()}
    if isinstance(mine, np.ndarray) and isinstance(saved, np.ndarray):
        return saved.astype(mine.dtype)
    return saved


class _Keys:
    """Arrays as NumPy's and as JAX's. Typed random keys have no array of NumPy's but their data."""

    def __init__(self, jax: Any) -> None:
        self._jax = jax
        self._kind = getattr(jax.dtypes, "prng_key", None)

    def to_numpy(self, value: Any) -> Any:
        if self._is_key(value):
            value = self._jax.random.key_data(value)
        is_array = isinstance(value, self._jax.Array) or hasattr(value, "__array__")
        return np.asarray(value) if is_array and not isinstance(value, np.generic) else value

    def like(self, mine: Any, saved: Any) -> Any:
        """What was saved with JAX's arrays, and keys where the layer has such."""
        if isinstance(saved, dict):
            own = mine if isinstance(mine, dict) else {}
            return {key: self.like(own.get(key), item) for key, item in saved.items()}
        if not isinstance(saved, np.ndarray):
            return saved
        array = self._jax.numpy.asarray(saved)
        if self._is_key(mine):
            return self._jax.random.wrap_key_data(array, impl=self._jax.random.key_impl(mine))
        return array

    def _is_key(self, value: Any) -> bool:
        if self._kind is None or not isinstance(value, self._jax.Array):
            return False
        return bool(self._jax.dtypes.issubdtype(value.dtype, self._kind))


# nnx


def _nnx() -> Any:
    """The module ``nnx``, where a recipe has imported it. It stood elsewhere before 0.8.5."""
    return sys.modules.get("flax.nnx") or sys.modules.get("flax.experimental.nnx")


def _is_one_of(value: Any, *names: str) -> bool:
    """Whether a value is an object of one of nnx's classes, as far as this release has them."""
    # Not by getattr: of a class that is gone nnx gives another, and warns.
    known = getattr(_nnx(), "__dict__", {})
    return any(isinstance(value, known.get(name, ())) for name in names)


def _is_variable(value: Any) -> bool:
    return _is_one_of(value, "Variable", "VariableState")


def _value(variable: Any) -> Any:
    """The value of a variable; the names for it have changed, and old ones warn."""
    if hasattr(type(variable), "get_raw_value"):
        return variable.get_raw_value()
    # Before 0.11 an ``nnx.State`` has a class of its own for them.
    return variable.raw_value if _is_one_of(variable, "Variable") else variable.value


def _values(state: Any) -> Any:
    """The values of an ``nnx.State`` as nested dicts, all keys texts as in a state dict."""
    if isinstance(state, abc.Mapping):
        return {str(key): _values(item) for key, item in state.items()}
    return _values(_value(state)) if _is_variable(state) else state


def _replaced(state: Any, values: Any) -> Any:
    """An ``nnx.State`` with other values."""
    kind: Any = type(state)
    return kind({key: _exchanged(item, values[str(key)]) for key, item in state.items()})


def _exchanged(item: Any, value: Any) -> Any:
    if isinstance(item, abc.Mapping):
        return {key: _exchanged(inner, value[str(key)]) for key, inner in item.items()}
    if not _is_variable(item):
        return value
    change = getattr(type(item), "replace", None) or type(item).copy
    return change(item, value)


# Configuration


class _Config:
    """The attributes of a module as static values, those of modules within it likewise."""

    def __init__(self, adapter: FlaxAdapter) -> None:
        self._is_linen = adapter._is_linen  # noqa: SLF001
        self._is_nnx = adapter._is_nnx  # noqa: SLF001
        self._array: Any = adapter._jax.Array  # noqa: SLF001

    def of(self, value: Any, above: _Above = ()) -> Any:
        if isinstance(value, enum.Enum):
            return f"{_name(type(value))}.{value.name}"
        if isinstance(value, _LITERALS):
            return value
        dtype = _dtype(value)
        if dtype is not None:
            return dtype
        if isinstance(value, (np.ndarray, self._array)):
            return ("array", str(value.dtype), tuple(int(size) for size in value.shape))
        if _is_variable(value):
            return ("variable", _name(type(value)))
        if id(value) in above or len(above) > 50:
            return ("object", _name(type(value)))
        return self._composite(value, (*above, id(value)))

    def _composite(self, value: Any, above: _Above) -> Any:
        if isinstance(value, abc.Mapping):
            return {str(key): self.of(item, above) for key, item in value.items()}
        if isinstance(value, abc.Sequence):
            return tuple(self.of(item, above) for item in value)
        if isinstance(value, (set, frozenset)):
            return tuple(sorted((self.of(item, above) for item in value), key=repr))
        if isinstance(value, functools.partial):
            parts = {"function": value.func, "args": value.args, "keywords": value.keywords}
            return {key: self.of(item, above) for key, item in parts.items()}
        fields: Dict[str, Any] = {}
        if self._is_linen(value):
            names: List[str] = [field.name for field in dataclasses.fields(value)]
            fields = {n: getattr(value, n, None) for n in names if n not in ("parent", "name")}
        elif self._is_nnx(value):
            own = sorted(vars(value).items())
            fields = {name: item for name, item in own if not name.startswith(_INTERNAL)}
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        else:
            name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
            return name if isinstance(name, str) else ("object", _name(type(value)))
        inner = {name: self.of(item, above) for name, item in fields.items()}
        return {"class": _name(type(value)), **inner}


def _dtype(value: Any) -> Any:
    """The name of a dtype, of NumPy's or JAX's scalar types; None for anything else."""
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, type) and issubclass(value, np.generic):
        return np.dtype(value).name
    # jax.numpy.float32 and its like.
    inner = getattr(value, "dtype", None) if type(value).__name__ == "_ScalarMeta" else None
    return np.dtype(inner).name if inner is not None else None


def _name(kind: type) -> str:
    return kind.__qualname__
