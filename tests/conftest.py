"""Shapes in signatures are checked throughout the tests (jaxtyping, by beartype).

A test of bad input wants the library's own error instead: it asks for the fixture `as_users_run_it`.
"""

import os
import pkgutil
from pathlib import Path

import jaxtyping
import pytest
import torch

LIBRARY = Path(__file__).parents[1] / "lvmteach"
# What `as_annotated` is made of names no shapes, and every call of the library goes through it: it took half the time.
PLAIN = ("lvmteach.annotated", "lvmteach.signatures")
ROOMS = [room.name for room in pkgutil.iter_modules([str(LIBRARY)], "lvmteach.") if room.name not in PLAIN]
jaxtyping.install_import_hook(ROOMS, "typecheck.check")


@pytest.fixture(autouse=True)
def own_dtype():
    """A sheet's first cell sets the default dtype for its session: not for the tests that follow it."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def as_users_run_it():
    """Switch shape checks off for one test: outside the tests nobody has them on."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def chrome():
    """A headless Chromium; where there is none, CI fails and a person's run skips."""
    import lab  # needs Playwright, which only those who ask for a browser have

    if lab.chromium() is None:
        why = "there is no chromium; install it (apt-get install chromium) or name it in the variable CHROMIUM"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    with lab.browser() as one:
        yield one
