// A demo on a page: its controls, its panels, one redraw a frame, words for those who cannot see it.
import { KINDS } from "./controls.js";
import { Panel } from "./panel.js";
import { dress } from "./style.js";
import { themeOf } from "./theme.js";

let serial = 0;

function make(parent, tag, attributes = {}, words) {
  const node = parent.appendChild(document.createElement(tag));
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (words !== undefined) node.textContent = words;
  return node;
}

// Show `demo` in `host`. `released(values)` is called when a hand lets go, not on every frame.
export function mount(host, demo, data, given = {}, released = () => {}) {
  const root = make(host, "div", { class: "lvm-explorable", role: "group", "aria-label": demo.about, "data-lm-suppress-shortcuts": "true", "data-prevent-swipe": "" });
  dress(root);
  keepToItself(root);
  const page = { id: `lvm${++serial}`, make, values: { ...demo.start, ...given }, model: demo.setup(data) }, ends = [];
  page.controls = make(root, "div", { class: "lvm-controls" });
  const grid = make(root, "div", { class: "lvm-panels" });
  arrange(grid, demo);
  page.panels = demo.panels.map((spec) => new Panel(grid, spec));
  if (demo.layout?.areas) page.panels.forEach(({ box }, i) => box.style.setProperty("--lvm-area", "abcdef"[i]));
  const words = make(root, "div", { class: "lvm-words", "aria-hidden": "true" }), spoken = make(root, "div", { class: "lvm-hidden", role: "status" });
  const failed = make(root, "div", { class: "lvm-error", role: "alert" });

  let frame = 0, settled = false, quiet = 0, theme, last = "";
  const redraw = () => { frame ||= requestAnimationFrame(attempt); };
  page.atEnd = (end) => ends.push(end);
  page.set = (more) => { page.values = { ...page.values, ...more }; follow(); redraw(); };
  page.release = () => {
    const now = JSON.stringify(page.values);
    if (now !== last) released(page.values);
    last = now;
  };
  const shows = demo.controls.map((spec) => KINDS[spec.kind](page, spec)), follow = () => shows.forEach((show) => show());

  function draw() {
    const { panels, model, values } = page, result = demo.compute(model, values);
    if (!settled) {
      if (!panels.every((panel) => panel.resize())) return; // not on the page yet: the observer calls again
      theme = themeOf(root);
    }
    const views = demo.view?.(model, result, values) ?? [];
    const moved = panels.map((panel, i) => (views[i] ? panel.limits(views[i]) : false));
    if (!settled || moved.includes(true)) {
      for (const panel of panels) panel.begin("still", theme);
      demo.still?.(panels, model, theme);
      settled = true;
    }
    for (const panel of panels) panel.begin("moving", theme);
    demo.moving(panels, model, result, values, theme);
    for (const panel of panels) panel.showLegend();
    words.textContent = demo.words(result, values);
    clearTimeout(quiet);
    quiet = setTimeout(() => { spoken.textContent = words.textContent; }, 400);
  }
  function attempt() {
    const start = performance.now();
    frame = 0;
    try {
      draw();
      failed.textContent = "";
    } catch (problem) {
      failed.textContent = `${problem.name}: ${problem.message}`;
      console.error(problem);
    }
    if (settled) root.dispatchEvent(new CustomEvent("lvm-drawn", { bubbles: true, detail: { work: performance.now() - start } }));
  }

  const anew = () => { settled = false; redraw(); };
  for (const end of watch(root, grid, anew)) ends.push(end);
  page.set({});
  last = JSON.stringify(page.values);
  return {
    root, page,
    answer(values) { const result = demo.compute(page.model, values); return [result, demo.words(result, values)]; },
    set(more) { page.set(more); last = JSON.stringify(page.values); },
    destroy() { ends.forEach((end) => end()); cancelAnimationFrame(frame); clearTimeout(quiet); root.remove(); },
  };
}

// Panels side by side where there is room, below one another (or `narrow` to a row) on a phone.
function arrange(grid, { panels, layout = {} }) {
  const { columns = panels.map(() => 1), areas, wide = 2.2, narrow = 1 } = layout;
  const style = { "--lvm-columns": columns.map((share) => `minmax(0, ${share}fr)`).join(" "), "--lvm-areas": areas?.map((row) => `"${row}"`).join(" ") ?? "none", "--lvm-wide": wide, "--lvm-narrow": narrow };
  for (const [name, value] of Object.entries(style)) grid.style.setProperty(name, value);
}

// Under JupyterLab and reveal.js keys are shortcuts and a swipe turns the page: not from a control that uses them.
function keepToItself(root) {
  root.addEventListener("keydown", (event) => {
    const arrow = event.key.startsWith("Arrow"), page = event.key.startsWith("Page");
    if (event.key === "Escape" || (page && root.closest(".reveal"))) event.target.blur(); // a presenter's remote sends Page keys
    else if (!(arrow && event.target.tagName === "BUTTON")) return event.stopPropagation();
  });
  for (const touch of ["touchstart", "touchmove"]) {
    root.addEventListener(touch, (event) => { if (event.target.closest(".lvm-takes-hand, input")) event.stopPropagation(); }, { passive: true });
  }
}

// Size, colour scheme and theme of the page; returns what ends the watching.
function watch(root, grid, anew) {
  const size = new ResizeObserver(anew), themes = new MutationObserver(anew), scheme = matchMedia("(prefers-color-scheme: dark)");
  size.observe(grid);
  scheme.addEventListener("change", anew);
  for (const node of [document.documentElement, document.body]) {
    themes.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-jp-theme-light"] });
  }
  return [() => size.disconnect(), () => themes.disconnect(), () => scheme.removeEventListener("change", anew)];
}
