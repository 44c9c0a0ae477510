"""The page as text: whole, alone, and with nothing of a name taken for markup."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from layerlib import DENSE_OTHER_OUTPUTS
from report_samples import HOSTILE, hostile, picture, sample

from pytest_ckptcompat.report import forms, html
from pytest_ckptcompat.report.heat import pictures, png
from pytest_ckptcompat.report.html import page
from pytest_ckptcompat.report.markdown import markdown, plain


class Parsed(HTMLParser):
    """The tags of a page, their attributes' names, and the text that stands between."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.links = Counter(), Counter(), "", []
        self.ids = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.text += data


def test_it_loads_nothing():
    found = Parsed(page(sample()))
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert not re.search(r"@import|url\(", page(sample()))


def test_every_link_leads_to_a_place_of_the_page():
    found = Parsed(page(sample()))
    assert len(found.ids) == len(set(found.ids))
    targets = {link[1:] for link in found.links if link.startswith("#")}
    assert targets <= set(found.ids)
    assert len(targets) > 5


def test_it_shows_what_there_is_to_look_at():
    text = Parsed(page(sample())).text
    for words in (
        "Whoever saved it cannot load it any more.",
        "KeyError: 'outpad'",
        "def add(s):",
        "… and 3 more drifts.",
        "OSError: no weights",
        "conv.h5 was changed",
        "AVX2, FMA3",
        "no such layer",
        "the worst is at [1, 2]",
        "the route h5 is refused",
        "2 fields changed: pad, outpad",
        "Narrowed by --ckpt-version",
    ):
        assert words in text


def test_goldens_to_which_the_same_happened_are_one_entry():
    text = Parsed(page(sample())).text
    assert text.count("The loader's words") == 3  # conv once, gru waived, gru acknowledged
    assert "The same with 1.0, 1.1. Shown is 1.1." in text


def test_hostile_names_and_values_are_text_alone():
    mild, wild = Parsed(page(sample())), Parsed(page(hostile(sample())))
    assert wild.tags == mild.tags
    assert wild.attributes == mild.attributes
    assert "window.hacked=1" in wild.text
    assert "{{7*7}}" in wild.text
    assert not {"\x00", "\u202e"} & set(wild.text)


def test_hostile_names_and_values_are_text_alone_in_markdown():
    wild = markdown(hostile(sample()))
    outside = re.sub(r"(`{3,})text\n.*?\n\1", "", wild, flags=re.DOTALL)
    assert not re.search(r"<(?!/?(code|details|summary|sub)>)", outside)
    assert "window.hacked" in wild
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert sum(line.startswith("#") for line in outside.splitlines()) == 2


def test_a_page_of_very_many_failures_shows_the_first_and_counts_the_rest(monkeypatch):
    monkeypatch.setattr(html, "MAX_GROUPS", 3)
    found = Parsed(page(sample()))
    assert "… and 6 more; the JSON report has them all." in found.text
    targets = {link[1:] for link in found.links if link.startswith("#")}
    assert targets <= set(found.ids)


def test_a_report_of_nothing_is_a_page():
    assert "No recipe ran." in page(replace(sample(), libraries=(), problems=()))


def test_a_run_writes_the_page(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_OTHER_OUTPUTS)
    library.run("--ckpt-report", "report.html")
    text = (library.root / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "can load it, but it computes something else now" in text
    assert 'alt="expected, as colours"' in text


def test_without_jinja_the_page_is_refused_before_the_run(library, monkeypatch):
    monkeypatch.setattr(forms, "find_spec", lambda _: None)
    library.released("1.0.0")
    result = library.run("--ckpt-report", "report.html")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*report.html: the page needs jinja2, which is not installed*"])


def pixels(data):
    """The colours of a PNG that ``png`` has written."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    at = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[at - 4 : at])
    raw = zlib.decompress(data[at + 4 : at + 4 + size])
    step = 1 + 3 * width
    return [
        [tuple(raw[row * step + 1 + 3 * c : row * step + 4 + 3 * c]) for c in range(width)]
        for row in range(height)
    ]


def test_a_picture_has_its_pixels():
    rows = [[(1, 2, 3), (4, 5, 6)], [(7, 8, 9), (255, 0, 128)], [(0, 0, 0), (9, 9, 9)]]
    assert pixels(png(rows)) == rows


def test_the_heat_of_the_error_is_where_the_error_is():
    address = pictures(picture())["error"]
    found = pixels(base64.b64decode(address.partition(",")[2]))
    darkest = min((sum(c), r, n) for r, row in enumerate(found) for n, c in enumerate(row))
    assert darkest[1:] == (1, 2)


@pytest.mark.parametrize("text", [HOSTILE, "a|b", "x`y", "<b>"])
def test_markdown_keeps_the_words_of_a_name(text):
    shown = text.replace("\x00", "\\x00").replace("\u202e", "\\u202e")
    assert unescape(plain(text)) == " ".join(shown.split())
