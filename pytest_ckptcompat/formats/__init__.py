"""Readers of foreign checkpoint formats, one file or package each."""


class FormatError(ValueError):
    """A file that is not of its format, is damaged, or holds what the reader does not know."""
