"""How the plugin talks to a library: what an adapter is, and finding one.

Each adapter is one self-contained file in this folder (Python 3.8, standard library, NumPy and
its framework, imported lazily; nothing of this package), since the recorder takes it into old
environments. Third parties add theirs through the entry-point group ``pytest_ckptcompat.adapters``
or by naming ``adapter = "package.module:Class"``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from typing import TYPE_CHECKING, Any, Protocol

from pytest_ckptcompat.adapters.routed import Route, Routed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_ckptcompat.config import Library

GROUP = "pytest_ckptcompat.adapters"
BUILT_IN = {
    "keras": "pytest_ckptcompat.adapters.keras:KerasAdapter",
    "flax": "pytest_ckptcompat.adapters.flax:FlaxAdapter",
    "numpy": "pytest_ckptcompat.adapters.plain:PlainAdapter",
    "equinox": "pytest_ckptcompat.adapters.equinox:EquinoxAdapter",
    "haiku": "pytest_ckptcompat.adapters.haiku:HaikuAdapter",
    "torch": "pytest_ckptcompat.adapters.torch:TorchAdapter",
}


class AdapterError(Exception):
    """An adapter, or a callable that the configuration names, cannot be had."""


class Adapter(Protocol):
    """One library's ways. Layers are whatever a recipe returns.

    ``routes`` names the ways a checkpoint gets into a layer, the documented one first;
    ``carries_statics(route)`` says whether what users save by that route holds static values.

    An adapter may have three methods more. ``start(layer, args, kwargs, call)``, where a layer has
    no arrays before it is called, gives the layer that a recipe returned with its arrays made by
    these inputs; it comes before all others, and ``call`` is as in ``forward``. ``needs(route)``
    names what is not installed here that a route needs, or gives None. ``checkpoint(layer,
    state)`` makes of a state what the library's users save, and their own loaders take; without
    it they get the state.
    """

    @property
    def routes(self) -> Sequence[str]: ...

    def carries_statics(self, route: str) -> bool: ...

    def suffix(self, route: str) -> str | None:
        """The ending of a route's native file (``.keras``); None for a route by the state tree."""

    def save(self, layer: Any, route: str, path: Path) -> None:
        """Write the native file of a route. Only called where the route has a suffix."""

    def restore(self, layer: Any, route: str, path: Path) -> Any:
        """The layer as the library reads it from a route's native file. Only called likewise."""

    def seed(self, seed: int) -> None:
        """Seed what fresh layers draw their arrays from."""

    def prepare(self, layer: Any) -> Any:
        """The layer in inference mode."""

    def state(self, layer: Any) -> Any:
        """The state as plain Python: dicts, lists and tuples of NumPy arrays and static values."""

    def load(self, layer: Any, state: Any, route: str) -> Any:
        """The layer with the state restored by the library's own loader.

        May change the layer in place. Raises whatever the loader raises.
        """

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        """The outputs as plain Python of NumPy arrays and static values.

        ``call`` is a method's name, a function of the layer and its inputs, or None.
        """


def idiom_of(adapter: Adapter) -> str:
    """The library's way of handling old states, for what a failure suggests.

    An adapter may say it by an attribute ``idiom``; else it is ``migrations``.
    """
    return str(getattr(adapter, "idiom", "migrations"))


def goes_by_name(adapter: Adapter, route: str) -> bool:
    """Whether a route finds each field by its name, whatever their order.

    An adapter may say so by a method ``goes_by_name(route)``; else order may matter.
    """
    ask = getattr(adapter, "goes_by_name", None)
    return bool(ask is not None and ask(route))


def resolve(library: Library, loaders: Mapping[str, Any] | None = None) -> Adapter:
    """The adapter of a library, given the callables that its configuration names.

    ``loaders`` are a mark's own routes by name: functions of the layer and the state. Raises
    AdapterError with the known names, or with what is not installed.
    """
    callables = {
        key: find(getattr(library, key), f"{key} of {library.name}")
        for key in ("state", "load", "forward", "inference")
        if getattr(library, key) is not None
    }
    make = _class(library.adapter)
    accepted = inspect.signature(make).parameters
    surplus = [key for key in callables if key not in accepted]
    if surplus:
        raise AdapterError(
            f"{library.name}: the adapter {library.adapter!r} brings its own "
            f"{' and '.join(surplus)}; take {'it' if len(surplus) == 1 else 'them'} out of the "
            f'configuration, or use adapter = "numpy"'
        )
    try:
        adapter: Adapter = make(**callables)
    except ImportError as error:
        raise AdapterError(
            f"the adapter {library.adapter!r} needs {error.name}, which is not installed here: "
            f"pip install {error.name}"
        ) from error
    own = {name: _route(name, table) for name, table in library.routes.items()}
    own.update({name: Route(load=load) for name, load in (loaders or {}).items()})
    return Routed(adapter, own) if own else adapter


def _route(name: str, table: Mapping[str, str]) -> Route:
    found = {
        key: value if key == "suffix" else find(value, f"{key} of the route {name!r}")
        for key, value in table.items()
    }
    return Route(**found)  # type: ignore[arg-type]


def _class(name: str) -> Callable[..., Adapter]:
    if ":" in name:
        return find(name, "the adapter")
    points = {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}
    known = {**points, **BUILT_IN}
    if name not in known:
        raise AdapterError(
            f"unknown adapter {name!r}; known: {', '.join(sorted(known))}; or name a class as "
            f'"package.module:Class"'
        )
    return find(known[name], f"the adapter {name!r}")


def find(name: str, what: str) -> Callable[..., Any]:
    """The callable at ``package.module:name``. Raises AdapterError."""
    module, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise AdapterError(f"{what} is {name!r}, which cannot be found: {error}") from error
    if not callable(found):
        raise AdapterError(f"{what} is {name!r}, which is not callable")
    return found  # type: ignore[no-any-return]
