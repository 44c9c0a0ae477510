"""The outputs of every case in this process's environment, into a file.

``python -m benchmarks.numbers.outputs FOLDER FILE [RELEASE...]`` is run with another BLAS kernel,
other CPU features or another number of threads.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np

from benchmarks.numbers import cases


def kernel() -> str:
    """The OpenBLAS kernel that NumPy computes with, by its own word."""
    for path in Path(np.__file__).parents[1].glob("numpy.libs/*openblas*"):
        try:
            name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        except (OSError, AttributeError):
            continue
        name.restype = ctypes.c_char_p
        return str(name().decode())
    return "unknown"


def main() -> None:
    folder, file = map(Path, sys.argv[1:3])
    flux = cases.of_flux(sys.argv[3:] or cases.RELEASES)
    found = {case.name: case.outputs() for case in (*cases.saved(folder), *flux)}
    np.savez(file, kernel=np.array(kernel()), **found)


if __name__ == "__main__":
    main()
