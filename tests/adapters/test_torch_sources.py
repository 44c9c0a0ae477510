"""Modules as PyTorch before 1.6 saves them: with the source of each class."""

from __future__ import annotations

import types

import pytest

from pytest_ckptcompat.adapters import torch as adapter


def serialization(path: str | None) -> types.SimpleNamespace:
    return types.SimpleNamespace(get_source_lines_and_file=lambda *_: (["class A: ..."], 3, path))


@pytest.mark.parametrize("path", ["/home/someone/project/layers.py", "layers.py", None])
def test_the_file_of_a_class_is_named_without_the_folders_of_the_machine(path):
    module = serialization(path)
    before = module.get_source_lines_and_file
    with adapter._without_folders(module):
        given = module.get_source_lines_and_file(object, "an error")
    assert given == (["class A: ..."], 3, path and "layers.py")
    assert module.get_source_lines_and_file is before


def test_the_reader_of_sources_is_put_back_where_saving_raises():
    module = serialization("/a/b.py")
    before = module.get_source_lines_and_file
    with pytest.raises(OSError, match="full"), adapter._without_folders(module):
        raise OSError("full")
    assert module.get_source_lines_and_file is before


def test_releases_without_sources_are_left_alone():
    module = types.SimpleNamespace()
    with adapter._without_folders(module):
        pass
    assert vars(module) == {}
