"""Proof that goldens protect: change one thing at a time and see whether a check notices.

``of_state`` and ``of_loader`` are the changes, ``trial`` puts them through the checks that every
test runs, ``declared`` reads which survivors people have explained, ``report`` tells.
"""
