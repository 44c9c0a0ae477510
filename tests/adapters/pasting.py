"""A failure's suggestion, pasted where the failure says."""

from __future__ import annotations

import re
import textwrap

_ADVICE = r"\(paste into\s+(?P<place>[^)]*?)\):\n\s*\n(?P<code>(?: {6}.*\n|\s*\n)+)"


def advice(text):
    """The place and the code of a failure's text."""
    found = re.search(_ADVICE, text)
    assert found is not None, text
    return " ".join(found["place"].split()), textwrap.dedent(found["code"]).strip() + "\n"


def into_class(source, name, code):
    """The source with the code as the first of a class's body."""
    head = re.search(rf"^class {name}\(.*\):\n", source, re.MULTILINE)
    assert head is not None
    compile(f"class A:\n{textwrap.indent(code, '    ')}", "pasted", "exec")
    return source[: head.end()] + textwrap.indent(code, "    ") + "\n" + source[head.end() :]
