"""Ways of comparing an output with what is expected: whether each lets it pass in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.numeric import compare

if TYPE_CHECKING:
    from collections.abc import Callable


def _within(rtol: float, atol: float) -> Callable[[Any, Any, Any], bool]:
    def passes(want: Any, got: Any, budget: Any) -> bool:  # noqa: ARG001  measures none
        return bool(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True))

    return passes


def _ours(want: Any, got: Any, budget: Any) -> bool:
    return compare(want, got, budget).zone == "within"


#: The tolerances are those that each library documents as its defaults for float32.
WAYS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "error budget": _ours,
    "torch.testing": _within(1.3e-6, 1e-5),
    "numpy.allclose": _within(1e-5, 1e-8),
    "assert_allclose": _within(1e-7, 0.0),
    "rtol 1e-5": _within(1e-5, 0.0),
    "rtol 1e-4": _within(1e-4, 0.0),
}
