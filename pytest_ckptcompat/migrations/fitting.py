"""Whether a state has the fields of a layer."""

from __future__ import annotations

from typing import Any, List

from .trees import (
    Fields,
    MigrationError,
    Path,
    children_of,
    format_path,
    fresh,
    is_branch,
    is_empty,
    rebuilt,
)


def fit(state: Any, like: Any, *, missing: str = "refuse") -> Any:
    """The state with the fields of ``like``, the current layer's own state, in their order.

    ``missing`` says what becomes of a field that the state lacks: ``"refuse"`` raises,
    ``"accept"`` leaves it out, for a loader that then keeps what the layer has, and ``"fill"``
    takes it from ``like``. Always refused, with every path: a field that the layer lacks, a
    container in place of a leaf or the reverse, an array where the layer keeps None, False or
    (). Values, dtypes and shapes are the loader's business. Raises MigrationError.
    """
    if missing not in ("refuse", "accept", "fill"):
        raise MigrationError(f'missing={missing!r}: choose "refuse", "accept" or "fill"')
    surplus: List[str] = []
    lacking: List[str] = []
    other: List[str] = []

    def fitted(old: Any, new: Any, path: Path) -> Any:
        if not is_branch(old) and not is_branch(new):
            if getattr(old, "shape", ()) and (new is None or new is False or is_empty(new)):
                other.append(format_path(path))
            return fresh(old)
        ours, theirs = children_of(old), children_of(new)
        alike = isinstance(old, dict) == isinstance(new, dict)
        if not (is_empty(old) or (ours and is_empty(new)) or (ours and theirs and alike)):
            other.append(format_path(path))
            return old
        surplus.extend(format_path((*path, key)) for key in ours if key not in theirs)
        result: Fields = {}
        for key, value in theirs.items():
            if key in ours:
                result[key] = fitted(ours[key], value, (*path, key))
            elif missing == "fill":
                result[key] = fresh(value)
            elif missing == "refuse":
                lacking.append(format_path((*path, key)))
        return rebuilt(old if alike else new, result)

    result = fitted(state, like, ())
    said = [
        text.format(", ".join(paths))
        for paths, text in (
            (surplus, "the layer has no {} (rename or remove it in a step)"),
            (lacking, 'the state has no {} (add it in a step, or pass missing="fill" or "accept")'),
            (other, "of another kind in the layer: {} (transform it in a step)"),
        )
        if paths
    ]
    if said:
        raise MigrationError("the state does not fit the layer: " + "; ".join(said))
    return result
