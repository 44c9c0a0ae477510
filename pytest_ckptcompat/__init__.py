"""Serialization regression tests for layer libraries, as a pytest plugin."""
