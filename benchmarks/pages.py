"""The explorables' pages from the disk: how soon the first picture comes, and how many a second while a hand drags.

    python -m benchmarks.pages              every one
    python -m benchmarks.pages climb        those named

Headless Chromium on a page opened from file://, at 1280 x 720, and as a phone: 390 x 844 with the processor slowed down
by four. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from lvmteach.classroom.explorables import kit, pages

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import lab

DESKTOP = {"viewport": {"width": 1280, "height": 720}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
SOON, SOON_ON_A_PHONE, SIZE, WORK = 0.5, 1.5, 1.5e6, 1000 / 60  # seconds, seconds, bytes, milliseconds a picture
REPEATS = 3
# The first picture's moment, and the milliseconds of script that each one costs.
WATCH = """
window.lvm = { first: 0, work: [] };
document.addEventListener("lvm-drawn", ({ detail }) => {
  window.lvm.work.push(detail.work);
  const channel = new MessageChannel();  // its message comes after the frame has been painted
  channel.port1.onmessage = () => { window.lvm.first ||= performance.now(); };
  requestAnimationFrame(() => channel.port2.postMessage(0));
}, true);
"""
# The first slider, or the hand's place, jumps with each frame for a second: pictures, frames, script a picture.
DRAG = """async () => {
  const input = document.querySelector(".lvm-explorable input[type=range]"), start = performance.now();
  const low = Number(input.min), high = Number(input.max);
  window.lvm.work = [];
  let frames = 0;
  while (performance.now() - start < 1000) {
    await new Promise(requestAnimationFrame);
    frames += 1;
    input.value = low + ((high - low) * ((frames * 7) % 17)) / 16;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const work = window.lvm.work.toSorted((a, b) => a - b);
  return [work.length, frames, work[Math.floor(0.9 * work.length)]];
}"""


def first_picture(chrome: Browser, address: str, slower: int, **context) -> tuple[float, int]:
    """Seconds from the navigation to the first picture, median of some fresh pages, and what was asked of a network."""
    found, requests = [], []
    for _ in range(REPEATS):
        page = chrome.new_page(**context)
        page.on("request", lambda request: requests.append(request.url))
        page.add_init_script(WATCH)
        if slower > 1:
            page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.goto(address)
        page.wait_for_function("() => window.lvm.first")
        found.append(page.evaluate("window.lvm.first") / 1000)
        page.close()
    return statistics.median(found), len([url for url in requests if not url.startswith(("file:", "data:"))])


def rate(chrome: Browser, address: str) -> tuple[int, int, float]:
    """Pictures and frames in a second in which each frame asks for a picture, and script for one, 9 of 10 below it."""
    page = chrome.new_page(**DESKTOP)
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_function("() => window.lvm.first")
    found = page.evaluate(DRAG)
    page.close()
    return tuple(found)


def main(names: list[str]) -> int:
    """Print the table; the exit status says whether a target was missed."""
    print("                        page      first picture, s       pictures   frames    script a picture")
    print("explorable                kB      desktop     phone      a second   a second  90 %, ms   requests")
    missed = 0
    with tempfile.TemporaryDirectory() as folder, lab.browser() as chrome:
        for name in [name for name in kit.names() if not names or name in names]:
            path = Path(folder) / f"{name}.html"
            path.write_text(pages.page(name), encoding="utf-8")
            size, address = path.stat().st_size, path.as_uri()
            (desktop, asked), (phone, _) = (
                first_picture(chrome, address, slower, **context) for slower, context in ((1, DESKTOP), (4, PHONE))
            )
            pictures, frames, work = rate(chrome, address)
            met = size <= SIZE and desktop <= SOON and phone <= SOON_ON_A_PHONE and work <= WORK and not asked
            missed += not met
            print(
                f"{name:20} {size / 1e3:8.0f} {desktop:11.2f} {phone:9.2f} {pictures:12d} {frames:10d} {work:10.1f} "
                f"{asked:9d}  {'met' if met else 'MISSED'}",
                flush=True,
            )
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
