"""What pytest sees of snapshots: the check of a locked field tree and the fixture for arrays.

syrupy, NumPy and HDF5 are imported when a test needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat.adapters import AdapterError, resolve
from pytest_ckptcompat.recipe import RecipeError
from pytest_ckptcompat.timeout import HungError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion

    from pytest_ckptcompat.recipe import Recipe
    from pytest_ckptcompat.snapshots.extensions import ArraySnapshot

# What is told in a sentence; of anything else that a recipe raises, the traceback helps.
_SENTENCES = (AdapterError, RecipeError)

#: The most fields that a failure names.
NAMED = 20


@pytest.fixture
def ckpt_snapshot(request: pytest.FixtureRequest) -> ArraySnapshot:
    """Compares arrays with those stored before: ``assert ckpt_snapshot == arrays``.

    An array, or nested dicts, lists and tuples of arrays and static values, is kept as HDF5 under
    ``__snapshots__``. Numbers match within the wide tolerance, or as the call says:
    ``ckpt_snapshot(rtol=1e-3)``, ``atol=``, ``exact=True``.
    """
    from pytest_ckptcompat.snapshots.extensions import ArraySnapshot  # noqa: PLC0415

    return ArraySnapshot.of(_syrupy(request, "the fixture ckpt_snapshot"))


def _syrupy(request: pytest.FixtureRequest, who: str) -> SnapshotAssertion:
    """The fixture of syrupy, which knows the run's options."""
    if not hasattr(request.config.option, "update_snapshots"):
        pytest.fail(
            f"{who} needs the plugin syrupy, which is not loaded (by -p no:syrupy, or because "
            f"PYTEST_DISABLE_PLUGIN_AUTOLOAD is set): load it with -p syrupy",
            pytrace=False,
        )
    snapshot: SnapshotAssertion = request.getfixturevalue("snapshot")
    return snapshot


def keep_unused(config: pytest.Config) -> None:
    """Let syrupy neither fail for snapshots that this run does not use, nor delete any.

    For a run that lacks the items of recipes whose field tree is locked.
    """
    for option in ("warn_unused_snapshots", "disable_unused_snapshots"):
        setattr(config.option, option, True)


def check_fields(
    item: pytest.Function, known: Recipe | str, build: Callable[[Recipe], Any]
) -> None:
    """Hold a recipe's field tree against its snapshot; fails the test in words.

    ``known`` is the recipe, or what is wrong with it. Raises what the recipe raises.
    """
    from pytest_ckptcompat.snapshots.extensions import (  # noqa: PLC0415
        FieldLockExtension,
        Unavailable,
    )

    whole = _syrupy(item._request, "lock = true in [tool.ckptcompat]")  # noqa: SLF001
    snapshot = whole.use_extension(FieldLockExtension)
    text: str | Unavailable
    try:
        text = _text(known, build)
    except (Exception, HungError) as error:  # noqa: BLE001  raised again below
        text = Unavailable(error)
    # For syrupy, one that is compared with nothing is unused, and an update would delete it.
    matches = snapshot == text
    if isinstance(text, Unavailable):
        if isinstance(text.error, _SENTENCES):
            pytest.fail(str(text.error), pytrace=False)
        raise text.error
    if not matches:
        pytest.fail(_told(snapshot, text), pytrace=False)


def _text(known: Recipe | str, build: Callable[[Recipe], Any]) -> str:
    from pytest_ckptcompat.layers import started, words  # noqa: PLC0415
    from pytest_ckptcompat.recording.inputs import draw  # noqa: PLC0415
    from pytest_ckptcompat.snapshots.fieldtext import text_of  # noqa: PLC0415
    from pytest_ckptcompat.state import Tree  # noqa: PLC0415

    if isinstance(known, str):
        raise RecipeError(known)
    adapter, layer = resolve(known.library), build(known)
    try:
        tree = Tree.of(adapter.state(started(adapter, layer, draw(known), known)))
    except Exception as error:
        raise RecipeError(
            f"{known.name}: the state of its layer cannot be read: {words(error)}"
        ) from error
    return text_of(tree, known.name, known.library.name)


def _told(snapshot: SnapshotAssertion, text: str) -> str:
    from pytest_ckptcompat.snapshots.extensions import ACCEPT  # noqa: PLC0415
    from pytest_ckptcompat.snapshots.fieldtext import changes  # noqa: PLC0415

    result = snapshot.executions[snapshot.num_executions - 1]
    path = Path(result.snapshot_location)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if result.exception is not None:
        return f"{shown} cannot be read ({result.exception}): restore it from version control"
    if result.recalled_data is None:
        return (
            f"the fields of this recipe are not locked yet: write {shown} with pytest "
            f"--snapshot-update and commit it"
        )
    found = changes(str(result.recalled_data), text)
    more = [f"... and {len(found) - NAMED} more"] if len(found) > NAMED else []
    lines = "\n".join(f"  {line}" for line in (*found[:NAMED], *more))
    return f"the fields are not those of {shown}\n\n{lines}\n\n{ACCEPT}"
