"""The order of versions."""

from __future__ import annotations

import re
from typing import Any, Tuple

from .trees import MigrationError

_VERSION = re.compile(
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)"
    r"(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?"
    r"(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?"
    r"(?:[-_.]?(dev)[-_.]?(\d*))?"
    r"(?:\+[a-z\d]+(?:[-_.][a-z\d]+)*)?",
    re.IGNORECASE | re.ASCII,
)


def order(version: str) -> Tuple[Any, ...]:
    """A key that sorts versions as PEP 440 does, local parts aside."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        raise MigrationError(f"{version!r} is not a version as PEP 440 has them, such as 0.14.17")
    epoch, numbers, pre, pre_number, short_post, post, post_number, dev, dev_number = found.groups()
    release = [int(number) for number in numbers.split(".")]
    while release and release[-1] == 0:
        release.pop()
    after = int(short_post or post_number or 0) if short_post or post else -1
    if pre:
        stage = ({"a": 1, "b": 2}.get(pre[0].lower(), 3), int(pre_number or 0))
    else:
        stage = (0 if dev and after < 0 else 4, 0)
    return (int(epoch or 0), tuple(release), stage, after, (not dev, int(dev_number or 0)))
