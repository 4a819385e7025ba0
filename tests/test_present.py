"""What a lecturer opens: demos alone, JupyterLab for a projector, slides. In a browser, and without a network."""

import base64
import os
import re
import subprocess
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import axe_playwright_python
import lab
import nbformat
import pytest
from lab import Lab

from lvmteach.classroom.explorables import kit
from lvmteach.classroom.publish import demo_pages, lecture, present, slides
from lvmteach.classroom.publish.core import is_check
from lvmteach.classroom.publish.notebooks import HINT

ROOT = Path(__file__).parent.parent
STAGE = "01_monte_carlo"
pytestmark = pytest.mark.timeout(300)
AXE_SOURCE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FETCHED = r"""(?:src|href)=["']https?:|@import\s+url\(["']?https?:|import\(?\s*["']https?:"""


def needs(found, why):
    if not found:
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)


@contextmanager
def served(command, home):
    """The address, token included, that a server says when it starts; its Jupyter folders lie below `home`."""
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    log = home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env={**os.environ, **own})
    try:
        for _ in range(600):
            said = re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text())
            if said or process.poll() is not None:
                break
            time.sleep(0.1)
        assert said, log.read_text()[-3000:]
        yield said.group()
    finally:
        process.terminate()
        process.wait(30)


# ---- demos


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    out = tmp_path_factory.mktemp("demos")
    return out, demo_pages.build(ROOT, out)


def test_every_demo_has_a_page_and_a_card(pages):
    out, names = pages
    assert sorted(names) == [f"{name}.html" for name in kit.names()]
    index = (out / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="(\w+\.html)"', index) == names
    for name in ("index.html", *names):
        assert not re.search(FETCHED, (out / name).read_text(encoding="utf-8"))


def test_below_a_demo_stands_the_prose_that_goes_with_it(tmp_path):
    note = "<details><summary>Speaker note</summary>\n\nAsk.\n\n</details>"
    cells = [
        nbformat.v4.new_markdown_cell("# 42 Try\n\nElsewhere."),
        nbformat.v4.new_markdown_cell(f"## Lecture demo\n\nDrag $z$.\n\n{note}"),
        nbformat.v4.new_code_cell('walk = explore("latent_explorer", z=(1.0, -0.5))'),
        nbformat.v4.new_markdown_cell("## Summary\n\nThe end."),
    ]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "42_try.ipynb")
    names = demo_pages.build(tmp_path, tmp_path / "demos")
    assert names[0] == "latent_explorer.html"
    page = (tmp_path / "demos" / names[0]).read_text(encoding="utf-8")
    assert "Drag <math" in page
    assert "<details><summary>Speaker note" in page
    assert "Elsewhere" not in page
    assert "The end" not in page
    assert "42 Try" in (tmp_path / "demos" / "index.html").read_text(encoding="utf-8")


@pytest.mark.browser
def test_demos_are_found_by_their_pictures_and_open_from_the_disk(pages, chrome):
    one = Lab(chrome, "")
    page = one.page
    page.goto((pages[0] / "index.html").as_uri())
    pictures = page.locator("main img")
    assert pictures.count() == len(pages[1])
    assert pictures.evaluate_all("all => all.every(img => img.naturalWidth > 100 && img.alt.length > 20)")
    page.locator("main a[href='proposal_explorer.html']").click()
    words = page.locator(".lvm-words:not(:empty)")
    words.wait_for()
    before = words.text_content()
    page.get_by_role("slider", name="proposal's mean").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("(before) => document.querySelector('.lvm-words').textContent !== before", arg=before)
    page.get_by_text("All demos").click()
    page.locator("main img").first.wait_for()
    assert {url.partition(":")[0] for url in one.requests} <= {"file", "data"}
    assert one.console_errors == []


AXE = "async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes[0].html])"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_findings_on_the_index_and_on_a_page_with_prose(pages, chrome, scheme):
    for name in ("index", "two_moons"):
        page = chrome.new_page(color_scheme=scheme)
        page.goto((pages[0] / f"{name}.html").as_uri())
        page.evaluate(AXE_SOURCE)
        assert page.evaluate(AXE) == []
        page.close()


# ---- projector


def test_copies_fold_the_demo_and_leave_the_notebooks_alone(tmp_path):
    source = ROOT / "notebooks" / f"{STAGE}.ipynb"
    before = source.read_bytes()
    course = present.build(ROOT, tmp_path / "present")
    assert source.read_bytes() == before
    copy = nbformat.read(course / source.name, as_version=4)
    folded = [cell.source for cell in copy.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    original = nbformat.read(source, as_version=4)
    in_demo = [cell.source for cell in lecture.section(original) if cell.cell_type == "code"]
    assert sorted(folded) == sorted({*in_demo, *(cell.source for cell in original.cells if is_check(cell))})
    links = re.findall(r"\]\((\S+?)\)", (course / "course.md").read_text())
    assert len(links) >= 14
    assert [link for link in links if not (course / link).exists()] == []


@pytest.mark.browser
def test_jupyterlab_for_a_projector(tmp_path, chrome):
    course = present.build(ROOT, tmp_path / "present")
    extra = ("--ServerApp.open_browser=False", "--ServerApp.allow_root=True", "--ServerApp.port=0")
    extra += ("--LabApp.expose_app_in_browser=True",)
    with served([*present.command(course), *extra], tmp_path) as url:
        one = Lab(chrome, url)
        page = one.page
        page.goto(url)
        page.locator(f'a[href*="demos/{STAGE}"]').click(timeout=60_000)
        shown = page.locator(".jp-NotebookPanel:visible .jp-RenderedMarkdown:visible").first
        shown.wait_for(timeout=30_000)
        assert shown.evaluate("node => getComputedStyle(node).fontSize") == "22px"
        assert page.locator(".jp-NotebookPanel:visible details").count() == 1
        assert page.locator("details[open]").count() == 0
        one.page.wait_for_function(
            f'() => JSON.stringify(({lab.KERNEL})()) === \'["connected","idle"]\'', timeout=60_000
        )
        one.run_all()
        page.locator(".lvm-panel canvas").first.wait_for(state="visible", timeout=60_000)
        assert page.locator(".jp-NotebookPanel:visible .cm-content:visible").count() == 0  # all code is folded
        assert page.locator("#jp-left-stack:visible").count() == 0
        assert one.beyond_loopback() == []
        one.close()
    assert not (tmp_path / "config" / "lab").exists()  # the user's own settings


# ---- slides


def test_prose_is_cut_between_paragraphs_and_none_is_lost():
    prose = "## A\n\n" + "\n\n".join(f"Paragraph {i}. " + 40 * "word " for i in range(9)) + "\n\n```\na\n\nb\n```"
    parts = slides.in_parts(prose)
    assert len(parts) > 2
    assert "\n\n".join(parts) == prose
    assert parts[0].startswith("## A\n\nParagraph 0")
    assert parts[-1].endswith("```\na\n\nb\n```")


def test_how_to_get_the_package_is_not_for_the_audience():
    title = nbformat.v4.new_markdown_cell(f"# 99 Try\n\nWhat you will learn.\n\n{HINT}")
    shown = "\n".join(cell.source for cell in slides.slides(nbformat.v4.new_notebook(cells=[title])))
    assert "What you will learn" in shown
    assert "pip install" not in shown


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    needs(find_spec("pyreveal"), "reveal.js is not installed; pip install -e '.[slides]'")
    (page,) = slides.build(ROOT, tmp_path_factory.mktemp("slides"), [STAGE[:2]])
    return page


@pytest.mark.notebooks
def test_slides_name_no_place_beyond_their_folder(deck):
    text = deck.read_text()
    assert re.findall(FETCHED, text) == []
    local = re.findall(r"""(?:src|href)=["']((?!data:|#)[^"']+)["']""", text)
    assert [name for name in local if name.startswith("reveal/") and not (deck.parent / name).exists()] == []
    assert "reveal/dist/reveal.js" in local
    assert "<math" in text


OVERFLOW = """() => {
  const { width, height } = Reveal.getConfig(), found = [];
  for (const [h, slide] of Reveal.getSlides().entries()) {
    const at = Reveal.getIndices(slide);
    Reveal.slide(at.h, at.v);
    const box = document.querySelector(".slides").getBoundingClientRect();
    for (const one of slide.querySelectorAll("img, pre, p, table, math")) {
      const here = one.getBoundingClientRect();
      if (here.width && (here.bottom > box.bottom + 2 || here.right > box.right + 2))
        found.push([at.h, at.v, one.tagName, here.bottom - box.bottom, here.right - box.right]);
    }
  }
  return found;
}"""


@pytest.mark.browser
def test_slides_fit_and_fetch_nothing(deck, chrome):
    one = Lab(chrome, "")
    page = one.page
    page.goto(deck.as_uri())
    page.wait_for_function("() => window.slidesReady", timeout=60_000)
    assert page.evaluate("Reveal.getTotalSlides()") > 40
    assert page.evaluate(OVERFLOW) == []
    notes = page.evaluate("Reveal.getSlides().map(slide => Reveal.getSlideNotes(slide)).filter(note => note)")
    assert any("Total mass" in note for note in notes)
    page.evaluate("() => Reveal.slide(0, 0)")
    assert "Speaker" not in page.inner_text(".slides")
    assert {url.partition(":")[0] for url in one.requests} <= {"file", "data", "blob"}
    assert len(one.requests) >= 5
    assert one.console_errors == []


@pytest.mark.browser
def test_a_demo_is_live_on_its_slide_and_arrows_turn_the_page_elsewhere(tmp_path, chrome, deck):
    shown = {"demo": "proposal_explorer", "values": kit.values_of("proposal_explorer")}
    frame = base64.b64encode(kit.still_path("proposal_explorer", 0).read_bytes()).decode()
    output = nbformat.v4.new_output("display_data", {"image/png": frame, kit.MARK: shown})
    cells = [
        nbformat.v4.new_markdown_cell("# 42 Try"),
        nbformat.v4.new_markdown_cell("## Lecture demo"),
        nbformat.v4.new_code_cell('explore("proposal_explorer")', outputs=[output]),
        nbformat.v4.new_markdown_cell("## Summary"),
    ]
    path = deck.parent / "42_try.html"
    path.write_text(slides.to_slides(nbformat.v4.new_notebook(cells=cells)), encoding="utf-8")
    one = Lab(chrome, "")
    page = one.page
    page.goto(path.as_uri())
    page.wait_for_function("() => window.slidesReady", timeout=60_000)
    page.evaluate("() => Reveal.slide(1, 1)")
    words = page.locator(".lvm-words:not(:empty)")
    words.wait_for()
    box, slide = page.locator(".lvm-explorable").bounding_box(), page.locator(".slides").bounding_box()
    assert box["y"] + box["height"] <= slide["y"] + slide["height"] + 2
    where = "() => { const { h, v } = Reveal.getIndices(); return [h, v]; }"
    slider = page.get_by_role("slider", name="proposal's mean")
    slider.focus()
    before = words.text_content()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(before) => document.querySelector('.lvm-words').textContent !== before", arg=before)
    assert page.evaluate(where) == [1, 1]
    page.keyboard.press("PageDown")  # a presenter's remote
    page.wait_for_function("() => Reveal.getIndices().h === 2")
    page.evaluate("() => Reveal.slide(1, 1)")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => Reveal.getIndices().h === 2")
    assert one.console_errors == []
    assert {url.partition(":")[0] for url in one.requests} <= {"file", "data", "blob"}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_findings_on_slides(deck, chrome, scheme):
    page = chrome.new_page(color_scheme=scheme)
    page.goto(deck.as_uri())
    page.wait_for_function("() => window.slidesReady", timeout=60_000)
    page.evaluate(AXE_SOURCE)
    for h, v in ((0, 0), (1, 1)):
        page.evaluate("([h, v]) => Reveal.slide(h, v)", [h, v])
        assert page.evaluate(AXE) == []
    page.close()


@pytest.mark.browser
def test_the_check_of_slides_sees_a_request(tmp_path, chrome):
    # nbconvert's own slides ask three places on the web for scripts.
    from nbconvert import SlidesExporter

    body, _ = SlidesExporter().from_notebook_node(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A")])
    )
    (tmp_path / "plain.html").write_text(body)
    assert re.search(FETCHED, body)
    one = Lab(chrome, "")
    one.page.goto((tmp_path / "plain.html").as_uri(), wait_until="commit")
    one.page.wait_for_timeout(500)
    assert "https" in {url.partition(":")[0] for url in one.requests}
    one.page.close()
