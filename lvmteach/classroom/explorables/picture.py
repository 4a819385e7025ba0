"""The picture of a live demo: one image, one line of text, and where on it the mouse is.

It knows no figure. Positions are fractions of the picture, (0, 0) its top left corner. The script is part of this
file, so the picture needs no network.
"""

from __future__ import annotations

import anywidget
import traitlets

SCRIPT = """
function render({ model, el }) {
  const make = (tag, attributes) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    el.append(node);
    return node;
  };
  el.classList.add("lvm-picture");
  const img = make("img", { draggable: "false" });
  const summary = make("div", { class: "lvm-summary", role: "status", "aria-live": "polite" });
  const error = make("div", { class: "lvm-error", role: "alert" });

  let url = null;
  const showPicture = () => {
    const old = url;
    url = URL.createObjectURL(new Blob([model.get("image")], { type: "image/jpeg" }));
    img.src = url;
    if (old) URL.revokeObjectURL(old);
  };
  // ipywidgets ties no label to its slider, has numbers read out with all their digits, and tells which button of a
  // choice is pressed by its colour alone.
  const say = (node, name, words) => { if (node && node.getAttribute(name) !== words) node.setAttribute(name, words); };
  const speak = () => {
    const all = (kind) => el.closest(".lvm-explore")?.querySelectorAll(kind) ?? [];
    for (const slider of all(".widget-slider")) {
      const handle = slider.querySelector("[role=slider]");
      say(handle, "aria-label", slider.querySelector("label").textContent);
      say(handle, "aria-valuetext", slider.querySelector(".widget-readout")?.textContent ?? "");
    }
    for (const button of all(".widget-toggle-button"))
      say(button, "aria-pressed", String(button.classList.contains("mod-active")));
  };
  const changes = new MutationObserver(speak);
  img.addEventListener("load", () => {
    const box = el.closest(".lvm-explore");
    if (box) changes.observe(box, { subtree: true, attributeFilter: ["class", "aria-valuetext"] });
    speak();
  });
  const showWords = () => {
    img.alt = model.get("alt");
    summary.textContent = model.get("summary");
    error.textContent = model.get("error");
    el.classList.toggle("lvm-failed", model.get("error") !== "");
  };
  const showRegions = () => {
    const live = model.get("regions").length > 0;
    img.style.touchAction = live ? "none" : "auto";
    if (live) img.tabIndex = 0;
    if (live) img.setAttribute("data-lm-suppress-shortcuts", "true");
  };

  const round = (x) => Math.round(1e5 * x) / 1e5;
  const place = (event) => {
    const box = img.getBoundingClientRect();
    return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)];
  };
  const inside = ([x, y]) => model.get("regions").some(([l, t, r, b]) => l <= x && x <= r && t <= y && y <= b);

  let path = null, press = 0;
  const send = () => { model.set("drag", { press, path: path.slice() }); model.save_changes(); };
  const down = (event) => {
    const here = place(event);
    if (event.button !== 0 || !inside(here)) return;
    event.preventDefault();
    img.classList.add("lvm-by-mouse");  // no frame around a picture that was clicked, only around one tabbed to
    img.focus({ preventScroll: true });
    img.setPointerCapture(event.pointerId);
    press = model.get("drag").press + 1;
    path = [here];
    send();
  };
  const move = (event) => {
    if (path === null) { img.style.cursor = inside(place(event)) ? "crosshair" : "auto"; return; }
    const every = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const one of every.length ? every : [event]) path.push(place(one));
    send();
  };
  const up = () => { path = null; };
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const left = () => img.classList.remove("lvm-by-mouse");
  const key = (event) => {
    left();
    const step = steps[event.key];
    if (!step || model.get("regions").length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = model.get("nudges");
    model.set("nudges", [x + step[0], y + step[1]]);
    model.save_changes();
  };
  img.addEventListener("pointerdown", down);
  img.addEventListener("pointermove", move);
  img.addEventListener("pointerup", up);
  img.addEventListener("pointercancel", up);
  img.addEventListener("keydown", key);
  img.addEventListener("blur", left);

  const watched = [
    ["change:image", showPicture], ["change:regions", showRegions],
    ["change:alt", showWords], ["change:summary", showWords], ["change:error", showWords],
  ];
  for (const [event, show] of watched) model.on(event, show);
  showPicture(); showWords(); showRegions();
  return () => {
    for (const [event, show] of watched) model.off(event, show);
    changes.disconnect();
    URL.revokeObjectURL(url);
  };
}
export default { render };
"""

STYLE = """
.lvm-picture img { display: block; max-width: 100%; user-select: none; -webkit-user-select: none; }
.lvm-picture img:focus-visible:not(.lvm-by-mouse) { outline: 3px solid #0072B2; outline-offset: -3px; }
.lvm-picture .lvm-summary { font-size: 1.15rem; line-height: 1.5; padding: 2px 8px; min-height: 1.5em; }
.lvm-picture .lvm-error { color: #B00020; font-weight: bold; font-size: 1.15rem; padding: 2px 8px; }
.lvm-picture .lvm-error:empty { display: none; }
.lvm-picture.lvm-failed img, .lvm-picture.lvm-failed .lvm-summary { opacity: 0.4; }
.lvm-explore .widget-label, .lvm-explore .widget-readout, .lvm-explore button { font-size: 1.1rem; }
.lvm-explore button { height: auto; width: auto; padding: 2px 14px; line-height: 1.7; }
"""


class Picture(anywidget.AnyWidget):
    """A JPEG in the notebook, with its words, that reports where the mouse presses and drags.

    Attributes:
        image: the picture; set it to show another.
        alt: what it shows, for those who cannot see it.
        summary: the line under the picture, also spoken by screen readers when it changes.
        error: shown in red under a dimmed picture; empty when all is well.
        regions: the parts that take the mouse, (left, top, right, bottom) each; elsewhere a press is ignored.
        drag: `press`, the number of times the button went down, and `path`, the places since it last did.
        nudges: arrow keys pressed so far, counted to the right and upwards.
    """

    _esm = SCRIPT
    _css = STYLE

    image = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    summary = traitlets.Unicode("").tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    regions = traitlets.List([]).tag(sync=True)
    drag = traitlets.Dict({"press": 0, "path": []}).tag(sync=True, echo_update=False)
    nudges = traitlets.List([0, 0]).tag(sync=True, echo_update=False)
