"""The adapter of PyTorch libraries: layers are ``torch.nn.Module`` objects.

Self-contained: Python 3.8, standard library, NumPy and PyTorch (1.4 and later) only.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import enum
import functools
import importlib
import importlib.util
import inspect
import json
import os
import random
import types
import warnings
from collections import OrderedDict
from typing import Any, Dict, Iterator, Mapping, Sequence, Set, Tuple

import numpy as np

#: The dtypes that PyTorch and NumPy both have, by the name that both give them.
_SHARED_DTYPES = frozenset(np.dtype(code).name for code in "?bhiqBHIQefdFD")
#: What a module saves beside tensors, by ``get_extra_state``.
_EXTRA = "_extra_state"
#: The module's own number of its state's layout; 1 unless the class says otherwise.
_VERSION = "_version"
#: What PyTorch keeps in modules for itself, beside what every new module has.
_INTERNAL = frozenset(("_backend", "_flat_weights", "_flat_weight_refs", "_is_replica", _VERSION))
#: The routes by a native file, each with its ending; those by a file of the module itself.
_SUFFIXES = {
    "state_dict": ".pth",
    "module": ".pt",
    "module_default": ".pt",
    "safetensors": ".safetensors",
}
_PICKLED = ("module", "module_default")
_LITERALS = (bool, int, float, complex, str, bytes, enum.Enum, type, np.generic, np.dtype)
_Above = Tuple[int, ...]


class TorchAdapter:
    """Reads and restores modules through ``state_dict``, pickle or safetensors.

    The state of a module is a dict: what ``state_dict`` saves of it, as arrays; what it does not
    save (buffers that are not persistent, tensors in attributes) as a tuple of what it is, its
    dtype and shape; its other attributes as static values; then its submodules, likewise.
    ``state_dict`` has one array for parameters that share memory.

    The routes: ``state`` is ``load_state_dict``, strict. ``state_dict`` is the file that
    ``torch.save`` makes of a ``state_dict``, read with ``weights_only`` where PyTorch has that.
    ``module`` is the file that it makes of the module itself, unpickled
    (``weights_only=False``), which runs whatever code the file names; ``module_default`` is the
    same file read by ``torch.load`` as it is by default, which since 2.6 unpickles nothing but
    what is known to be safe. ``safetensors`` is ``save_model`` and ``load_model``. A recipe opts
    in to all but the first.
    """

    idiom = "torch"
    routes: Tuple[str, ...] = ("state", "state_dict", "module", "module_default", "safetensors")

    def __init__(self) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._internal = _INTERNAL | set(vars(self._torch.nn.Module()))

    def carries_statics(self, route: str) -> bool:
        return route in _PICKLED

    def needs(self, route: str) -> Any:
        has = route != "safetensors" or importlib.util.find_spec("safetensors") is not None
        return None if has else "safetensors"

    def goes_by_name(self, route: str) -> bool:  # noqa: ARG002  every route does
        return True

    def suffix(self, route: str) -> Any:
        return _SUFFIXES.get(route)

    def save(self, layer: Any, route: str, path: Any) -> None:
        if route == "safetensors":
            importlib.import_module("safetensors.torch").save_model(layer, str(path))
            _sort_metadata(str(path))
        elif route not in _PICKLED:
            self._torch.save(layer.state_dict(), str(path))
        else:
            with _without_folders(self._torch.serialization):
                self._torch.save(layer, str(path))

    def restore(self, layer: Any, route: str, path: Any) -> Any:
        """The layer read from a file."""
        if route == "safetensors":
            importlib.import_module("safetensors.torch").load_model(layer, str(path))
            return layer
        known = inspect.signature(self._torch.load).parameters
        # Old releases unpickled without being asked.
        asked = {} if route == "module_default" else {"weights_only": route == "state_dict"}
        with warnings.catch_warnings():
            # Before 1.6, files had the source of each class; that it changed says nothing.
            changed = self._torch.serialization.SourceChangeWarning
            warnings.simplefilter("ignore", changed)
            read = self._torch.load(
                str(path), map_location="cpu", **(asked if "weights_only" in known else {})
            )
        if route in _PICKLED:
            return read
        layer.load_state_dict(read)
        return layer

    def seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  recipes draw from it as well
        self._torch.manual_seed(seed)

    def start(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        """A lazy layer has its parameters' shapes from its first inputs."""
        if isinstance(layer, self._torch.nn.Module) and self._is_lazy(layer):
            self.forward(layer.eval(), args, kwargs, call)
        return layer

    def _is_lazy(self, layer: Any) -> bool:
        is_lazy = getattr(self._torch.nn.parameter, "is_lazy", lambda _: False)
        return any(map(is_lazy, (*layer.parameters(), *layer.buffers())))

    def prepare(self, layer: Any) -> Any:
        if not isinstance(layer, self._torch.nn.Module):
            raise TypeError(
                f"the torch adapter takes a torch.nn.Module, not a {_type_name(layer)}: return "
                f"the module itself, or use another adapter"
            )
        layer.eval()
        return layer

    # State

    def state(self, layer: Any) -> Any:
        arrays = _Arrays(self._torch)
        own: Dict[str, Dict[str, Any]] = {}
        for key, value in layer.state_dict().items():
            prefix, _, name = key.rpartition(".")
            own.setdefault(prefix, {})[name] = arrays.saved(value, key)
        tree = self._module(layer, "", own)
        for prefix, entries in own.items():  # what hooks save under names of no module
            _branch(tree, prefix).update(entries)
        return tree

    def _module(self, module: Any, prefix: str, own: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
        """A module's state. What it saves is taken out of ``own``."""
        node = dict(own.pop(prefix, {}))
        if not isinstance(module, self._torch.jit.ScriptModule):
            for name, value in sorted(self._beside(module, set(node)).items()):
                node.setdefault(name, value)
        for name, child in module._modules.items():  # noqa: SLF001  its order; None among them
            inner = f"{prefix}.{name}" if prefix else name
            node[name] = None if child is None else self._module(child, inner, own)
        return node

    def _beside(self, module: Any, saved: Set[str]) -> Dict[str, Any]:
        """What a module has that ``state_dict`` may not save, and which of the ``saved`` are
        no parameters."""
        found = {
            name: self._static(value, ())
            for name, value in vars(module).items()
            if name not in self._internal
        }
        kinds = {"parameter": module._parameters, "buffer": module._buffers}  # noqa: SLF001
        for kind, tensors in kinds.items():
            for name, tensor in tensors.items():
                found[name] = None if tensor is None else _outline(f"{kind}, not saved", tensor)
                if kind == "parameter" and tensor is not None and not tensor.requires_grad:
                    found[f"{name}.requires_grad"] = False
                if kind == "buffer" and name in saved:
                    found[f"{name}.role"] = kind
        if getattr(module, _VERSION, 1) != 1:
            found[_VERSION] = module._version  # noqa: SLF001  it is saved beside the state_dict
        return found

    def _static(self, value: Any, above: _Above) -> Any:
        """An attribute as a static value, or as dicts and lists of such."""
        if value is None or isinstance(value, (*_LITERALS, types.FunctionType, np.ufunc)):
            return value
        if isinstance(value, self._torch.Tensor):
            return _outline("tensor, not saved", value)
        if isinstance(value, np.ndarray):
            return _outline("array, not saved", value)
        if isinstance(value, types.MethodType):
            return self._static(value.__func__, above)
        if isinstance(value, types.BuiltinFunctionType):
            return self._builtin(value)
        if isinstance(value, (self._torch.dtype, self._torch.device, self._torch.layout)):
            return str(value)
        if isinstance(value, getattr(self._torch, "memory_format", ())):
            return str(value)
        if id(value) in above:
            return ("object", type(value))
        return self._composite(value, (*above, id(value)))

    def _composite(self, value: Any, above: _Above) -> Any:
        if isinstance(value, list):
            return [self._static(item, above) for item in value]
        if isinstance(value, tuple):
            return tuple(self._static(item, above) for item in value)
        if isinstance(value, (set, frozenset)):
            return tuple(sorted((self._static(item, above) for item in value), key=repr))
        if isinstance(value, functools.partial):
            value = {"function": value.func, "args": value.args, "keywords": value.keywords}
        elif dataclasses.is_dataclass(value):
            value = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        elif isinstance(value, types.SimpleNamespace):
            value = vars(value)
        if isinstance(value, dict):
            return {_key(key): self._static(item, above) for key, item in value.items()}
        return ("object", type(value))

    def _builtin(self, function: Any) -> Any:
        """PyTorch's compiled functions by a name that all its releases find them by."""
        name = getattr(function, "__name__", "")
        for place in ("torch", "torch.nn.functional", "torch.special", "torch.linalg"):
            module = functools.reduce(
                lambda at, part: getattr(at, part, None), place.split(".")[1:], self._torch
            )
            if getattr(module, name, None) is function:
                return f"{place}.{name}"
        return function

    def load(self, layer: Any, state: Any, route: str) -> Any:  # noqa: ARG002  all others read files
        layer.load_state_dict(self.checkpoint(layer, state))
        return layer

    def checkpoint(self, layer: Any, state: Any) -> Any:
        """The flat ``state_dict`` of a state, as ``torch.save`` keeps it."""
        known = layer.state_dict()
        others = {key for key, value in known.items() if not self._is_tensor(value)}
        saved: Any = OrderedDict()
        versions: Dict[str, Any] = OrderedDict()
        self._flatten(state, "", others, saved, versions)
        # Modules read from it what layout the state has.
        saved._metadata = versions  # noqa: SLF001
        return saved

    def _flatten(
        self, node: Mapping[str, Any], path: str, others: Any, saved: Any, versions: Any
    ) -> None:
        versions[path] = {"version": node.get(_VERSION, 1)}
        for name, value in node.items():
            key = f"{path}.{name}" if path else str(name)
            if name == _EXTRA or key in others:
                saved[key] = self._tensors(value, "cpu")
            elif isinstance(value, np.ndarray):
                saved[key] = self._tensor(value)
            elif isinstance(value, dict):
                self._flatten(value, key, others, saved, versions)

    # Forward

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        device = self._device(layer)
        given = [self._tensors(value, device) for value in args]
        named = {key: self._tensors(value, device) for key, value in kwargs.items()}
        with self._torch.no_grad():
            if callable(call):
                outputs = call(layer, *given, **named)
            elif call is not None:
                outputs = getattr(layer, call)(*given, **named)
            else:
                outputs = layer(*given, **named)
            return self._outputs(outputs)

    def double(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        return self.forward(copy.deepcopy(layer).double(), args, kwargs, call)

    def _device(self, layer: Any) -> Any:
        for tensors in (layer.parameters(), layer.buffers()):
            for tensor in tensors:
                return tensor.device
        return "cpu"

    def _outputs(self, value: Any) -> Any:
        if self._is_tensor(value):
            if getattr(value, "is_nested", False):
                return [self._outputs(part) for part in value.unbind()]
            value = value.dequantize() if value.is_quantized else value
            # A copy: a layer may give the same memory again, or its own state.
            return np.array(_to_numpy(self._torch, value, "an output"))
        if isinstance(value, Mapping):
            return {key: self._outputs(item) for key, item in value.items()}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = (field.name for field in dataclasses.fields(value))
            return {name: self._outputs(getattr(value, name)) for name in fields}
        if isinstance(value, tuple):
            return tuple(self._outputs(item) for item in value)
        if isinstance(value, list):
            return [self._outputs(item) for item in value]
        if isinstance(value, (self._torch.dtype, self._torch.device)):
            return str(value)
        return value

    # Tensors

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, self._torch.Tensor)

    def _tensors(self, value: Any, device: Any) -> Any:
        """The value with every array in it as a tensor."""
        if isinstance(value, (np.ndarray, np.generic)):
            return self._tensor(np.asarray(value)).to(device)
        if isinstance(value, dict):
            return {key: self._tensors(item, device) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._tensors(item, device) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return value

    def _tensor(self, array: np.ndarray[Any, Any]) -> Any:
        name = array.dtype.name
        if name in _SHARED_DTYPES:
            # from_numpy shares memory, and takes neither strides below zero nor foreign bytes.
            native = np.array(array, array.dtype.newbyteorder("="), order="C")
            return self._torch.from_numpy(native)
        dtype = getattr(self._torch, name, None)
        if not isinstance(dtype, self._torch.dtype):
            raise TypeError(f"torch {self._torch.__version__} has no dtype {name}")
        bits = np.array(array, order="C").view(f"i{array.dtype.itemsize}")
        return self._torch.from_numpy(bits).view(dtype)


class _Arrays:
    """The arrays of what a ``state_dict`` saves; tensors that share memory share one."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._known: Dict[Any, np.ndarray[Any, Any]] = {}

    def saved(self, value: Any, where: str) -> Any:
        if isinstance(value, self._torch.Tensor):
            return self._array(value, where)
        if isinstance(value, dict):
            return {key: self.saved(item, f"{where}[{key!r}]") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.saved(item, f"{where}[{i}]") for i, item in enumerate(value)]
            return tuple(items) if isinstance(value, tuple) else items
        if value is None or isinstance(value, (*_LITERALS, np.ndarray)):
            return value
        if isinstance(value, self._torch.dtype):
            return str(value)
        raise TypeError(
            f"the state_dict has a {_type_name(value)} at {where}, of which a golden cannot keep "
            f"the content: save tensors, numbers and texts (get_extra_state)"
        )

    def _array(self, tensor: Any, where: str) -> np.ndarray[Any, Any]:
        array = _to_numpy(self._torch, tensor, where)
        if tensor.layout != self._torch.strided or not array.size:
            return array
        place = tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()
        return self._known.setdefault((str(tensor.device), *place), array)


def _to_numpy(torch: Any, tensor: Any, where: str) -> np.ndarray[Any, Any]:
    """A tensor's array, which may share its memory. Raises TypeError, ValueError, ImportError."""
    if getattr(torch.nn.parameter, "is_lazy", lambda _: False)(tensor):
        raise ValueError(
            f"{where} has no shape yet, since its layer is lazy: let the recipe run the layer "
            f"once before it returns it"
        )
    if tensor.device.type == "meta":
        raise ValueError(f"{where} is on the meta device, so it has no values: build it on the CPU")
    if tensor.is_quantized:
        raise TypeError(
            f"{where} is a quantized tensor, which a golden cannot keep: return the float layer"
        )
    tensor = tensor.detach().cpu()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    for pending in ("resolve_conj", "resolve_neg"):
        tensor = getattr(tensor, pending, lambda tensor=tensor: tensor)()
    name = str(tensor.dtype).partition(".")[2]
    if name in _SHARED_DTYPES:
        return np.asarray(tensor.numpy())
    try:
        dtype = getattr(importlib.import_module("ml_dtypes"), name, None)
    except ImportError as error:
        raise ImportError(
            f"{where} is {name}, which NumPy lacks: pip install ml_dtypes", name="ml_dtypes"
        ) from error
    bits = {1: torch.uint8, 2: torch.int16}.get(tensor.element_size())
    if dtype is None or bits is None:
        raise TypeError(f"{where} is {name}, which neither NumPy nor ml_dtypes has")
    return np.asarray(tensor.contiguous().view(bits).numpy().view(dtype))


@contextlib.contextmanager
def _without_folders(serialization: Any) -> Iterator[None]:
    """Before 1.6, a saved module names the file of each class: by its name, not by where it is."""
    reading = getattr(serialization, "get_source_lines_and_file", None)
    if reading is None:
        yield
        return

    def named(*given: Any) -> Any:
        lines, number, path = reading(*given)
        return lines, number, path and os.path.basename(path)  # noqa: PTH119  it may be ""

    serialization.get_source_lines_and_file = named
    try:
        yield
    finally:
        serialization.get_source_lines_and_file = reading


def _sort_metadata(path: str) -> None:
    """Give a safetensors file one order of the tied names in its header.

    The library's differs from one call to the next; a recording has the same bytes each time.
    """
    with open(path, "r+b") as file:  # noqa: PTH123  it is changed in place
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size).decode("utf-8"))
        tied = header.get("__metadata__", {})
        header["__metadata__"] = dict(sorted(tied.items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        if tied and len(text) <= size:
            file.seek(8)
            file.write(text.ljust(size))


def _outline(kind: str, tensor: Any) -> Tuple[str, str, Tuple[int, ...]]:
    """What there is to say of a tensor or array that is not saved."""
    return kind, str(tensor.dtype).rpartition(".")[2], tuple(int(size) for size in tensor.shape)


def _branch(tree: Dict[str, Any], prefix: str) -> Dict[str, Any]:
    """The dict at a dotted path, made where there is none."""
    for part in prefix.split(".") if prefix else ():
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = tree[part] = {}
        tree = inner
    return tree


def _key(key: Any) -> Any:
    """A key that a tree can have."""
    if isinstance(key, str):
        return str(key)
    if isinstance(key, enum.Enum):
        return f"{type(key).__qualname__}.{key.name}"
    if type(key).__module__ == "torch" and type(key).__name__ in ("dtype", "device", "layout"):
        return str(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return int(key)
    literal = key is None or isinstance(key, (bool, float, complex, bytes, tuple))
    return repr(key) if literal else _type_name(key)


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
