// One module for every home: a page, slides and site (it finds its places itself), and JupyterLab (anywidget's `render`).
import { read, written } from "./address.js";
import { mount } from "./explorable.js";
import { unpacked } from "./packing.js";

// Called by the bundle's entry with every module of demos/, by its file's name.
export function open(demos) {
  const found = (name) => {
    if (name in demos) return demos[name];
    throw new Error(`no explorable ${name}; there are ${Object.keys(demos).join(", ")}`);
  };

  // <div class="lvm-place" data-demo="NAME"><script type="application/json">{"data": ..., "values": ...}</script> still </div>
  function show(place) {
    const demo = found(place.dataset.demo), { data, values } = JSON.parse(place.querySelector("script").textContent), still = [...place.children];
    const inAddress = "address" in place.dataset;
    const keep = (now) => { if (inAddress) history.replaceState(null, "", "#" + written(now)); };
    place.lvm = mount(place, demo, unpacked(data), { ...values, ...(inAddress ? read(location.hash, demo) : {}) }, keep);
    if (inAddress) addEventListener("hashchange", () => place.lvm.set({ ...values, ...read(location.hash, demo) }));
    still.forEach((node) => node.remove());
  }

  function showAll() {
    const seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        show(target);
      }
    });
    document.querySelectorAll(".lvm-place").forEach((place) => seen.observe(place));
  }

  function render({ model, el }) {
    let mine = false;
    const tell = (values) => { mine = true; model.set("values", values); model.save_changes(); mine = false; };
    const shown = mount(el, found(model.get("demo")), unpacked(model.get("data")), model.get("values"), tell);
    const follow = () => { if (!mine) shown.set(model.get("values")); };
    model.on("change:values", follow);
    return () => { model.off("change:values", follow); shown.destroy(); };
  }

  if (typeof document !== "undefined") showAll();
  return { render };
}
