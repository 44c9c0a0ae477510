from __future__ import annotations

import pytest
from layerlib import LayerLibrary

# Imported before any run within this process, which would forget NumPy and HDF5 again.
import pytest_ckptcompat.snapshots.extensions  # noqa: F401

LOCKED = 'library = "mylayers"\nlock = true'


class Project(LayerLibrary):
    """A project whose runs have syrupy, and whose configuration locks fields."""

    def configure(self, text=LOCKED, pytest_options=""):
        super().configure(text, pytest_options)

    def run(self, *args):
        return super().run("-p", "syrupy", *args)

    def run_apart(self, *args):
        return super().run_apart("-p", "syrupy", *args)

    def update(self, *args):
        result = self.run("--snapshot-update", *args)
        assert result.ret == 0, result.stdout.str()
        return result

    def stored(self, pattern="**/*"):
        """Every file under __snapshots__ with its bytes."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted((self.root / "__snapshots__").glob(pattern))
            if path.is_file()
        }


@pytest.fixture
def project(pytester, monkeypatch):
    return Project(pytester, monkeypatch)
