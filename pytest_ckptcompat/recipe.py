"""What a marked test describes: one kind of checkpoint."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat.config import OVERRIDES, Config, Library, check_keys, override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


class RecipeError(Exception):
    """A marked test that cannot be a recipe; the sentence says why and what to do."""


@dataclass(frozen=True)
class Recipe:
    """One marked test.

    ``inputs`` is what the mark gave: a sequence of shapes and arrays, a mapping of these for
    keyword inputs, or a callable taking a ``numpy.random.Generator`` and returning either.
    ``call`` is a method's name or a function of the layer and its inputs; None calls the layer.
    ``rtol`` and ``atol`` replace the error budget and come with a ``reason``.
    """

    name: str
    library: Library
    inputs: Any = None
    call: str | Callable[..., Any] | None = None
    routes: tuple[str, ...] | None = None
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
    """
    if arguments.get("name") is not None:
        return str(arguments["name"])
    return ".".join((*classes, function.removeprefix("test_")))


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
    check_keys(arguments, ARGUMENTS, where)
    library = override(config.library(arguments.get("library"), module), arguments)
    if arguments.get("inputs") is None:
        raise RecipeError(
            f"{name} gives no inputs, so its outputs cannot be compared: "
            f"write @pytest.mark.ckptcompat(inputs=[(2, 3)]), one shape or array per argument, "
            f"or inputs=[] for a layer that is called without any"
        )
    call = arguments.get("call")
    if call is not None and not isinstance(call, str) and not callable(call):
        raise RecipeError(f"{name}: call={call!r} is neither a method's name nor a function")
    rtol, atol, reason = (arguments.get(key) for key in ("rtol", "atol", "reason"))
    if (rtol is not None or atol is not None) and not reason:
        raise RecipeError(
            f'{name} sets its own tolerance; say why: reason="..." beside rtol and atol'
        )
    return Recipe(
        name=name,
        library=library,
        inputs=arguments["inputs"],
        call=call,
        routes=_routes(name, arguments.get("routes")),
        since=since(name, arguments.get("since")),
        exact=bool(arguments.get("exact", False)),
        rtol=rtol,
        atol=atol,
        reason=reason,
        module=str(module),
        line=line,
    )


def _routes(name: str, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) or not all(isinstance(route, str) for route in given) or not given:
        raise RecipeError(f'{name}: routes={given!r} is not a list of names: routes=["state"]')
    return tuple(given)


def since(name: str, given: Any) -> Version | None:
    """The first version that has the layer. Raises RecipeError."""
    if given is None:
        return None
    try:
        return Version(given)
    except (InvalidVersion, TypeError) as error:
        raise RecipeError(f'{name}: since={given!r} is not a version such as "1.2.0"') from error


def unstable_id(
    base: str,
    user_id: str,
    indices: Mapping[str, int],
    params: Mapping[str, Any],
    parametrize: Iterable[Any],
) -> str | None:
    """Why the ids of a recipe's parameters may come to stand for other values, or None.

    ``indices`` and ``params`` are by argument; ``parametrize`` are the marks. pytest makes up an
    id such as ``layer0`` for a value that has no name of its own, and numbers duplicates, so
    inserting a case would rebind the goldens of those after it.
    """
    explicit = {argument for mark in parametrize for argument in _explicit(mark)}
    tokens = user_id.split("-")
    for argument, index in indices.items():
        made_up = argument not in explicit and not _has_name(params[argument])
        if made_up and f"{argument}{index}" in tokens:
            return (
                f"{base}[{user_id}]: the id {argument}{index} is only a position, and goldens "
                f"are found by it: name the cases with ids=[...] or pytest.param(..., id=...)"
            )
    return None


def duplicates(parametrize: Iterable[Any]) -> str | None:
    """A value that a recipe's parameters hold twice, which pytest would number; or None."""
    for mark in parametrize:
        values = list(mark.args[1]) if len(mark.args) > 1 else []
        shown = [repr(value) for value in values if isinstance(value, (str, int, float, bool))]
        for text in shown:
            if shown.count(text) > 1 and not mark.kwargs.get("ids"):
                return text
    return None


def _explicit(mark: Any) -> Iterator[str]:
    """The arguments of a parametrize mark whose every id the user wrote."""
    names = mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
    names = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    values = mark.args[1] if len(mark.args) > 1 else mark.kwargs.get("argvalues", ())
    if mark.kwargs.get("ids") or all(getattr(value, "id", None) for value in values):
        yield from names


def _has_name(value: Any) -> bool:
    """Whether pytest makes an id of the value itself."""
    literal = isinstance(value, (str, bytes, int, float, complex, re.Pattern, enum.Enum))
    return literal or value is None or isinstance(getattr(value, "__name__", None), str)
