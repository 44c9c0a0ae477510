"""Bring a state that an older version of a library saved to the fields of the current one.

A library keeps one registry beside its loader, and one step per change of its fields:

    migrations = Migrations(base="0.14.0", current=__version__)

    @migrations.step("0.14.17")
    def add_outpad(state):
        return state.added("outpad", (0, 0))

A state is plain Python: dicts, lists and tuples of arrays and static values. This folder
needs Python 3.8 and its standard library, and nothing else of this package: a library may depend
on it at run time or carry a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Iterable, List, Optional, Union

from .fitting import fit
from .trees import Fields, MigrationError, Path, format_path, fresh, is_empty, mapped
from .versions import order
from .view import State, fields_of, has_exactly

__all__ = ["MigrationError", "Migrations", "State", "fit"]

StepFunction = Callable[[State], State]


@dataclass(frozen=True)
class _Step:
    version: str
    function: StepFunction
    where: Optional[Callable[[State], bool]]

    def applied(self, node: Any, path: Path, like: Any) -> Any:
        if self.where is not None:
            node = mapped(node, lambda key, child: self.applied(child, (*path, key), like))
        elif not isinstance(node, dict):
            raise MigrationError(
                f"{self}: the whole state is a {type(node).__name__}, not a dict; say with "
                f"where= which dicts in it the step is for"
            )
        place = State(node if isinstance(node, dict) else {}, path, like)
        # () is how some libraries save a layer without fields, until it gets some.
        if not isinstance(node, dict) and not (is_empty(node) and place.like):
            return node
        result = self._run(place)
        return node if result is place else fields_of(result)

    def _run(self, place: State) -> State:
        try:
            if self.where is not None and not self.where(place):
                return place
            result = self.function(place)
        except MigrationError as error:
            raise MigrationError(f"{self}: {error}") from error
        except Exception as error:
            raise MigrationError(
                f"{self} failed at {format_path(place.path)}: {type(error).__name__}: {error}"
            ) from error
        if isinstance(result, State):
            return result
        raise MigrationError(
            f"{self} returned a {type(result).__name__} instead of a state; end it with "
            f"return state.added(...), or return state"
        )

    def __str__(self) -> str:
        return f"step {getattr(self.function, '__name__', self.function)} of {self.version}"


class Migrations:
    """The steps of one library, or of one of its layers, by the version that needs them.

    ``base`` is the oldest version whose states the steps start from; a state without a stamp
    counts as saved by it. ``current`` is the library's own version. ``key`` is the field that
    holds the stamp. Versions are ordered as PEP 440 has it, without their local part
    (``+cu118``), which says how a version was built and not what its states look like.
    """

    def __init__(self, *, base: str, current: str, key: str = "version") -> None:
        self.base, self.key, self._own = base, key, current
        self._steps: List[_Step] = []
        if order(current) < order(base):
            raise MigrationError(f"current={current!r} is older than base={base!r}")

    @property
    def current(self) -> str:
        """The version of a migrated state: the library's own, or that of the newest step, if
        that is for the release that a checkout is working towards."""
        return max([self._own, *(step.version for step in self._steps)], key=order)

    def step(
        self, version: str, where: Union[Callable[[State], bool], Iterable[str], None] = None
    ) -> Callable[[StepFunction], StepFunction]:
        """Register a step: what changed in the states that ``version`` and later ones save.

        Without ``where`` the step is for the whole state, which is a dict then. With field
        names, it is for every dict at any depth that has exactly these fields; with a function,
        for every one for which that is true. Inner dicts come first. Steps of one version run
        in the order in which they are registered.
        """
        if order(version) <= order(self.base):
            raise MigrationError(f"a step of {version} would never run: base is {self.base}")
        if isinstance(where, str):
            raise MigrationError(f"where={where!r}: give a collection of names, or a function")
        test = where if where is None or callable(where) else partial(has_exactly, tuple(where))

        def register(function: StepFunction) -> StepFunction:
            self._steps.append(_Step(version, function, test))
            self._steps.sort(key=lambda step: order(step.version))
            return function

        return register

    def stamp(self, state: Fields) -> Fields:
        """A copy of a state that is about to be saved, with the current version in it."""
        if not isinstance(state, dict):
            raise MigrationError(f"a {type(state).__name__} has no room for a stamp: save a dict")
        self.version_of(state)  # refuses to overwrite a field of the layer
        fields: Fields = mapped(state, lambda _, child: fresh(child))
        fields[self.key] = self.current
        return fields

    def version_of(self, state: Any) -> str:
        """The version that a state is stamped with, else ``base``. Raises MigrationError if
        the stamp is not a version."""
        stamp: Any = state.get(self.key, self.base) if isinstance(state, dict) else self.base
        if getattr(stamp, "shape", None) == ():  # how .npz and HDF5 give a text back
            stamp = stamp.item()
        if isinstance(stamp, bytes):
            stamp = stamp.decode("utf-8", "replace")
        if not isinstance(stamp, str):
            raise MigrationError(
                f"the field {self.key!r} is a {type(stamp).__name__}, not the version that saved "
                f"the state; if it is the layer's own, choose another key= for the stamp"
            )
        order(stamp)
        return stamp

    def migrate(
        self, state: Any, like: Any, *, version: Optional[str] = None, missing: str = "refuse"
    ) -> Any:
        """The state as the current version would have saved it, without the stamp.

        ``like`` is the current layer's own state, whose fields the result must have (see
        ``fit``); None leaves that question to the library's loader. ``version`` is for states
        whose version is kept beside them. ``state`` is not changed; arrays that no step changes
        are shared with it.

        Raises MigrationError if the version is unknown, older than ``base`` or newer than
        ``current``, if a step fails, and if the result does not fit.
        """
        result = self.apply(state, like, version=version)
        if like is None:
            return result
        try:
            return fit(result, like, missing=missing)
        except MigrationError as error:
            saved = self._saved_by(state, version)
            raise MigrationError(f"saved by {saved}, loaded by {self.current}: {error}") from None

    def apply(self, state: Any, like: Any, *, version: Optional[str] = None) -> Any:
        """What the steps make of a state, whether or not it has the fields of ``like`` then.

        For a library whose own loader judges that. All else is as in ``migrate``.
        """
        saved = self._saved_by(state, version)
        if isinstance(like, dict) and self.key in like:
            raise MigrationError(f"the layer has a field {self.key!r}: choose another key=")
        result = fresh(state)
        if isinstance(result, dict):
            result.pop(self.key, None)
        for step in self._steps:
            if order(step.version) > order(saved):
                result = step.applied(result, (), like)
        return result

    def _saved_by(self, state: Any, version: Optional[str]) -> str:
        saved = self.version_of(state)
        if version is not None:
            if isinstance(state, dict) and self.key in state and order(version) != order(saved):
                raise MigrationError(f"version={version!r} is given for a state stamped {saved}")
            saved = version
        if order(saved) < order(self.base):
            raise MigrationError(
                f"the state was saved by {saved}, and the steps known here start from {self.base}: "
                f"load it with {self.base} and save it again"
            )
        if order(saved) > order(self.current):
            raise MigrationError(
                f"the state was saved by {saved}, and the newest version known here is "
                f"{self.current}: upgrade the library"
            )
        return saved
