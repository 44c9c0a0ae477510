"""The adapter of Keras libraries: layers are ``keras.Layer`` or ``keras.Model`` objects.

Keras 3 on any backend, and Keras 2.13 to 2.15, which is ``tf.keras``. Self-contained: Python 3.8,
standard library, NumPy and Keras only.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import warnings
import zipfile
from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

#: Where Keras keeps its own classes, by releases.
_OWN_MODULES = re.compile(r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python|builtins)(\.|$)")
#: Classes whose automatic names are not made of the class's name in every release.
_OTHER_NAMES = {"InputLayer": ("input_layer", "input"), "Functional": ("functional", "model")}
#: What a saved object has beside its configuration: derived from it, or no part of a layer.
_BESIDE = frozenset(
    (
        *("module", "class_name", "config", "registered_name", "name", "shared_object_id"),
        *("build_config", "compile_config"),
    )
)
_TOPOLOGY = frozenset(("input_layers", "output_layers"))
#: When a .keras file was saved is no part of what was saved.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_Path = Tuple[str, ...]


class KerasAdapter:
    """Reads and restores layers and models through Keras's own files.

    The state of a layer is its configuration, as Keras saves it, and its weights by path. Names
    that Keras gave are counted anew, so that ``dense_7`` of one process is ``dense`` of another.
    What training alone uses is no part of it: the optimizer, metrics, the state of random draws.

    A layer that is no model is built by calling it, and saved within a model of its own.
    """

    idiom = "keras"
    routes: Tuple[str, ...] = ("keras", "h5", "weights_h5")

    def __init__(self) -> None:
        self._keras: Any = importlib.import_module("keras")
        self._given: Tuple[Sequence[Any], Mapping[str, Any], Any] = ((), {}, None)
        self._shortest = _shortest_names(self._keras)

    def carries_statics(self, route: str) -> bool:
        return route in ("keras", "h5")

    def suffix(self, route: str) -> Optional[str]:
        return {"keras": ".keras", "h5": ".h5", "weights_h5": ".weights.h5"}.get(route)

    def save(self, layer: Any, route: str, path: Any) -> None:
        model = self._model(layer)
        with warnings.catch_warnings():
            # That .h5 is the format of before, say; that is what the route is for.
            warnings.simplefilter("ignore")
            if route == "weights_h5":
                model.save_weights(str(path))
            else:
                model.save(str(path))
        if route == "keras":
            _without_time(str(path))

    def restore(self, layer: Any, route: str, path: Any) -> Any:
        if route == "weights_h5":
            self._model(layer).load_weights(str(path))
            return layer
        loaded = self._keras.models.load_model(str(path))
        if isinstance(layer, self._keras.Model):
            return loaded
        inside = [one for one in loaded.layers if type(one).__name__ != "InputLayer"]
        return inside[0] if len(inside) == 1 else loaded

    def seed(self, seed: int) -> None:
        # The numbers in automatic names begin anew, so that files are the same each time.
        self._keras.backend.clear_session()
        self._keras.utils.set_random_seed(seed)

    def start(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        self._given = (args, kwargs, call)
        if isinstance(layer, self._keras.layers.Layer) and not self._is_built(layer):
            self.forward(layer, args, kwargs, call)
        return layer

    def _is_built(self, layer: Any) -> bool:
        return bool(layer.built) and all(map(self._is_built, self._children(layer)))

    def prepare(self, layer: Any) -> Any:
        """The layer as it is: inference mode is an argument of each call."""
        if not isinstance(layer, self._keras.layers.Layer):
            kind = f"{type(layer).__module__}.{type(layer).__qualname__}"
            raise TypeError(
                f"the keras adapter takes a keras.Layer or keras.Model, not a {kind}: return the "
                f"layer itself, or use another adapter"
            )
        return layer

    # A model around a layer

    def _model(self, layer: Any) -> Any:
        if isinstance(layer, self._keras.Model):
            return layer
        args, kwargs, call = self._given
        if call is not None:
            raise TypeError(
                f"{type(layer).__name__} is no model, and call= says how it runs, so no model "
                f"can be made around it to be saved: return a keras.Model"
            )
        stateful = bool(getattr(layer, "stateful", False))
        symbols: List[Any] = []
        given = [self._symbolic(item, symbols, stateful) for item in args]
        named = {key: self._symbolic(item, symbols, stateful) for key, item in kwargs.items()}
        outputs = layer(*given, **named)
        if len(symbols) == len(args) == 1 and not kwargs and hasattr(outputs, "shape"):
            return self._keras.Sequential([*symbols, layer])
        return self._keras.Model(symbols, outputs)

    def _symbolic(self, value: Any, symbols: List[Any], stateful: bool) -> Any:
        """The value with a symbolic input in place of each array."""
        if isinstance(value, dict):
            return {key: self._symbolic(item, symbols, stateful) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._symbolic(item, symbols, stateful) for item in value)
        if not isinstance(value, np.ndarray):
            return value
        if not value.ndim:
            raise ValueError(
                "an input without dimensions has no batch, so no model can be made around the "
                "layer to be saved: return a keras.Model"
            )
        symbol = self._keras.Input(
            shape=value.shape[1:],
            batch_size=value.shape[0] if stateful else None,
            dtype=value.dtype.name,
        )
        symbols.append(symbol)
        return symbol

    # State

    def state(self, layer: Any) -> Any:
        arrays: Dict[int, np.ndarray[Any, Any]] = {}

        def read(node: Any) -> Any:
            if isinstance(node, dict):
                return {name: read(inner) for name, inner in node.items()}
            # A variable under two names is one array.
            return arrays.setdefault(id(node), self._array(node))

        return {"config": self._config(layer), "weights": read(self._variables(layer, ()))}

    def _config(self, layer: Any) -> Any:
        try:
            saved = self._keras.saving.serialize_keras_object(layer)
        except (NotImplementedError, TypeError, ValueError):
            # It cannot be saved whole, and so has no configuration in any file.
            return {"class_name": type(layer).__name__}
        return _renamed(_plain(saved), self._shortest)

    def _variables(self, layer: Any, above: Tuple[int, ...]) -> Dict[str, Any]:
        """The layer's variables by name, those of layers within in dicts of their own."""
        children = [child for child in self._children(layer) if id(child) not in above]
        within = {id(variable) for child in children for variable in child.weights}
        own = [variable for variable in layer.weights if id(variable) not in within]
        names = _counted([("Variable", _name_of(variable)) for variable in own])
        tree: Dict[str, Any] = dict(zip(names, own))
        inner = _counted([(type(child).__name__, str(child.name)) for child in children])
        for name, child in zip(inner, children):
            if child.weights:
                tree[_free(name, tree)] = self._variables(child, (*above, id(layer)))
        return tree

    def _children(self, layer: Any) -> List[Any]:
        if isinstance(layer, self._keras.Model):
            found = layer.layers
        else:
            found = layer._flatten_layers(include_self=False, recursive=False)  # noqa: SLF001
        # In Keras 2, metrics are layers.
        kept = (one for one in found if not isinstance(one, self._keras.metrics.Metric))
        return list({id(one): one for one in kept}.values())

    def load(self, layer: Any, state: Any, route: str) -> Any:  # noqa: ARG002  all others read files
        """Set each weight. No user does that; it is how a recording perturbs a layer."""
        targets = dict(_leaves(self._variables(layer, ()), ()))
        saved = dict(_leaves(state["weights"], ()))
        unlike = sorted({"/".join(path) for path in targets.keys() ^ saved.keys()})
        if unlike:
            raise ValueError(f"the weights are not those of the layer: {', '.join(unlike)}")
        for path, variable in targets.items():
            variable.assign(saved[path])
        return layer

    # Forward

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        if call is not None and not isinstance(call, str):
            return self._outputs(call(layer, *args, **kwargs))
        takes = getattr(layer, "call" if call is None else call)
        mode = {}
        if "training" in inspect.signature(takes).parameters and "training" not in kwargs:
            mode["training"] = False
        run = layer if call is None else takes
        return self._outputs(run(*args, **kwargs, **mode))

    def _outputs(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._outputs(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._outputs(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if hasattr(value, "to_list") and hasattr(value, "row_lengths"):  # ragged
            return [self._outputs(row) for row in value]
        if hasattr(value, "__array__"):
            return np.array(self._array(value))
        return value

    def _array(self, tensor: Any) -> np.ndarray[Any, Any]:
        """A copy of a variable's or tensor's values."""
        if isinstance(tensor, np.ndarray):
            return tensor.copy()
        ops = getattr(self._keras, "ops", None)
        if ops is None:
            return np.array(tensor.numpy())
        return np.array(ops.convert_to_numpy(getattr(tensor, "value", tensor)))


# Names


def _name_of(variable: Any) -> str:
    """The last part of a variable's path: ``kernel`` of ``dense_1/kernel:0``."""
    path = str(getattr(variable, "path", variable.name))
    return path.rpartition("/")[2].partition(":")[0]


def _automatic(kind: str, name: str) -> Optional[str]:
    """What an automatic name is without its number; None for a name that someone chose.

    Releases write the class's name in slightly different ways, and Bidirectional puts a word
    before it.
    """
    base = re.sub(r"_\d+$", "", name)
    prefix, inner = "", base
    for word in ("forward_", "backward_"):
        if base.startswith(word):
            prefix, inner = word, base[len(word) :]
    known = _OTHER_NAMES.get(kind, (kind,))
    if _letters(inner) in {_letters(one) for one in known}:
        return prefix + (known[0] if kind in _OTHER_NAMES else inner)
    if _letters(name) == _letters(kind):  # a class whose name ends in a number
        return name
    return None


def _letters(name: str) -> str:
    """A name without case, underscores, and the word that Keras 2 puts before private ones."""
    bare = name.replace("_", "").lower()
    return bare[len("private") :] if name.startswith("private_") else bare


def _counted(named: Sequence[Tuple[str, str]]) -> List[str]:
    """Names of siblings, given class and name of each: automatic ones are numbered in order."""
    # Keras 2 names the input that it puts before a layer after that.
    inputs = {f"{name}_input" for _, name in named}
    bases = [
        _OTHER_NAMES[kind][0] if kind == "InputLayer" and name in inputs else _automatic(kind, name)
        for kind, name in named
    ]
    taken = {name for base, (_, name) in zip(bases, named) if base is None}
    seen: Counter[str] = Counter()
    result: List[str] = []
    for base, (_, name) in zip(bases, named):
        chosen = name
        if base is not None:
            chosen = base
            while chosen in taken:
                seen[base] += 1
                chosen = f"{base}_{seen[base]}"
        elif chosen in result:
            chosen = _free(chosen, {*taken, *result})
        taken.add(chosen)
        result.append(chosen)
    return result


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    others = set(taken)
    number, free = 0, name
    while free in others:
        number += 1
        free = f"{name}_{number}"
    return free


def _leaves(node: Any, path: _Path) -> Iterator[Tuple[_Path, Any]]:
    if isinstance(node, dict):
        for name, inner in node.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path, node


# Configuration


def _shortest_names(keras: Any) -> Dict[str, str]:
    """Of each initializer, regularizer and constraint the shortest of its public names.

    Some have two, and releases differ in which of them they save.
    """
    found: Dict[Any, List[str]] = {}
    for module in (keras.initializers, keras.regularizers, keras.constraints):
        for name, value in vars(module).items():
            if isinstance(value, type) and name[:1].isupper():
                found.setdefault(value, []).append(name)
    return {
        name: min(names, key=lambda name: (len(name), name))
        for kind, names in found.items()
        for name in (*names, kind.__name__)
    }


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    """A plain configuration with other names of its classes."""
    if isinstance(node, dict):
        return {
            key: names.get(item, item)
            if key == "class_name" and isinstance(item, str)
            else _renamed(item, names)
            for key, item in node.items()
        }
    return [_renamed(item, names) for item in node] if isinstance(node, list) else node


def _plain(value: Any) -> Any:
    """A saved configuration as dicts and static values that every release writes alike.

    Sequences are tuples, as JSON has one kind of them; keys are in order.
    """
    if isinstance(value, Mapping):
        if "class_name" in value and "config" in value:
            return _saved_object(value)
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value]
        return items if any(isinstance(item, (dict, list)) for item in items) else tuple(items)
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__array__"):
        return _plain(np.asarray(value).tolist())
    return value


def _saved_object(saved: Mapping[str, Any]) -> Any:
    """A layer, initializer, dtype policy, function: its class beside its configuration."""
    kind, config = str(saved["class_name"]), saved["config"]
    if kind in ("DTypePolicy", "Policy") and isinstance(config, Mapping) and [*config] == ["name"]:
        return config["name"]
    if kind == "__lambda__":
        return kind  # its code is that of one release of Python
    if not isinstance(config, Mapping):
        text = _qualified(saved, str(config)) if kind == "function" else kind
        return text if kind == "function" else {"class_name": text, "config": _plain(config)}
    more = {key: saved[key] for key in saved if key not in _BESIDE}
    layers = config.get("layers", ())
    names: Dict[str, str] = {}
    if isinstance(layers, (list, tuple)) and all(map(_is_named_object, layers)):
        kinds = [(_class_of(one), str(one["config"]["name"])) for one in layers]
        names = dict(zip((name for _, name in kinds), _counted(kinds)))
    node: Dict[str, Any] = {"class_name": _qualified(saved, kind)}
    for key in sorted({**config, **more}, key=str):
        value = config[key] if key in config else more[key]
        if key == "name":
            if _automatic(_class_of(saved), str(value)) is None:
                node["name"] = value
        elif key == "layers" and names:
            node["layers"] = {
                names[str(one["config"]["name"])]: _sibling(one, names) for one in layers
            }
        elif key in _TOPOLOGY:
            node[key] = tuple(_references(value, names))
        else:
            node[str(key)] = _plain(value)
    return node


def _sibling(saved: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """A layer of a model, which stands under its name; with it, what goes into it."""
    config = {key: value for key, value in saved["config"].items() if key != "name"}
    rest = {key: value for key, value in saved.items() if key not in ("config", "inbound_nodes")}
    node = _saved_object({**rest, "config": config})
    nodes = saved.get("inbound_nodes")
    if nodes:
        node["inbound_nodes"] = tuple(tuple(_references(one, names)) for one in nodes)
    return node


def _is_named_object(value: Any) -> bool:
    config = value.get("config") if isinstance(value, Mapping) else None
    return isinstance(config, Mapping) and "name" in config and "class_name" in value


def _class_of(saved: Mapping[str, Any]) -> str:
    return str(saved["class_name"]).rpartition(">")[2]


def _qualified(saved: Mapping[str, Any], name: str) -> str:
    """The name by which Keras finds a class or function again."""
    registered, module = saved.get("registered_name"), saved.get("module")
    if isinstance(registered, str) and ">" in registered:
        return registered
    if isinstance(module, str) and not _OWN_MODULES.match(module):
        return f"{module}:{name}"
    return name


def _references(value: Any, names: Mapping[str, str]) -> Iterator[Any]:
    """What tensors a node or model takes, as (layer, node, tensor), and other arguments.

    Releases differ in how they write that down, and in which go by keyword.
    """
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            name, node, tensor = value["config"]["keras_history"]
            yield names.get(name, name), node, tensor
        elif "args" in value and "kwargs" in value:
            yield from _references(value["args"], names)
            yield from _references(value["kwargs"], names)
        elif "class_name" in value and "config" in value:
            yield _plain(value)
        else:
            for key in sorted(value):
                for found in _references(value[key], names):
                    is_tensor = isinstance(found, tuple) and found[0] in names.values()
                    yield found if is_tensor else (key, found)
    elif isinstance(value, (list, tuple)):
        if len(value) in (3, 4) and isinstance(value[0], str) and value[0] in names:
            yield names[value[0]], value[1], value[2]
            value = value[3:]
        yield from (found for item in value for found in _references(item, names))
    elif value is not None:
        yield _plain(value)


# Files


def _without_time(path: str) -> None:
    """Give a .keras file the same bytes each time: no times, and no addresses as ids."""
    with zipfile.ZipFile(path) as archive:
        parts = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in parts:
            settled = content
            if info.filename == "metadata.json":
                settled = _json({**json.loads(content), "date_saved": "1980-01-01@00:00:00"})
            elif info.filename == "config.json":
                settled = _json(_numbered(json.loads(content), {}))
            again = zipfile.ZipInfo(info.filename, _EPOCH)
            again.compress_type, again.external_attr = info.compress_type, info.external_attr
            archive.writestr(again, settled)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8")


def _numbered(value: Any, known: Dict[Any, int]) -> Any:
    """The configuration with the ids of shared objects numbered from 1."""
    if isinstance(value, dict):
        return {
            key: known.setdefault(item, len(known) + 1)
            if key == "shared_object_id"
            else _numbered(item, known)
            for key, item in value.items()
        }
    return [_numbered(item, known) for item in value] if isinstance(value, list) else value
