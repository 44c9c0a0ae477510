"""Static values: whether two that differ mean the same, and by what they differ.

Written for Python 3.8, like ``state``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import Name, same_static


def kind_of(old: Any, new: Any) -> Kind:
    """The kind of drift from one static value to another that is not the same."""
    if isinstance(old, Name) and isinstance(new, Name):
        return Kind.NAME
    if type(old) is type(new):
        return Kind.VALUE
    return Kind.RESPELLED if same_meaning(old, new) else Kind.TYPE


def same_meaning(old: Any, new: Any) -> bool:
    """Whether two static values say the same, perhaps in other types.

    2 and 2.0 do, 2 and (2, 2), [1, 2] and (1, 2), "relu" and a function of that name, and a
    function that moved to another module. True and 1 do not.
    """
    if same_static(old, new):
        return True
    if isinstance(old, (tuple, list)) and isinstance(new, (tuple, list)):
        return len(old) == len(new) and all(map(same_meaning, old, new))
    if isinstance(old, (tuple, list)) or isinstance(new, (tuple, list)):
        many, one = (old, new) if isinstance(old, (tuple, list)) else (new, old)
        return bool(many) and all(same_meaning(item, one) for item in many)
    if isinstance(old, Name) or isinstance(new, Name):
        names = _name(old), _name(new)
        return bool(names[0]) and names[0] == names[1]
    return _is_number(old) and _is_number(new) and _equal(old, new)


def _name(value: Any) -> str:
    """What a name or a text calls something, without the module."""
    if isinstance(value, str):
        return value
    if isinstance(value, Name) and value.kind != "object":
        last = str(value)
        return last.rpartition(".")[2] if value.kind == "enum" else last
    return ""


def _is_number(value: Any) -> bool:
    is_bool = isinstance(value, (bool, np.bool_))
    return isinstance(value, (int, float, complex, np.number)) and not is_bool


def _equal(old: Any, new: Any) -> bool:
    """Whether two numbers are equal, in the coarser type where they are NumPy's."""
    for one, other in ((old, new), (new, old)):
        if isinstance(one, np.inexact):
            with np.errstate(all="ignore"):
                try:
                    return bool(one == type(one)(other))
                except (TypeError, ValueError, OverflowError):
                    return False
    return bool(old == new)
