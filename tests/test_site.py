"""The static site: complete, self-contained, without solutions; and in a browser, from the disk."""

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from lvmteach.classroom.publish import copies, site

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.browser  # the whole file: building the site takes longer than all that is asked of it


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    site.build(ROOT, out)
    return out


class Links(HTMLParser):
    """What a page names: addresses, and the ids that can be jumped to."""

    def __init__(self, page: Path):
        super().__init__()
        self.named, self.ids, self.pictures = [], set(), []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.named += [given[key] for key in ("href", "src") if given.get(key)]
        self.ids.add(given.get("id"))
        if tag == "img":
            self.pictures.append(given.get("alt"))


def test_every_notebook_and_every_exercise_has_its_page(built):
    names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert names <= {path.stem for path in built.glob("*.html")}
    assert {f"exercises_{p.stem}" for p in (ROOT / "exercises").glob("*.ipynb")} <= {
        p.stem for p in built.glob("*.html")
    }
    assert {path.stem for path in (built / "downloads").glob("*.ipynb")} >= names


def test_every_address_is_in_the_folder(built):
    pages = {path.name: Links(path) for path in built.glob("*.html")}
    for name, page in pages.items():
        for address in page.named:
            if address.startswith(("data:", "https://", "http://")):  # a link that a reader may follow, no request
                continue
            file, _, anchor = address.partition("#")
            assert (built / (file or name)).exists(), f"{name}: {address}"
            if anchor:
                assert anchor in pages[file or name].ids, f"{name}: {address}"


def test_nothing_is_fetched_from_elsewhere(built):
    fetched = r"""\bsrc=["']https?:|<link[^>]+href=["']https?:|@import\s+url\(["']?https?:|import\(?["']https?:"""
    for path in built.rglob("*"):
        if path.suffix in {".html", ".css", ".js"}:
            assert re.findall(fetched, path.read_text(encoding="utf-8")) == [], path.name


def test_every_picture_is_told_in_words(built):
    for path in built.glob("*.html"):
        assert all(words for words in Links(path).pictures), path.name


def test_no_line_of_a_solution_is_in_it(built):
    everything = "".join(
        path.read_text(encoding="utf-8") for path in built.rglob("*") if path.suffix in {".html", ".ipynb"}
    )
    for path in (ROOT / "solutions" / "text").glob("*.py"):
        for solution in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", path.read_text(), re.S):
            longest = max((line.strip() for line in solution.splitlines()), key=len)
            if len(longest) > 60:
                assert longest not in everything, longest


def test_further_sections_can_be_left_out_and_checks_are_folded(tmp_path):
    (tmp_path / "notebooks").mkdir()
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    check = code("assert 1 == 1")
    check.metadata["tags"] = ["check"]
    cells = [
        md("# 99 Try"),
        md("## A thing"),
        code("x = 1"),
        check,
        md("## Further: more"),
        code("y = 2"),
        md("## Summary"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "99_try.ipynb")
    site.build(tmp_path, tmp_path / "out")
    page = (tmp_path / "out" / "99_try.html").read_text()
    (further,) = re.findall(r'<section class="further">(.*?)</section>', page, re.S)
    assert "Further: more" in further
    assert "Summary" not in further
    assert "A thing" not in further
    assert re.search(r'<details class="check">.*assert.*?</details>', page, re.S)
    assert 'id="core"' in page
    assert 'id="core"' not in (tmp_path / "out" / "index.html").read_text()


@pytest.fixture
def opened(chrome, built):
    """Opens a page from the disk; at the end nothing may have been asked of elsewhere, and nothing have gone wrong."""
    asked, wrong, pages = [], [], []

    def go(name, width=1280, scheme="light"):
        page = chrome.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda problem: wrong.append(str(problem)))
        page.goto((built / name).as_uri())
        pages.append(page)
        return page

    yield go
    for page in pages:
        page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert wrong == []


def test_a_word_is_found_and_leads_to_its_section(opened):
    page = opened("index.html")
    page.fill("#q", "importance sampling")
    page.locator("#hits a").first.click()
    assert "importance sampling" in page.inner_text("main").lower()


def test_dark_is_chosen_and_stays(opened):
    page = opened("index.html")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme")
    dark = page.evaluate(paper)
    assert dark != light
    page.goto(page.url)
    assert page.evaluate(paper) == dark
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_buttons_of_a_page_say_whether_they_are_pressed(opened, scheme):
    page = opened("01_monte_carlo.html", scheme=scheme)
    said = {"Dark": str(scheme == "dark").lower(), "Core only": "false"}
    for _ in range(3):
        for name, pressed in said.items():
            button = page.get_by_role("button", name=name, exact=True)
            assert button.get_attribute("aria-pressed") == pressed
            button.click()
            said[name] = "true" if pressed == "false" else "false"


@pytest.mark.parametrize("name", ["index", "01_monte_carlo", "08_vae", "exercises_01_monte_carlo"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_no_fault(opened, name, scheme):
    page = opened(f"{name}.html", scheme=scheme)
    found = Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.parametrize("name", [path.stem for path in copies.course(ROOT) if path.suffix == ".ipynb"][:12])
def test_a_phone_shows_the_page_in_its_width(opened, name):
    page = opened(f"{name}.html", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
