"""The break that this project exists for: Flux.jl 0.14.17 and its ConvTranspose."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITH_A_CONVTRANSPOSE = (
    "convtranspose1d",
    "convtranspose2d",
    "convtranspose2d_asym",
    "convtranspose2d_same",
    "issue2476_chain",
)


@pytest.fixture(scope="module")
def printed():
    """What pytest prints for the recipes of fluxnp when the layers are those of 0.14.17."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "examples/fluxnp"]
    environment = {**os.environ, "FLUXNP_RELEASE": "0.14.17"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def messages(printed):
    """The text of each failure by the name of its item."""
    failures = printed.partition("= FAILURES =")[2].partition("- ckptcompat -")[0]
    parts = re.split(r"^_+ (test_\S+) _+$", failures, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2]), strict=True))


def test_what_has_a_convtranspose_fails_for_the_goldens_of_before_and_nothing_else(printed):
    failed = set(re.findall(r"^FAILED \S+::test_(\S+)", printed, re.MULTILINE))
    assert failed == {
        f"{recipe}[{version}-state]"
        for recipe in WITH_A_CONVTRANSPOSE
        for version in ("0.14.0", "0.14.16")
    }


def test_the_message_says_what_broke_for_whom_and_what_to_do(messages):
    text = messages["test_convtranspose2d[0.14.16-state]"]
    for words in (
        "flux 0.14.16 -> 0.14.17 | convtranspose2d | route state | BREAK",
        "failed: ArgumentError: Tried to load (:pad, :σ, :weight",
        "+ outpad   added; a fresh layer has (0, 0); in no golden up to 0.14.16",
        "Whoever saved convtranspose2d with flux 0.14.16",
        'return state.added("outpad", (0,) * len(state.like["outpad"]))',
        "examples/fluxnp/test_checkpoints.py:",
    ):
        assert words in text


def test_the_field_is_named_where_it_lies_in_a_model(messages):
    assert "+ layers/3/outpad   added" in messages["test_issue2476_chain[0.14.16-state]"]


def test_every_message_fits_a_screen_and_shows_no_frame_of_the_plugin(messages):
    for text in messages.values():
        assert len(text.splitlines()) <= 25
        assert "pytest_ckptcompat/" not in text
