"""How much memory a check takes beside the model, with a state of two gigabytes.

``python -m benchmarks.memory [--mib 2048]`` writes such a golden into a temporary folder, then
checks it in a process of its own, and samples what that process holds. Anonymous memory is
what counts: pages of the golden's file that are mapped can be dropped at any time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from pytest_ckptcompat import golden as goldens
from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.config import Library
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.state import Tree

NAMES = tuple("abcd")
MIB = 2**20
#: What a check may take beside the model, in MiB.
BESIDE = 256


class Model:
    """Four arrays; what it computes is little, so that the check is what is measured."""

    def __init__(self, mib: int) -> None:
        # Filled, since zeros take no memory before they are written to.
        self.arrays = {name: np.full(mib * MIB // 4 // len(NAMES), 0.5, "f4") for name in NAMES}

    def __call__(self, x: Any) -> Any:
        return sum((array[:8] for array in self.arrays.values()), x)

    def state_dict(self) -> dict[str, Any]:
        return self.arrays

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, array in self.arrays.items():
            np.copyto(array, state[name])


def write(path: Path, mib: int) -> None:
    rng = np.random.default_rng(1)
    state = {name: rng.random(mib * MIB // 4 // len(NAMES), dtype="f4") for name in NAMES}
    x = np.ones(8, "f4")
    outputs = sum((array[:8] for array in state.values()), x)
    inputs = Tree.of({"args": (x,), "kwargs": {}})
    goldens.write(path, Golden("big", Tree.of(state), inputs, Tree.of(outputs)))


class Watch:
    """The most anonymous and the most resident memory of this process, in MiB, while it lasts."""

    def __init__(self) -> None:
        self.anonymous = self.resident = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            now = memory()
            self.anonymous = max(self.anonymous, now["RssAnon"])
            self.resident = max(self.resident, now["VmRSS"])
            time.sleep(0.005)


def memory() -> dict[str, float]:
    """What Linux says that this process holds, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(":") for line in lines if line.startswith(("RssAnon", "VmRSS")))
    return {name: int(text.split()[0]) / 1024 for name, text in pairs}


def measure(path: Path, mib: int) -> dict[str, float]:
    """A check of the golden, in this process."""
    before = memory()["RssAnon"]
    started = time.monotonic()
    recipe = Recipe("big", Library("big"), inputs=[(8,)])
    with Watch() as watch:
        golden = goldens.read(path, sha256=None)
        outcome = check(golden, recipe, cast("Any", PlainAdapter()), "state", lambda: Model(mib))
    assert not outcome.findings, outcome.findings
    return {
        "model": mib,
        "before": before,
        "anonymous": watch.anonymous - before,
        "resident": watch.resident,
        "seconds": time.monotonic() - started,
    }


def main() -> int:
    options = argparse.ArgumentParser(prog="benchmarks.memory", description=__doc__)
    options.add_argument("--mib", type=int, default=2048)
    options.add_argument("--golden", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.golden is not None:
        print(json.dumps(measure(given.golden, given.mib)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.h5"
        # Each in a process of its own, so that neither holds what the other needed.
        write_it = (
            f"from benchmarks import memory; memory.write(memory.Path({str(path)!r}), {given.mib})"
        )
        subprocess.run([sys.executable, "-c", write_it], check=True)  # noqa: S603
        command = [sys.executable, "-m", "benchmarks.memory"]
        ran = subprocess.run(  # noqa: S603
            [*command, "--mib", str(given.mib), "--golden", str(path)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found = json.loads(ran.stdout)
    beside = found["anonymous"] - found["model"]
    print(
        f"a state of {found['model']} MiB: {found['anonymous']:.0f} MiB at the peak, "
        f"{beside:.0f} MiB beside the model ({found['resident']:.0f} MiB with the file's mapped "
        f"pages), {found['seconds']:.0f} s"
    )
    return int(beside > BESIDE)


if __name__ == "__main__":
    sys.exit(main())
