"""Breaks that really happened, and changes that broke nothing, held against the plugin.

Each case is recorded with the old release and checked with the new one, as its maintainer would
have done it. README.md says how to run and to add cases.
"""
