"""Routes that the configuration or a mark names, beside an adapter's own.

A library's own loader (one that filters old checkpoints, a ``from_pretrained``) is a way by which
checkpoints get into a layer, and so a route, without anyone having to write an adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_ckptcompat.adapters import Adapter


@dataclass(frozen=True)
class Route:
    """By the state: ``load(layer, state)``, the state as the library's users save it, which may
    not be the adapter's tree (``Adapter.checkpoint``). By a native file with the ending ``suffix``:
    ``save(layer, path)`` and ``restore(layer, path)``. What loads returns the layer, or None
    where it changed the one that it got."""

    load: Callable[[Any, Any], Any] | None = None
    save: Callable[[Any, Path], object] | None = None
    restore: Callable[[Any, Path], Any] | None = None
    suffix: str | None = None


class Routed:
    """An adapter with routes of others' making."""

    def __init__(self, adapter: Adapter, own: Mapping[str, Route]) -> None:
        self._adapter = adapter
        self._own = own

    @property
    def routes(self) -> Sequence[str]:
        return (*self._adapter.routes, *(name for name in self._own))

    @property
    def idiom(self) -> str:
        return str(getattr(self._adapter, "idiom", "migrations"))

    def goes_by_name(self, route: str) -> bool:
        ask = getattr(self._adapter, "goes_by_name", None)
        return route not in self._own and bool(ask is not None and ask(route))

    def carries_statics(self, route: str) -> bool:
        if route in self._own:
            return self._own[route].suffix is None and self._adapter.carries_statics(
                self._adapter.routes[0]
            )
        return self._adapter.carries_statics(route)

    def needs(self, route: str) -> str | None:
        ask = getattr(self._adapter, "needs", None)
        return None if ask is None or route in self._own else ask(route)

    def suffix(self, route: str) -> str | None:
        return self._own[route].suffix if route in self._own else self._adapter.suffix(route)

    def seed(self, seed: int) -> None:
        self._adapter.seed(seed)

    def start(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        start = getattr(self._adapter, "start", None)
        return layer if start is None else start(layer, args, kwargs, call)

    def double(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        double = getattr(self._adapter, "double", None)
        if double is None:
            raise NotImplementedError
        return double(layer, args, kwargs, call)

    def prepare(self, layer: Any) -> Any:
        return self._adapter.prepare(layer)

    def state(self, layer: Any) -> Any:
        return self._adapter.state(layer)

    def load(self, layer: Any, state: Any, route: str) -> Any:
        own = self._own.get(route)
        if own is None or own.load is None:
            return self._adapter.load(layer, state, route)
        loaded = own.load(layer, self.checkpoint(layer, state))
        return layer if loaded is None else loaded

    def checkpoint(self, layer: Any, state: Any) -> Any:
        make = getattr(self._adapter, "checkpoint", None)
        return state if make is None else make(layer, state)

    def save(self, layer: Any, route: str, path: Path) -> None:
        own = self._own.get(route)
        if own is None or own.save is None:
            self._adapter.save(layer, route, path)
        else:
            own.save(layer, path)

    def restore(self, layer: Any, route: str, path: Path) -> Any:
        own = self._own.get(route)
        if own is None or own.restore is None:
            return self._adapter.restore(layer, route, path)
        restored = own.restore(layer, path)
        return layer if restored is None else restored

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        return self._adapter.forward(layer, args, kwargs, call)
