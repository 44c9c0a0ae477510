"""The texts of the files that ``ckptcompat init`` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RECIPES = '''\
"""A recipe for each kind of checkpoint that users of {package} save.

Each returns a layer. Every golden checkpoint of it, of every release, is loaded into that.
"""

import {package}
import pytest


@pytest.mark.ckptcompat(inputs=[{inputs}])  # {what}
def test_{test}():
{body}
'''

#: Inputs that many layers of a framework take, and what they are.
_INPUTS = {
    "equinox": ("(3,)", "one shape for each argument; layers of Equinox take no batch"),
}

_WORKFLOW = """\
# Old checkpoints are loaded on every push; a release's goldens are recorded when it is out.
name: ckptcompat
on:
  push:
  pull_request:
  release:
    types: [published]

jobs:
  check:
    if: github.event_name != 'release'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0  # tags name the released versions; --base needs the history
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install -e . pytest-ckptcompat
      - run: pytest {recipes}
      - run: ckptcompat check
      - if: github.event_name == 'pull_request'
        run: ckptcompat check --base origin/${{{{ github.base_ref }}}}

  record:
    if: github.event_name == 'release'
    runs-on: ubuntu-latest
    permissions:
      contents: write
      pull-requests: write
    env:
      TAG: ${{{{ github.event.release.tag_name }}}}
      GH_TOKEN: ${{{{ github.token }}}}
    steps:
      - uses: actions/checkout@v4
        with:
          ref: ${{{{ github.event.repository.default_branch }}}}
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: Install the release, once the index has it
        run: |
          for attempt in 1 2 3 4 5 6 7 8 9 10; do
            pip install "{distribution}==${{TAG#v}}" pytest-ckptcompat && exit 0
            sleep 60
          done
          exit 1
      - run: pytest {recipes} --ckpt-record
      - name: Propose the goldens
        run: |
          git config user.name "github-actions[bot]"
          git config user.email "github-actions[bot]@users.noreply.github.com"
          git switch -c "goldens-$TAG"
          git add golden
          git commit -m "Record goldens of $TAG"
          git push -u origin "goldens-$TAG"
          gh pr create --fill
"""


def recipes(package: str, adapter: str, layers: Sequence[tuple[str, bool]]) -> str:
    """A test file with a first recipe: of a layer that needs no arguments, if one is known."""
    shape, what = _INPUTS.get(adapter, ("(2, 3)", "one shape, or array, for each argument"))
    simple = [name for name, needs_arguments in layers if not needs_arguments]
    name = (simple or [name for name, _ in layers] or ["Layer"])[0]
    if simple:
        body = f"    return {package}.{name}()"
    else:
        known = ", ".join(one for one, _ in layers[:8])
        found = f"  # found here: {known}" if known else ""
        body = (
            f'    pytest.fail("let this recipe return a layer of {package}, built as users do")'
            f"{found}\n    return {package}.{name}()"
        )
    return _RECIPES.format(package=package, inputs=shape, what=what, test=name.lower(), body=body)


def workflow(distribution: str, recipes: str) -> str:
    """A GitHub workflow with a job for pushes and one for releases."""
    return _WORKFLOW.format(distribution=distribution, recipes=recipes)
