// The controls of a demo: native inputs with names and spoken values, and hands on the picture.
// Each kind takes (page, spec) and returns what brings it up to date when the values have changed. A spec's `also` is set
// along with its own value: { steps: "" } where a new start forgets the steps.
import { clip } from "./maths.js";

const digits = (step) => String(step).split(".")[1]?.length ?? 0;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// A range input whose number stands beside it; `toValue`, `toPlace` and `say` translate between its place and the value.
function range(page, spec, { low, high, step, toPlace, toValue, say }) {
  const row = page.make(page.controls, "div", { class: "lvm-slider" }), label = page.make(row, "label");
  page.make(label, "span", {}, spec.label);
  const input = page.make(label, "input", { type: "range", min: low, max: high, step }), said = page.make(label, "output");
  input.addEventListener("input", () => page.set({ ...spec.also, [spec.name]: toValue(Number(input.value)) }));
  input.addEventListener("change", page.release);
  const show = () => {
    const value = page.values[spec.name];
    input.value = toPlace(value);
    said.textContent = say(value);
    input.setAttribute("aria-valuetext", say(value));
  };
  return { row, show };
}

// `high` may depend on the data: a function of the model.
const plain = (spec, { model }) => ({ low: spec.low, high: spec.high?.call ? spec.high(model) : spec.high, step: spec.step ?? 1, toPlace: (v) => v, toValue: (v) => v, say: (v) => v.toFixed(digits(spec.step ?? 1)) });

export const KINDS = {
  // { name, label, low, high, step }
  slider: (page, spec) => range(page, spec, plain(spec, page)).show,

  // { name, label, options }: unequal steps such as 1, 2, 4, 8
  ladder: (page, spec) => range(page, spec, { low: 0, high: spec.options.length - 1, step: 1, toPlace: (v) => spec.options.indexOf(v), toValue: (i) => spec.options[i], say: String }).show,

  // { name, label, low, high, step, interval }: a slider that plays by itself, from the start again when it has ended
  player(page, spec) {
    const { row, show } = range(page, spec, plain(spec, page)), step = spec.step ?? 1;
    const button = page.make(row, "button", { type: "button" }, "Play");
    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; page.release(); };
    const tick = () => { if (page.values[spec.name] >= spec.high) stop(); else page.set({ [spec.name]: page.values[spec.name] + step }); };
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (page.values[spec.name] >= spec.high) page.set({ [spec.name]: spec.low });
      timer = setInterval(tick, spec.interval ?? 200);
      button.textContent = "Pause";
    });
    page.atEnd(() => clearInterval(timer));
    return show;
  },

  // { name, label, options: [[word, value], ...] }
  choice(page, spec) {
    const group = page.make(page.controls, "fieldset"), shows = [];
    page.make(group, "legend", {}, spec.label);
    for (const [word, value] of spec.options) {
      const label = page.make(group, "label"), input = page.make(label, "input", { type: "radio", name: `${page.id}-${spec.name}` });
      page.make(label, "span", {}, word);
      input.addEventListener("change", () => { page.set({ ...spec.also, [spec.name]: value }); page.release(); });
      shows.push(() => { input.checked = page.values[spec.name] === value; });
    }
    return () => shows.forEach((show) => show());
  },

  // { label, act: (values, model) => what changes }
  button(page, spec) {
    page.make(page.controls, "button", { type: "button" }, spec.label).addEventListener("click", () => { page.set(spec.act(page.values, page.model)); page.release(); });
    return () => {};
  },

  // { panel, label, places: (values, model) => [[x, y], ...], move: (values, k, place, model) => what changes }
  // The hand takes the nearest place. For keyboard and screen reader each is two sliders.
  points(page, spec) {
    const panel = page.panels[spec.panel], { box } = panel;
    const places = () => spec.places(page.values, page.model), move = (k, place) => page.set(spec.move(page.values, k, place, page.model));
    box.classList.add("lvm-takes-hand");
    let inputs = [];
    const ends = (i) => panel.spec["xy"[i]], within = (place) => place.map((v, i) => clip(v, Math.min(...ends(i)), Math.max(...ends(i))));
    const named = (k, i) => [spec.label, inputs.length > 1 || places().length > 1 ? k + 1 : "", panel.spec["xy"[i] + "label"] ?? "xy"[i]].filter(String).join(" ");
    const slider = (k, i) => {
      const input = page.make(box, "input", { class: "lvm-hidden", type: "range", step: "any", "aria-label": named(k, i) });
      input.addEventListener("input", () => move(k, places()[k].map((v, j) => (j === i ? Number(input.value) : v))));
      input.addEventListener("change", page.release);
      input.addEventListener("keydown", (event) => {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        const fine = event.shiftKey ? 400 : 40;
        move(k, within(places()[k].map((v, j) => v + (step[j] * (ends(j)[1] - ends(j)[0])) / fine)));
        inputs[k][step[0] ? 0 : 1].focus();
        page.release();
      });
      return input;
    };
    let held = -1;
    if (spec.byHand !== false) box.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      const at = panel.at(event), away = ([x, y]) => Math.hypot(panel.x.at(x) - panel.x.at(at[0]), panel.y.at(y) - panel.y.at(at[1]));
      const far = places().map(away);
      held = far.indexOf(Math.min(...far));
      inputs[held][0].focus({ preventScroll: true });
      box.setPointerCapture?.(event.pointerId);
      move(held, at);
    });
    box.addEventListener("pointermove", (event) => { if (held >= 0) move(held, panel.at(event)); });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => { if (held >= 0) { held = -1; page.release(); } });
    return () => {
      const now = places();
      while (inputs.length > now.length) inputs.pop().forEach((input) => input.remove());
      while (inputs.length < now.length) inputs.push([0, 1].map((i) => slider(inputs.length, i)));
      now.forEach((place, k) => place.forEach((v, i) => {
        const input = inputs[k][i], [low, high] = [...ends(i)].sort((a, b) => a - b);
        Object.assign(input, { min: low, max: high, value: v });
        input.setAttribute("aria-valuetext", v.toFixed(2));
      }));
    };
  },

  // { name, panel, label, draw: (values, path, model) => what changes }: a pen whose place is the value `name`.
  // `values` are those when the pen came down, `path` all places since. By keyboard: arrows move it, Space lowers it.
  stroke(page, spec) {
    const panel = page.panels[spec.panel], { box } = panel, show = KINDS.point(page, { ...spec, byHand: false });
    let before = null, path = [];
    const draw = (place) => { path.push(place); page.set({ ...spec.draw(before, path, page.model), [spec.name]: place }); };
    const lower = (place) => { before = page.values; path = []; draw(place); };
    const lift = () => { if (before) { before = null; page.release(); } };
    box.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      box.querySelector("input").focus({ preventScroll: true });
      box.setPointerCapture?.(event.pointerId);
      lower(panel.at(event));
    });
    box.addEventListener("pointermove", (event) => { if (before) (event.getCoalescedEvents?.() ?? [event]).forEach((one) => draw(panel.at(one))); });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, lift);
    box.addEventListener("keydown", (event) => {
      if (event.key === " ") event.preventDefault();
      if (event.key === " " && !before) lower(page.values[spec.name]);
      else if (before && ARROWS[event.key]) draw(page.values[spec.name]);
    });
    box.addEventListener("keyup", (event) => { if (event.key === " ") lift(); });
    return show;
  },

  // { name, panel, label }: one place, handed over as [x, y]
  point: (page, spec) => KINDS.points(page, { ...spec, places: (values) => [values[spec.name]], move: (values, k, place) => ({ [spec.name]: place }) }),
};
