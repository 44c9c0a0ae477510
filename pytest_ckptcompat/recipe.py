"""What a marked test describes: one kind of checkpoint."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat.config import OVERRIDES, Config, Library, check_keys, override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import PurePosixPath

#: The arguments that a mark takes.
ARGUMENTS = (
    "inputs",
    "call",
    "routes",
    "since",
    "name",
    "library",
    "exact",
    "rtol",
    "atol",
    "reason",
    *OVERRIDES,
)
#: Under this key, which is no argument's name, stand those that were given without a name.
POSITIONAL = "*"


class RecipeError(Exception):
    """A marked test that cannot be a recipe; the sentence says why and what to do."""


@dataclass(frozen=True)
class Recipe:
    """One marked test.

    ``inputs`` is what the mark gave: a sequence of shapes and arrays, a mapping of these for
    keyword inputs, or a callable taking a ``numpy.random.Generator`` and returning either.
    ``call`` is a method's name or a function of the layer and its inputs; None calls the layer.
    ``loaders`` are routes of the mark's own: functions of the layer and the state, by name.
    ``rtol`` and ``atol`` replace the error budget and come with a ``reason``.
    """

    name: str
    library: Library
    inputs: Any = None
    call: str | Callable[..., Any] | None = None
    routes: tuple[str, ...] | None = None
    loaders: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    since: Version | None = None
    exact: bool = False
    rtol: float | None = None
    atol: float | None = None
    reason: str | None = None
    module: str = ""
    line: int = 0


def base_name(function: str, classes: Sequence[str], arguments: Mapping[str, Any]) -> str:
    """The golden's name without the ids of parameters.

    The mark's ``name``, or else the function's name without ``test_``, qualified by its classes.
    Raises RecipeError.
    """
    name = arguments.get("name")
    if name is not None:
        if not isinstance(name, str) or not name:
            raise RecipeError(f"{function}: name={name!r} is not a text: name a golden")
        return name
    return ".".join(
        (*classes, function[len("test_") :] if function.startswith("test_") else function)
    )


def full_name(base: str, user_id: str) -> str:
    """The golden's name: the base name, and the ids of the user's parameters."""
    return f"{base}-{user_id}" if user_id else base


def describe(
    name: str, arguments: Mapping[str, Any], config: Config, module: PurePosixPath, line: int
) -> Recipe:
    """The recipe of a mark's merged arguments.

    Raises RecipeError or ConfigError for arguments that it does not take.
    """
    where = f"the ckptcompat mark of {name}"
    if arguments.get(POSITIONAL):
        raise RecipeError(
            f"{where} takes no positional arguments, but has {arguments[POSITIONAL][0]!r}: write "
            f"inputs={arguments[POSITIONAL][0]!r}"
        )
    given = {key: value for key, value in arguments.items() if key != POSITIONAL}
    check_keys(given, ARGUMENTS, where)
    library = override(config.library(given.get("library"), module), given, where)
    if arguments.get("inputs") is None:
        raise RecipeError(
            f"{name} gives no inputs, so its outputs cannot be compared: "
            f"write @pytest.mark.ckptcompat(inputs=[(2, 3)]), one shape or array per argument, "
            f"or inputs=[] for a layer that is called without any"
        )
    call = arguments.get("call")
    if call is not None and not isinstance(call, str) and not callable(call):
        raise RecipeError(f"{name}: call={call!r} is neither a method's name nor a function")
    rtol, atol = (_tolerance(name, key, arguments.get(key)) for key in ("rtol", "atol"))
    reason = arguments.get("reason")
    if (rtol is not None or atol is not None) and not reason:
        raise RecipeError(
            f'{name} sets its own tolerance; say why: reason="..." beside rtol and atol'
        )
    routes = arguments.get("routes")
    exact = arguments.get("exact", False)
    if not isinstance(exact, bool):
        raise RecipeError(f"{name}: exact={exact!r} is neither True nor False")
    named, loaders = _routes(name, routes)
    return Recipe(
        name=name,
        library=library,
        inputs=arguments["inputs"],
        call=call,
        routes=named,
        loaders=loaders,
        since=since(name, arguments.get("since")),
        exact=exact,
        rtol=rtol,
        atol=atol,
        reason=reason,
        module=str(module),
        line=line,
    )


def _tolerance(name: str, key: str, given: Any) -> float | None:
    if given is None:
        return None
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not number or not 0 <= given < math.inf:
        raise RecipeError(f"{name}: {key}={given!r} is not a number, zero or more")
    return float(given)


def _routes(
    name: str, given: Any
) -> tuple[tuple[str, ...] | None, Mapping[str, Callable[..., Any]]]:
    """The names of the routes, and those that are functions of the mark's own."""
    if given is None:
        return None, {}
    if isinstance(given, Mapping):
        listed, loaders = [*given], {**given}
    elif isinstance(given, (list, tuple)):
        listed = [route if isinstance(route, str) else _function_name(route) for route in given]
        loaders = {n: route for n, route in zip(listed, given) if not isinstance(route, str)}
    else:
        listed, loaders = [], {}
    known = all(isinstance(route, str) for route in listed)
    if not listed or not known or not all(callable(load) for load in loaders.values()):
        raise RecipeError(
            f'{name}: routes={given!r} is neither a list of names, routes=["state"], and '
            f"functions of the layer and the state, nor such functions by name"
        )
    return tuple(listed), loaders


def _function_name(route: Any) -> Any:
    """What a function is called; None where it has no name that could stand for it."""
    own = getattr(route, "__name__", None)
    return own if isinstance(own, str) and own.isidentifier() else None


def since(name: str, given: Any) -> Version | None:
    """The first version that has the layer. Raises RecipeError."""
    if given is None:
        return None
    try:
        return Version(given)
    except (InvalidVersion, TypeError) as error:
        raise RecipeError(f'{name}: since={given!r} is not a version such as "1.2.0"') from error


@dataclass(frozen=True)
class Parameters:
    """One parametrization of a test, by a mark or by a fixture's ``params``.

    ``values`` are as they were written, with ``pytest.param`` around some; ``ids`` as well.
    """

    names: tuple[str, ...]
    values: tuple[Any, ...]
    ids: Any = None

    @classmethod
    def of_mark(cls, mark: Any) -> Parameters:
        given = dict(zip(("argnames", "argvalues", "indirect", "ids"), mark.args))
        given.update(mark.kwargs)
        names = given.get("argnames", "")
        names = names.split(",") if isinstance(names, str) else names
        return cls(
            tuple(name.strip() for name in names),
            tuple(given.get("argvalues", ())),
            given.get("ids"),
        )

    def written(self, index: int) -> str | None:
        """The id that the user gave a case; None where pytest makes one up."""
        if index >= len(self.values):
            return None  # pytest has used up an iterator
        value = self.values[index]
        if _is_param(value) and value.id is not None:
            return str(value.id)
        if isinstance(self.ids, (list, tuple)):
            given = self.ids[index] if index < len(self.ids) else None
            return None if given is None else str(given)
        if not callable(self.ids):
            return None if self.ids is None else str(index)  # an iterator of ids
        parts = [self.ids(one) for one in self._each(value)]
        return None if None in parts else "-".join(str(part) for part in parts)

    def id(self, index: int) -> str | None:
        """The id of a case before pytest numbers it; None where it is only a position."""
        written = self.written(index)
        if written is not None or index >= len(self.values):
            return written
        parts = [_own_name(one) for one in self._each(self.values[index])]
        return "-".join(part for part in parts if part is not None) if None not in parts else None

    def twice(self, index: int) -> bool:
        """Whether another case has the same id, so that pytest numbers both."""
        own = self.id(index)
        return own is not None and any(
            self.id(other) == own for other in range(len(self.values)) if other != index
        )

    def _each(self, value: Any) -> tuple[Any, ...]:
        if _is_param(value):
            return tuple(value.values)
        return tuple(value) if len(self.names) > 1 else (value,)


def unstable_id(
    base: str,
    user_id: str,
    indices: Mapping[str, int],
    params: Mapping[str, Any],
    parametrizations: Iterable[Parameters],
) -> str | None:
    """Why the ids of a recipe's parameters may come to stand for other values, or None.

    ``indices`` and ``params`` are by argument; of several ``parametrizations`` of one argument
    the first counts. pytest makes up an id such as ``layer0`` for a value that has no name of its
    own, and numbers duplicates, so inserting a case would rebind the goldens of those after it.
    """
    by_argument: dict[str, Parameters] = {}
    for one in parametrizations:
        for name in one.names:
            by_argument.setdefault(name, one)
    tokens = user_id.split("-")
    for argument, index in indices.items():
        known = by_argument.get(argument)
        if known is not None and known.twice(index):
            return (
                f"{base}[{user_id}]: the id {known.id(index)!r} stands for two cases of "
                f"{', '.join(known.names)}, and goldens are found by it: give each case its own"
            )
        written = known is not None and known.written(index) is not None
        made_up = not written and _own_name(params[argument]) is None
        if made_up and f"{argument}{index}" in tokens:
            return (
                f"{base}[{user_id}]: the id {argument}{index} is only a position, and goldens "
                f"are found by it: name the cases with ids=[...] or pytest.param(..., id=...)"
            )
    return None


def _is_param(value: Any) -> bool:
    """Whether a value is what ``pytest.param`` makes."""
    return type(value).__name__ == "ParameterSet"


def _own_name(value: Any) -> str | None:
    """The id that pytest makes of the value itself; None where it takes the position."""
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if value is None or isinstance(value, (str, bytes, int, float, complex, enum.Enum)):
        return str(value)
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else None
