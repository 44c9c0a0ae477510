"""What a migration would call on an old state to handle one drift."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.drift import Drift
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import Array, Container, Path, Static, Tree, same_static, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.state import Node

RENAMES = (Kind.RENAMED, Kind.MOVED)
#: The longest literal that a suggestion writes out.
MAX_LITERAL = 60
#: How many fields a layer that used to save nothing may have got.
MAX_CHILDREN = 4


@dataclass(frozen=True)
class Change:
    """One call on the state of the dict at ``base``.

    ``old`` and ``new`` are paths within that dict; ``call`` and ``tests`` have them as {old} and
    {new}. A state that the change is for has ``gone``, which the layer lacks; the layer has
    ``come``, which the state lacks; and ``tests`` hold. ``purpose`` is for people. ``lossy``: the
    golden will count as changed all the same. ``handles`` are the drifts that the change is part
    of handling, by path and kind.
    """

    verb: str
    purpose: str
    base: Path
    call: str
    drift: Drift
    handles: frozenset[tuple[str, str]] = frozenset()
    old: Path = ()
    new: Path = ()
    gone: tuple[Path, ...] = ()
    come: tuple[Path, ...] = ()
    tests: tuple[str, ...] = ()
    lossy: bool = False

    def within(self, prefix: Path) -> Change:
        """The same change, seen from a dict further out."""
        old, new = (path and (*prefix, *path) for path in (self.old, self.new))
        gone, come = (tuple((*prefix, *path) for path in paths) for paths in (self.gone, self.come))
        base = self.base[: len(self.base) - len(prefix)]
        return replace(self, base=base, old=old, new=new, gone=gone, come=come)


def changes_of(drift: Drift) -> Iterator[Change]:
    """What would handle a drift; nothing where nothing can. ``handles`` is left empty."""
    old, new = drift.old, drift.new
    if drift.kind in RENAMES:
        yield from _renamed(drift)
    elif isinstance(old, Static) and old.value in ((), []) and isinstance(new, Container):
        yield from _filled(drift, new)
    else:
        base, field = _split(drift.path)
        call = _CALLS.get(drift.kind.family or drift.kind.value)
        made = call(old, new, field) if field and call is not None else None
        if made is not None:
            yield replace(made, base=base, old=field, drift=drift)


def _split(path: Path) -> tuple[Path, Path]:
    """The dict that a path lies in, and the rest: a field, or a place in a field's sequence."""
    for at in range(len(path) - 1, -1, -1):
        if isinstance(path[at], str):
            return path[:at], path[at:]
    return (), ()


def change(verb: str, purpose: str, call: str, *tests: str, lossy: bool = False) -> Change:
    """A change that has no place yet."""
    return Change(verb, purpose, (), call, _NOWHERE, tests=tests, lossy=lossy)


_NOWHERE = Drift(Kind.REORDERED, ())
_LIKE = "added({old}, state.like[{old}])"
_FROM_LAYER = "give old states what the layer has"
_CONVERT = "convert to today's type"


def _added(_: Node | None, new: Node | None, field: Path) -> Change | None:
    if len(field) > 1:
        return None
    text = literal(new)
    purpose = "give old states the default" if text else _FROM_LAYER
    made = change("add", purpose, f"added({{old}}, {text})" if text else _LIKE)
    return replace(made, come=(field,))


def _removed(old: Node | None, _: Node | None, field: Path) -> Change | None:
    if len(field) > 1:
        return None
    lossy = old is not None and any(
        isinstance(leaf, Array) or leaf.value not in (None, (), [], "")
        for leaf in Tree(old).leaves().values()
    )
    purpose = "drop what is gone"
    return replace(change("remove", purpose, "removed({old})", lossy=lossy), gone=(field,))


def literal(node: Node | None) -> str | None:
    """A static value in Python's own terms, braces doubled, None where there are no such.

    A tuple of equal numbers takes its length from the layer: it is that of the dimensions.
    """
    if not isinstance(node, Static):
        return None
    value = node.value
    if isinstance(value, tuple) and value and len(set(map(repr, value))) == 1:
        first = _doubled(written(value[0]))
        if first is not None and isinstance(value[0], (int, float)):
            return f"({first},) * len(state.like[{{old}}])"
    return _doubled(written(value))


def _doubled(text: str | None) -> str | None:
    """A text whose braces stand for themselves in a format."""
    return text.replace("{", "{{").replace("}", "}}") if text is not None else None


def written(value: Any) -> str | None:
    """A static value in Python's own terms; None where there are no such, or too long ones."""
    text = quoted(value) if isinstance(value, str) else show(value)
    try:
        same = same_static(ast.literal_eval(text), value)
    except (ValueError, SyntaxError):
        return None
    return text if same and len(text) <= MAX_LITERAL else None


def quoted(text: str) -> str:
    """A string literal, in double quotes where it has none itself."""
    text_as_code = repr(text)
    if text_as_code.startswith("'") and '"' not in text:
        return f'"{text_as_code[1:-1]}"'
    return text_as_code


def _retyped(old: Node | None, new: Node | None, _: Path) -> Change | None:
    assert isinstance(old, Array)
    assert isinstance(new, Array)
    if not np.can_cast(old.value.dtype, new.value.dtype, "same_kind"):
        return None
    return change(
        "cast",
        "cast to today's dtype",
        "transformed({old}, lambda array: array.astype(state.like[{old}].dtype))",
        f'getattr(s.get({{old}}), "dtype", None) == "{old.dtype}"',
        "{old} in s.like",
    )


def _reshaped(old: Node | None, new: Node | None, _: Path) -> Change | None:
    assert isinstance(old, Array)
    assert isinstance(new, Array)
    if not refines(old, new):
        return None
    tests = [f'getattr(s.get({{old}}), "ndim", None) == {len(old.shape)}']
    if len(old.shape) == len(new.shape):
        tests.append("{old} in s.like")
    else:
        tests.append(f'getattr(s.like.get({{old}}), "ndim", None) == {len(new.shape)}')
    call = "transformed({old}, lambda array: array.reshape(state.like[{old}].shape))"
    return change("reshape", "reshape to today's shape", call, *tests)


def refines(old: Node | None, new: Node | None) -> bool:
    """Whether a reshape from one array to another only joins or parts axes."""
    assert isinstance(old, Array)
    assert isinstance(new, Array)
    return _fits(old.shape, new.shape) or _fits(new.shape, old.shape)


def _fits(fine: tuple[int, ...], coarse: tuple[int, ...]) -> bool:
    """Whether each size of ``coarse`` is the product of consecutive ones of ``fine``.

    Else a reshape would mix up axes, and what is meant may be a transposition.
    """
    if math.prod(fine) != math.prod(coarse) or not math.prod(fine):
        return False
    sizes = iter([size for size in fine if size != 1])
    for want in (size for size in coarse if size != 1):
        product = 1
        while product < want:
            product *= next(sizes, want + 1)
        if product != want:
            return False
    return True


def _restructured(old: Node | None, new: Node | None, _: Path) -> Change | None:
    if isinstance(old, Container) and isinstance(new, Container):
        same = old.kind == new.kind or "dict" in (old.kind, new.kind)
        return None if same else _converted(old.kind, new.kind)
    if isinstance(old, Static) and isinstance(new, Array) and _is_nothing(old):
        return change(
            "fill",
            _FROM_LAYER,
            "transformed({old}, lambda _: state.like[{old}])",
            f"s.get({{old}}, 0) is {old.value}",
            "{old} in s.like",
            lossy=old.value is True,
        )
    if not isinstance(old, Array) or not isinstance(new, Static):
        return None
    if _is_nothing(new):
        return change(
            "drop",
            "drop what is gone",
            f"transformed({{old}}, lambda _: {new.value})",
            "{old} in s",
            f"s.like.get({{old}}, 0) is {new.value}",
            lossy=True,
        )
    if old.shape == () and type(new.value) in (int, float, complex):
        return change(
            "unpack",
            "make numbers of arrays",
            "transformed({old}, lambda array: array.item())",
            'getattr(s.get({old}), "shape", None) == ()',
            f"type(s.like.get({{old}})) is {type(new.value).__name__}",
        )
    return None


def _is_nothing(node: Static) -> bool:
    return node.value is None or isinstance(node.value, bool)


def _converted(old: str, new: str) -> Change:
    return change(
        "convert",
        _CONVERT,
        f"transformed({{old}}, {new})",
        f"type(s.get({{old}})) is {old}",
        f"type(s.like.get({{old}})) is {new}",
    )


def _value(old: Node | None, new: Node | None, _: Path) -> Change | None:
    assert isinstance(old, Static)
    assert isinstance(new, Static)
    before, after = old.value, new.value
    if type(before) not in _CONVERTIBLE or type(after) not in _CONVERTIBLE:
        return None
    kind = type(before).__name__
    if type(before) is not type(after) and _converts(before, after):
        return _converted(kind, type(after).__name__)
    is_old = f"type(s.get({{old}})) is {kind}"
    if isinstance(after, tuple) and after and all(same_static(item, before) for item in after):
        call = "transformed({old}, lambda value: (value,) * len(state.like[{old}]))"
        return change("convert", _CONVERT, call, is_old, "type(s.like.get({old})) is tuple")
    texts = _doubled(written(before)), _doubled(written(after))
    if None in texts:
        return None
    return change(
        "translate",
        "translate what means the same",
        f"transformed({{old}}, lambda value: {texts[1]} if value == {texts[0]} else value)",
        is_old,
        "{old} in s.like",
    )


_CONVERTIBLE = {bool, int, float, complex, str, tuple, list}


def _converts(before: Any, after: Any) -> bool:
    try:
        return same_static(type(after)(before), after)
    except (TypeError, ValueError):
        return False


_CALLS = {
    Kind.ADDED.value: _added,
    Kind.REMOVED.value: _removed,
    "retyped": _retyped,
    "reshaped": _reshaped,
    "restructured": _restructured,
    "static changed": _value,
}


def _renamed(drift: Drift) -> Iterator[Change]:
    old, new = drift.path, drift.current_path
    shared = 0
    while shared < min(len(old), len(new)) - 1 and old[shared] == new[shared]:
        shared += 1
    while shared and (isinstance(old[shared], int) or isinstance(new[shared], int)):
        shared -= 1
    places = old[shared], new[shared], old[-1], new[-1]
    if all(isinstance(key, str) for key in places):
        verb = "rename" if drift.kind is Kind.RENAMED else "move"
        purpose = "rename fields" if verb == "rename" else "move fields"
        base, old, new = old[:shared], old[shared:], new[shared:]
        made = Change(verb, purpose, base, "renamed({old}, {new})", drift, old=old, new=new)
        yield replace(made, gone=(old,), come=(new,))


def _filled(drift: Drift, new: Container) -> Iterator[Change]:
    """A layer that used to save nothing, and has fields now."""
    named = all(isinstance(key, str) for key, _ in new.children)
    if new.kind == "dict" and named and 0 < len(new.children) <= MAX_CHILDREN:
        for key, _ in new.children:
            made = change("add", _FROM_LAYER, _LIKE, "not s")
            yield replace(made, base=drift.path, drift=drift, old=(key,), come=((key,),))
