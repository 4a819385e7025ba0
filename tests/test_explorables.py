"""Both halves of each demo agree: every field to 1e-10 with float64 torch, the words exactly, and so do all actions.

`explorable_cases/NAME.py` has, for the demo NAME, `settings()` (200 and more), `BUGS` (eight and more, each of which
must be noticed), and `action_lists()` if it has buttons, or a hand on the picture that does more than set a value.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from javascript import Page
from PIL import Image
from py_mini_racer import JSEvalException

from lvmteach.classroom.explorables import bundle, kit, pages

TOLERANCE = 1e-10  # relative to the larger of 1 and the number: rounding in double precision, summed in another order
NAMES = kit.names()
CASES = Path(__file__).parent / "explorable_cases"
TEXT = Path(__file__).parents[1] / "notebooks/text"
MOST_CODE = 60e3  # bytes, of the kit and all demos that a page or a cell shows


@cache
def cases(name):
    spec = importlib.util.spec_from_file_location(f"explorable_cases_{name}", CASES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_array(value: Any) -> np.ndarray | str:
    """A field as float64; V8's words for what JSON cannot say become numbers again."""
    if isinstance(value, str) and value.lower() not in ("nan", "infinity", "-infinity"):
        return value
    if isinstance(value, torch.Tensor):
        value = value.double().numpy()
    return np.asarray(value, dtype=float)


@cache
def expected(name: str) -> list[tuple[dict, dict[str, np.ndarray], str]]:
    """Settings in a mixed order, and Python's fields and words at each."""
    demo, data, settings = kit.demo(name), kit.course_data(name), cases(name).settings()
    random.Random(0).shuffle(settings)
    found = []
    for given in settings:
        values = kit.values_of(name, **given)
        held = kit.given_values(name, values)
        with torch.no_grad():
            result = demo.compute(held, data)
            said = demo.words(result, held)
        found.append((values, {field: as_array(value) for field, value in result._asdict().items()}, said))
    return found


def differences(known: tuple[dict, dict[str, np.ndarray], str], fields: dict, said: str) -> Iterator[str]:
    """Where JavaScript's answer at one setting is not Python's."""
    values, here, words = known
    if said != words:
        yield f"{values}: says {said!r}, not {words!r}"
    if set(fields) != set(here):
        yield f"{values}: fields {sorted(fields)}, not {sorted(here)}"
        return
    for field, value in here.items():
        there = as_array(fields[field])
        if isinstance(value, str) or isinstance(there, str):
            if value != there:
                yield f"{values}: {field} is {there!r}, not {value!r}"
        elif value.size != there.size:
            yield f"{values}: {field} has {there.shape}, not {value.shape}"
        elif not np.allclose(there.ravel(), value.ravel(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            yield f"{values}: {field} differs by up to {np.nanmax(np.abs(there.ravel() - value.ravel())):.2g}"


@cache
def replayed(name: str) -> list[tuple[list, list[tuple[dict, str]]]]:
    """Lists of actions, and Python's values and words before and after each of them."""
    demo, data, found = kit.demo(name), kit.course_data(name), []
    for actions in getattr(cases(name), "action_lists", list)():
        values = kit.values_of(name)
        seen = [(values, kit.words(name, values))]
        for label, *more in actions:
            with torch.no_grad():
                changed = demo.ACTIONS[label](kit.given_values(name, values), data, *more)
            values = kit.values_of(name, **{**values, **changed})
            seen.append((values, kit.words(name, values)))
        found.append((actions, seen))
    return found


def close(here: Any, there: Any) -> bool:
    if isinstance(here, list) and isinstance(there, list):
        return len(here) == len(there) and all(map(close, here, there))
    if isinstance(here, float | int) and isinstance(there, float | int):
        return abs(here - there) <= TOLERANCE * max(1, abs(here))
    return here == there


def disagreements(name: str, *planted: tuple[str, str, str]) -> Iterator[str]:
    """Where the halves differ; one at a time, as the first is enough for a planted bug."""
    page = Page(name, kit.course_data(name), *planted)
    for actions, seen in replayed(name):
        for (here, words), (there, said) in zip(seen, page.acted(seen[0][0], actions), strict=True):
            same = here.keys() == there.keys() and all(close(here[key], there[key]) for key in here)
            if not same or said != words:
                yield f"{actions}: {there} {said!r}, not {here} {words!r}"
    known, at = expected(name), 0
    while some := known[at : 2 * at + 2]:  # few at first: most planted bugs are noticed at once
        at += len(some)
        for one, (fields, said) in zip(some, page.answers([values for values, *_ in some]), strict=True):
            yield from differences(one, fields, said)


# Thousands of calls alike: their shapes are checked at the stills below and in test_explorable_numbers.py.
@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("name", NAMES)
def test_both_halves_agree(name):
    assert len(cases(name).settings()) >= 200
    wrong = list(islice(disagreements(name), 5))
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("name", "bug"), [(name, bug) for name in NAMES for bug in cases(name).BUGS], ids=lambda part: str(part)[:60]
)
def test_a_planted_bug_is_noticed(name, bug):
    file, old, new = bug if len(bug) == 3 else (f"demos/{name}.js", *bug)
    with suppress(JSEvalException):  # one that throws would be seen as well
        assert next(disagreements(name, (file, old, new)), None)


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_is_whole(name):
    demo, page = kit.demo(name), Page(name, kit.course_data(name))
    assert page.facts["start"] == kit.values_of(name)
    assert page.facts["about"].endswith(".")
    assert not demo.TITLE.endswith(".")
    assert len(cases(name).BUGS) >= 8
    by_name = {control["name"] for control in page.facts["controls"] if "name" in control}
    assert by_name <= set(demo.Values._fields)
    buttons = {c["label"] for c in page.facts["controls"] if c["kind"] in ("button", "points", "stroke")}
    assert buttons == set(getattr(demo, "ACTIONS", {}))
    if buttons:
        assert {action[0] for actions in cases(name).action_lists() for action in actions} == buttons


# The checksum of what a demo draws with torch, as its stills show it. In another version torch draws other numbers.
DRAWN = {"dice": ("x", 980104633)}


@pytest.mark.parametrize("name", NAMES)
def test_its_stills_show_what_python_says(name):
    drawn, checksum = DRAWN.get(name, ("", 0))
    same = not drawn or zlib.crc32(kit.course_data(name)[drawn].tobytes()) == checksum
    for number, values in enumerate(kit.shown(name)):
        with Image.open(kit.still_path(name, number)) as image:
            shown, said = image.text["words"], kit.words(name, values)
            assert shown == said if same else re.sub(r"\d+", "#", shown) == re.sub(r"\d+", "#", said)
            assert image.width > 800


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_small_and_asks_for_nothing(name):
    page = pages.page(name)
    assert len(page.encode()) < 1.5e6
    assert "default-src 'none'" in page
    assert page.count("<script") == 2


@pytest.mark.parametrize("name", ["kit", *NAMES])
def test_it_is_built_of_these_sources(name):
    first = (kit.BUILT / f"{name}.js").read_text(encoding="utf-8").partition("\n")[0]
    assert first == bundle.head(name), "js/ has changed since built/ was made: say make explorables"


def test_nothing_else_is_built():
    assert {path.stem for path in kit.BUILT.iterdir()} == {"kit", *NAMES}


@pytest.mark.parametrize("notebook", sorted(path.stem for path in TEXT.glob("*.py")))
def test_a_page_of_the_course_loads_less_than_60_kb_of_javascript(notebook):
    shown = set(re.findall(r"\bexplore\(\s*[\"'](\w+)[\"']", (TEXT / f"{notebook}.py").read_text(encoding="utf-8")))
    assert len(kit.code(*shown & set(NAMES)).encode()) < MOST_CODE


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_loads_less_than_60_kb_of_javascript(name):
    markup = pages.page(name)
    (code,) = re.findall(r'<script type="module">(.*?)</script>', markup, re.S)
    assert kit.code(name) in code
    assert len(code.encode()) < MOST_CODE


def test_a_script_has_the_demos_of_its_page_and_no_other():
    body = pages.place("heart") + pages.place("morph") + pages.place("heart", z=1.0)
    assert re.findall(r'lvm\.define\("(\w+)"', pages.script(body)) == ["heart", "morph"]
    assert pages.script("<p>nothing live</p>") == ""


def test_the_hash_sees_a_changed_source(tmp_path):
    (tmp_path / "demos").mkdir()
    for file in ("maths.js", "demos/one.js", "demos/two.js"):
        (tmp_path / file).write_text("1")
    before = [bundle.head(name, tmp_path) for name in ("kit", "one", "two")]
    (tmp_path / "demos/two.js").write_text("2")
    assert [bundle.head(name, tmp_path) for name in ("kit", "one")] == before[:2]
    assert bundle.head("two", tmp_path) != before[2]
    (tmp_path / "maths.js").write_text("2")
    assert bundle.head("kit", tmp_path) != before[0]


def test_every_half_has_its_other_half():
    python = {path.stem for path in kit.HERE.glob("*.py") if "TITLE =" in path.read_text(encoding="utf-8")}
    assert python == set(NAMES)
    assert {path.stem for path in CASES.glob("*.py")} == set(NAMES)
    assert {path.name for path in (kit.HERE / "stills").iterdir()} == {
        kit.still_path(name, number).name for name in NAMES for number in range(len(kit.shown(name)))
    }


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"no explorable 'latent'; there are .*latent_explorer"):
        kit.demo("latent")
    with pytest.raises(ValueError, match="latent_explorer has no value zz; it has z"):
        kit.values_of("latent_explorer", zz=1)
    with pytest.raises(TypeError, match="one of float64"):
        pages.as_json({"x": np.arange(3)})


def test_values_are_as_json_has_them():
    assert kit.values_of("latent_explorer", z=(0.0, 1.0)) == {"z": [0.0, 1.0]}
    assert json.loads(pages.as_json({"a": "</script>"}))["a"] == "</script>"
