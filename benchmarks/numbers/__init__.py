"""How often a comparison cries wolf, and what it misses: measured on this machine.

``python -m benchmarks.numbers`` records layers, computes their outputs again under other BLAS
kernels, CPU features and thread counts, and then with one thing wrong; it counts what each way
of comparing floating-point outputs says. ``--markdown FILE`` puts the tables into a file.
"""
