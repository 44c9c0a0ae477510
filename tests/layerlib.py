"""A layer library with releases, for tests that run the plugin in a project of its own.

``LayerLibrary`` writes the library as an installed distribution into a folder of its own for
each version, and the project beside it. Runs within this process are cheap; ``run_apart`` is for
what needs a process (xdist, what is imported, ``-p no:``).
"""

from __future__ import annotations

import importlib
import json
import sys
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

# pytester forgets what a run within this process was the first to import. Importing NumPy and
# HDF5 again would be slow, and NumPy would warn of it.
import pytest_ckptcompat.recording.record
import pytest_ckptcompat.run  # noqa: F401

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pytest

#: A dense layer whose loader is strict: the saved fields must be the layer's.
DENSE = '''
import numpy as np

class Dense:
    """Layers of one random draw each, unless a seed is given."""

    def __init__(self, n_in=3, n_out=2, seed=0, **more):
        rng = np.random.default_rng(seed)
        self.weight = rng.normal(size=(n_out, n_in)).astype("float32")
        self.bias = np.zeros(n_out, "float32")
        self.slope = 1.5
        vars(self).update(more)

    def __call__(self, x):
        return self.slope * (self.weight @ x + self.bias[:, None])

    def state_dict(self):
        return dict(vars(self))

    def load_state_dict(self, state):
        if list(state) != list(vars(self)):
            raise KeyError(f"expected the fields {list(vars(self))}, got {list(state)}")
        vars(self).update(state)
'''

#: A field more, which the strict loader of before does not take.
DENSE_WITH_SCALE = DENSE.replace(
    "        vars(self).update(more)",
    "        self.scale = (0, 0)\n        vars(self).update(more)",
)

#: Loads, and computes something else.
DENSE_OTHER_OUTPUTS = DENSE.replace("return self.slope *", "return 1.01 * self.slope *")

#: A field less, which the loader drops without a word.
DENSE_DROPPING = (
    DENSE.replace(
        "        vars(self).update(more)", "        del self.slope\n        vars(self).update(more)"
    )
    .replace(
        "        if list(state) != list(vars(self)):",
        '        state = {k: v for k, v in state.items() if k != "slope"}\n'
        "        if list(state) != list(vars(self)):",
    )
    .replace("self.slope *", "1.5 *")
)

#: One recipe, ``dense``.
RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()
"""


#: What ``LayerLibrary.released`` recorded, by what it recorded it from.
_RECORDED: dict[tuple[object, ...], dict[str, bytes]] = {}


class LayerLibrary:
    """The library ``mylayers`` and the project that tests its checkpoints."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self._monkeypatch = monkeypatch
        self._site: Path | None = None
        self._installed = 0
        # Other plugins that happen to be installed here cost seconds, and are not the subject.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        self.configure()

    @property
    def golden(self) -> Path:
        """The folder of the library's goldens."""
        return self.root / "golden" / "mylayers"

    def configure(self, text: str = 'library = "mylayers"', pytest_options: str = "") -> None:
        """Write pyproject.toml: what stands under [tool.ckptcompat], and pytest's options."""
        self.pytester.makepyprojecttoml(
            f"[tool.ckptcompat]\n{dedent(text)}\n"
            f"[tool.pytest.ini_options]\n{dedent(pytest_options)}\n"
        )

    def install(
        self, version: str = "1.0.0", source: str = DENSE, *, distribution: bool = True
    ) -> Path:
        """Install a version in place of the one before; gives its site folder.

        Without ``distribution`` there is nothing but the package.
        """
        self._installed += 1
        site = self.root.parent / f"{self.root.name}-site{self._installed}"
        package = site / "mylayers" / "__init__.py"
        package.parent.mkdir(parents=True)
        package.write_text(f'__version__ = "{version}"\n{source}', encoding="utf-8")
        if distribution:
            info = site / f"mylayers-{version}.dist-info"
            info.mkdir()
            metadata = f"Metadata-Version: 2.1\nName: mylayers\nVersion: {version}\n"
            (info / "METADATA").write_text(metadata, encoding="utf-8")
            record = f"mylayers/__init__.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n"
            (info / "RECORD").write_text(record, encoding="utf-8")
        if self._site is not None:
            sys.path.remove(str(self._site))
        self._monkeypatch.syspath_prepend(str(site))
        self._monkeypatch.setenv("PYTHONPATH", str(site), prepend=None)
        self._site = site
        importlib.invalidate_caches()
        return site

    def recipes(self, source: str = RECIPES, file: str = "test_recipes.py") -> Path:
        """Write a test file."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
        return path

    def recipe(self, body: str = "return mylayers.Dense()", mark: str = "inputs=[(3, 5)]") -> Path:
        """Write a test file with one recipe ``dense`` of that body and mark."""
        head = "import mylayers\nimport numpy as np\nimport pytest\n\n"
        mark = f"@pytest.mark.ckptcompat({mark})\ndef test_dense():\n"
        return self.recipes(head + mark + indent(dedent(body), "    ") + "\n")

    def run(self, *args: str | os.PathLike[str]) -> pytest.RunResult:
        """Run pytest in this process; the modules that it imports are forgotten afterwards."""
        for cached in self.root.rglob("__pycache__"):
            for path in cached.iterdir():
                path.unlink()  # an edit within a second may leave size and time alike
        return self.pytester.runpytest_inprocess("-p", "ckptcompat", *args)

    def run_apart(self, *args: str | os.PathLike[str]) -> pytest.RunResult:
        """Run pytest in a process of its own; of other plugins, load those that ``args`` name."""
        return self.pytester.runpytest_subprocess("-p", "ckptcompat", *args)

    def record(self, *args: str) -> pytest.RunResult:
        """Record what the installed version has no golden of; it must succeed."""
        result = self.run("--ckpt-record", *args)
        assert result.ret == 0, result.stdout.str()
        return result

    def released(
        self, *versions: str, source: str = DENSE, recipes: str | None = RECIPES
    ) -> LayerLibrary:
        """Record each version, the last of which stays installed.

        What the same call recorded before in this process is put there without a run.
        """
        if recipes is not None:
            self.recipes(recipes)
        texts = {path.name: path.read_text() for path in sorted(self.root.glob("[!.]*.*"))}
        key = (versions, source, *texts.items())
        if key in _RECORDED and not self.golden.exists():
            self.install(versions[-1], source)
            for name, content in _RECORDED[key].items():
                path = self.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return self
        for version in versions:
            self.install(version, source)
            self.record()
        _RECORDED[key] = self.bytes()
        return self

    def ledger(self, text: str) -> Path:
        """Write the library's ledger."""
        path = self.golden / "ledger.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def manifest(self, version: str = "1.0.0") -> dict[str, Any]:
        """The manifest of a release."""
        path = self.golden / version / "manifest.json"
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return manifest

    def bytes(self) -> dict[str, bytes]:
        """Every file under the golden folder with its bytes."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted((self.root / "golden").rglob("*"))
            if path.is_file()
        }


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """The outcome of each item, by its node id without the file, of a run with ``-rA``."""
    words = ("PASSED", "FAILED", "XFAIL", "XPASS", "SKIPPED", "ERROR")
    found = {}
    for line in result.stdout.lines:
        word, _, rest = line.partition(" ")
        if word in words and "::" in rest:
            found[rest.split(" - ")[0].partition("::")[2]] = word.lower()
    return found
