"""Every explorable as a page from the disk in Chromium: numbers, hand, keyboard, address, and words for the blind."""

import functools
import json
import re
from pathlib import Path

import axe_playwright_python
import pytest
from test_explorables import cases, differences, expected

from lvmteach.classroom.explorables import kit, pages

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NAMES = kit.names()
SHOWN = ".lvm-words:not(:empty)"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# What JSON has no word for, and arrays, as the contract's V8 tells them.
ANSWER = """(list) => JSON.stringify(list.map((values) => document.querySelector(".lvm-place").lvm.answer(values)),
  (_, x) => ArrayBuffer.isView(x) ? Array.from(x, (v) => (Number.isFinite(v) ? v : String(v)))
  : typeof x === "number" && !Number.isFinite(x) ? String(x) : x)"""
MOVE = """(values) => {
  const { page } = document.querySelector(".lvm-place").lvm;
  page.set(values);
  page.release();
}"""
INK = """() => [...document.querySelectorAll(".lvm-panel canvas")].map((canvas) => canvas.toDataURL().length).join()"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a demo's page, written when it is first asked for."""
    folder = tmp_path_factory.mktemp("pages")

    @functools.cache
    def of(name):
        path = folder / f"{name}.html"
        path.write_text(pages.page(name), encoding="utf-8")
        return path.as_uri()

    return of


@pytest.fixture
def opened(chrome, address):
    """Opens a demo's page; at the end, nothing was asked of a network and nothing went wrong."""
    found = []

    def opens(name, *, width=1280, height=720, where="", **context):
        page = chrome.new_page(viewport={"width": width, "height": height}, **context)
        page.on("request", lambda request: found.append(request.url))
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("console", lambda said: found.append(said.text) if said.type == "error" else 0)
        page.goto(address(name) + where)
        page.wait_for_selector(SHOWN)
        return page

    yield opens
    for page in [page for context in chrome.contexts for page in context.pages]:
        page.close()
    assert [one for one in found if not one.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_bundle_in_chromium_agrees_with_python(opened, name):
    page, some = opened(name), expected(name)[:40]
    found = json.loads(page.evaluate(ANSWER, [values for values, *_ in some]))
    wrong = [one for known, (fields, said) in zip(some, found, strict=True) for one in differences(known, fields, said)]
    assert wrong == []
    assert page.locator(".lvm-words").text_content() == kit.words(name, kit.values_of(name))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_has_no_findings(opened, name, scheme):
    page = opened(name, color_scheme=scheme)
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes[0].html])")
    assert found == []


SPOKEN = re.compile(r"-?\d{1,7}(\.\d{1,4})?")  # digits that a person would read out
# The developers' tree holds a slider's bare number, whatever words are given for it: those stand on the element.
NUMBERS = (
    """() => [...document.querySelectorAll("input[type=range]")].map((one) => one.getAttribute("aria-valuetext"))"""
)


def told(page):
    """What the browser tells a screen reader of each control: its kind, its name, and its state by name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    for node in tree:
        kind = node.get("role", {}).get("value")
        if kind in {"slider", "radio", "button", "checkbox"} and not node["ignored"]:
            yield kind, node["name"]["value"], {one["name"]: one["value"].get("value") for one in node["properties"]}


def not_as_a_person_would(page):
    return [words for words in page.evaluate(NUMBERS) if words is None or not SPOKEN.fullmatch(words)]


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_reader_is_told_names_states_and_numbers_as_a_person_would_say_them(opened, name):
    page = opened(name)
    controls = list(told(page))
    assert controls
    assert all(words.strip() for _, words, _ in controls)
    chosen = [state["checked"] for kind, _, state in controls if kind == "radio"]
    assert set(chosen) in (set(), {"true", "false"})
    assert len(page.evaluate(NUMBERS)) == sum(kind == "slider" for kind, *_ in controls)
    assert not_as_a_person_would(page) == []


def test_the_check_of_what_is_told_sees_a_number_with_all_its_digits(opened):
    page = opened("heart")
    page.evaluate("""() => document.querySelector("input[type=range]").setAttribute("aria-valuetext", 0.1 + 0.2)""")
    assert not_as_a_person_would(page) == ["0.30000000000000004"]


def test_the_check_by_axe_sees_a_slider_without_a_name(opened):
    page = opened("heart")
    page.evaluate("() => document.querySelector('input').closest('label').replaceWith(document.createElement('input'))")
    page.evaluate(AXE)
    assert page.evaluate("async () => (await axe.run()).violations.map(({ id }) => id)") == ["label"]


@pytest.mark.parametrize("name", NAMES)
def test_every_control_is_reached_named_and_moved_by_keyboard(opened, name):
    page, still = opened(name), []
    controls = page.locator(".lvm-explorable").locator("input, button")
    seen = """() => document.activeElement.value + document.querySelector(".lvm-words").textContent"""
    number = -1
    while (number := number + 1) < controls.count():  # a slider may change how many places there are to move
        one = controls.nth(number)
        kind = one.get_attribute("type")
        if kind == "radio" and not one.is_checked():
            continue  # reached by the arrows from the one that is
        one.focus()
        before = page.evaluate(seen) + page.evaluate(INK)
        for key in ["Enter"] if kind == "button" else ["ArrowLeft", "ArrowRight"]:  # one of them from either end
            page.keyboard.press(key)
            page.wait_for_timeout(80)
            if page.evaluate(seen) + page.evaluate(INK) != before or one.text_content() == "Pause":
                break
        else:
            still.append(number)
    # A button may have nothing to do where a demo starts (Wipe an empty board, rewind at the start).
    assert len(still) <= 1, [controls.nth(number).evaluate("node => node.outerHTML") for number in still]
    assert page.locator(".lvm-error").text_content() == ""


@pytest.mark.parametrize("name", NAMES)
def test_the_address_holds_the_state(opened, name):
    values = next(values for values, *_ in expected(name) if values != kit.values_of(name))
    page = opened(name)
    page.evaluate(MOVE, values)
    page.wait_for_timeout(100)
    words, where = page.locator(".lvm-words").text_content(), page.evaluate("location.hash")
    assert "=" in where
    again = opened(name, where=where)
    assert again.locator(".lvm-words").text_content() == words


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_address_shows_the_start(opened, name):
    starts = kit.values_of(name)
    where = "#" + "&".join(f"{key}=%22nonsense%" for key in starts) + "&other=1&="
    assert opened(name, where=where).locator(".lvm-words").text_content() == kit.words(name, starts)


@pytest.mark.parametrize("name", NAMES)
def test_a_phone_shows_it_whole_and_a_finger_moves_it(opened, name):
    page = opened(name, width=390, height=844, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    hands = page.locator(".lvm-takes-hand")
    if hands.count():
        before = page.evaluate(INK) + page.locator(".lvm-words").text_content()
        hands.first.scroll_into_view_if_needed()
        box = hands.first.bounding_box()
        page.touchscreen.tap(box["x"] + 0.62 * box["width"], box["y"] + 0.4 * box["height"])
        page.wait_for_timeout(100)
        assert page.evaluate(INK) + page.locator(".lvm-words").text_content() != before


def test_cases_exist():
    assert all(cases(name).settings() for name in NAMES)
