// The kit's ends: a page, slides and site (`showAll` finds their places), and JupyterLab (anywidget's `render`).
import { read, written } from "./address.js";
import { mount } from "./explorable.js";
import { unpacked } from "./packing.js";

const made = {}; // by name: a function that makes the demo's module

export function define(name, make) {
  made[name] = make;
}

function found(name) {
  if (name in made) return made[name]();
  throw new Error(`no explorable ${name}; there are ${Object.keys(made).join(", ")}`);
}

// <div class="lvm-place" data-demo="NAME"><script type="application/json">{"data": ..., "values": ...}</script> still </div>
function show(place) {
  const demo = found(place.dataset.demo), { data, values } = JSON.parse(place.querySelector("script").textContent), still = [...place.children];
  const inAddress = "address" in place.dataset;
  const keep = (now) => { if (inAddress) history.replaceState(null, "", "#" + written(now)); };
  place.lvm = mount(place, demo, unpacked(data), { ...values, ...(inAddress ? read(location.hash, demo) : {}) }, keep);
  if (inAddress) addEventListener("hashchange", () => place.lvm.set({ ...values, ...read(location.hash, demo) }));
  still.forEach((node) => node.remove());
}

// Each place on the page, when it comes into view.
export function showAll() {
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      show(target);
    }
  });
  document.querySelectorAll(".lvm-place").forEach((place) => seen.observe(place));
}

export function render({ model, el }) {
  let mine = false;
  const tell = (values) => { mine = true; model.set("values", values); model.save_changes(); mine = false; };
  const shown = mount(el, found(model.get("demo")), unpacked(model.get("data")), model.get("values"), tell);
  const follow = () => { if (!mine) shown.set(model.get("values")); };
  model.on("change:values", follow);
  return () => { model.off("change:values", follow); shown.destroy(); };
}
