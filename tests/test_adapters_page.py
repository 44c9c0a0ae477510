"""The worked example of docs/adapters.md, word for word."""

import re
from pathlib import Path

import pytest
from layerlib import LayerLibrary

from pytest_ckptcompat.adapters import BUILT_IN, find

PAGE = (Path(__file__).parents[1] / "docs/adapters.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
POINT = re.search(r"<!-- entry points .*?```toml\n\[project\.(\S+)\]\n(.*?)```", PAGE, re.DOTALL)


class TinyNets(LayerLibrary):
    """``tinynets`` and its adapter, installed in place of ``mylayers``."""

    def put(self, version, changed=("", "")):
        """Install a release of tinynets, with something of it replaced."""
        site = self.install("1.0.0")  # a folder on the path, forgotten with the next
        source = FILES["tinynets/__init__.py"]
        assert changed[0] in source
        group, entries = POINT.groups()
        group = group.removeprefix("entry-points.").strip('"')
        record = "tinynets/__init__.py,,\n"
        for name, text in {
            "tinynets/__init__.py": source.replace(*changed),
            "tinynets_ckptcompat.py": FILES["tinynets_ckptcompat.py"],
            f"tinynets-{version}.dist-info/METADATA": f"Name: tinynets\nVersion: {version}\n",
            f"tinynets-{version}.dist-info/RECORD": record,
            "tinynets_ckptcompat-1.dist-info/METADATA": "Name: tinynets-ckptcompat\nVersion: 1\n",
            "tinynets_ckptcompat-1.dist-info/entry_points.txt": (
                f"[{group}]\n{entries.replace(chr(34), '')}"
            ),
        }.items():
            path = site / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


@pytest.fixture
def tinynets(pytester, monkeypatch):
    nets = TinyNets(pytester, monkeypatch)
    for name in ("pyproject.toml", "tests/test_checkpoints.py"):
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FILES[name], encoding="utf-8")
    nets.put("1.0")
    return nets


def test_its_adapter_is_found_by_its_entry_point_and_records_and_checks_each_route(tinynets):
    recorded = tinynets.run_apart("--ckpt-record")
    assert recorded.ret == 0, recorded.stdout.str()
    result = tinynets.run_apart("-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["*test_dense[[]1.0-state] PASSED*", "*test_dense[[]1.0-npz] PASSED*"]
    )


def test_a_break_of_its_file_is_caught_by_that_route_alone(tinynets):
    assert tinynets.run_apart("--ckpt-record").ret == 0
    tinynets.put("1.1", ('str(saved["config"])', 'str(saved["settings"])'))
    result = tinynets.run_apart("-rA")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*load     failed: KeyError*settings*"])


def test_a_break_of_its_loader_is_caught(tinynets):
    assert tinynets.run_apart("--ckpt-record").ret == 0
    tinynets.put("1.1", ('"bias": np.zeros(outputs)}', '"shift": np.zeros(outputs)}'))
    result = tinynets.run_apart("-k", "state")
    result.stdout.fnmatch_lines(["*load     failed: KeyError*", "*bias*"])


@pytest.mark.parametrize("name", BUILT_IN)
def test_it_lists_each_built_in_adapter_with_its_routes(name):
    row = re.search(rf"^\| `{name}` \|.*\| (.*?) \|$", PAGE, re.MULTILINE)
    assert row is not None, f"docs/adapters.md lacks a row for {name}"
    assert tuple(re.findall(r"`(\w+)`", row[1])) == find(BUILT_IN[name], "it").routes
    assert f"\n## {name}\n" in PAGE
