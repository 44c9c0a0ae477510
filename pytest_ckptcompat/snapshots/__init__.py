"""Snapshots with syrupy: the locked field tree of each recipe, and arrays in HDF5.

They are about the present, live under ``__snapshots__`` and follow ``pytest --snapshot-update``.
Goldens are about the past, and live elsewhere.
"""
