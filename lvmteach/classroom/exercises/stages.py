"""The stages that have exercises, and what each declares."""

from __future__ import annotations

import importlib
import pkgutil

from lvmteach.classroom import exercises as room
from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.engine import Exercise


def stages() -> list[str]:
    """The names of the stages' folders: each is a room of exercises."""
    return sorted(module.name for module in pkgutil.iter_modules(room.__path__) if module.ispkg)


def exercises(stage: str) -> dict[str, Exercise | Choice]:
    """The exercises and choices of a stage, by name, in the order of its sheet."""
    module = importlib.import_module(f"lvmteach.classroom.exercises.{stage}")
    return {name: getattr(module, name) for name in module.__all__}
