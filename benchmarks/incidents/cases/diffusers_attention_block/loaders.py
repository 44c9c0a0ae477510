"""The library's own folders of files, each in one file."""

import pathlib
import tempfile
import zipfile


def save_pretrained(model, path):
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as archive:
        model.save_pretrained(folder, safe_serialization=False)
        for file in sorted(pathlib.Path(folder).iterdir()):
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes())


def from_pretrained(model, path):
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(path).extractall(folder)
        return type(model).from_pretrained(folder)
