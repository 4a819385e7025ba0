"""Shapes in signatures are checked throughout the tests (jaxtyping, by beartype).

A test of bad input wants the library's own error instead: it asks for the fixture `as_users_run_it`.
"""

import jaxtyping
import pytest

jaxtyping.install_import_hook("lvmteach", "typecheck.check")


@pytest.fixture
def as_users_run_it():
    """Switch shape checks off for one test: outside the tests nobody has them on."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
