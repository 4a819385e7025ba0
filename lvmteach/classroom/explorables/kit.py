"""What every home of a demo needs: its Python half, its values, its data, its still."""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).parent
BUILT = HERE / "built"  # of js/, by make explorables
MARK = "application/vnd.lvmteach.explorable+json"  # in a stored output: which demo a page may put here


def names() -> list[str]:
    """The demos that there are."""
    return sorted(path.stem for path in (HERE / "js" / "demos").glob("*.js"))


def demo(name: str) -> ModuleType:
    """The Python half of a demo.

    Raises:
        ValueError: there is no such demo.
    """
    if name not in names():
        raise ValueError(f"no explorable {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"lvmteach.classroom.explorables.{name}")


def code(*demos: str) -> str:
    """The JavaScript of some demos, and before them the kit as `lvm`; what is to be done with it comes after it."""
    files = [(BUILT / f"{name}.js").read_text(encoding="utf-8") for name in ("kit", *demos)]
    return "".join(text.partition("\n")[2] for text in files)  # without the line of their sources


def values_of(name: str, **given: Any) -> dict[str, Any]:
    """All values of a demo, those not given as it starts; as they stand in JSON.

    Raises:
        ValueError: the demo has no value of a name given.
    """
    kind = demo(name).Values
    if strange := [one for one in given if one not in kind._fields]:
        raise ValueError(f"{name} has no value {', '.join(strange)}; it has {', '.join(kind._fields)}")
    return json.loads(json.dumps(kind(**given)._asdict()))


def given_values(name: str, values: dict[str, Any]) -> tuple:
    """The same as the tuple that `compute` takes."""
    return demo(name).Values(**values)


@cache
def course_data(name: str) -> dict[str, Any]:
    """What the course's own notebooks show in a demo."""
    return demo(name).payload()


def words(name: str, values: dict[str, Any], data: dict[str, Any] | None = None) -> str:
    """The line under the picture, from Python."""
    one, given = demo(name), given_values(name, values)
    with torch.no_grad():
        return one.words(one.compute(given, course_data(name) if data is None else data), given)


def shown(name: str) -> list[dict[str, Any]]:
    """The values at which a demo has a still: those it starts from, and more in its STILLS."""
    return [values_of(name, **given) for given in ({}, *getattr(demo(name), "STILLS", ()))]


def still_path(name: str, number: int) -> Path:
    return HERE / "stills" / (f"{name}.png" if number == 0 else f"{name}-{number + 1}.png")


def still(name: str, values: dict[str, Any]) -> tuple[bytes, str] | None:
    """The key frame of a demo at these values as PNG, and the words on it; None if there is none."""
    known = shown(name)
    if values not in known:
        return None
    path = still_path(name, known.index(values))
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not there yet; say make explorables")
    with Image.open(path) as image:
        return path.read_bytes(), image.text["words"]


def numbers(value: Any) -> torch.Tensor:
    """An array of a payload in float64, as `compute` wants it."""
    return torch.as_tensor(np.asarray(value), dtype=torch.float64)
