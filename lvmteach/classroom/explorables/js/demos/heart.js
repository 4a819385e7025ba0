// A latent z slides along a heart; how much each z has to do with an observed x, and p(x), the sum over all of them.
import { grid, linspace, logSumExp, normalLogPdf } from "../maths.js";
import { held } from "../random.js";
import { fixed } from "../words.js";

const POINTS = { A: [3.7, 4.6], B: [0, 2], C: [0, -19] };
const Z = linspace(-4, 4, 801); // what is drawn
const STEP = 0.004, TURNS = 4 * Math.PI; // what is summed: midpoints
const ALL = Float64Array.from({ length: Math.floor((2 * TURNS) / STEP) }, (_, i) => -TURNS + (i + 0.5) * STEP);
const FLOOR = -12; // decades shown

const centre = (z) => [10 * Math.sin(z) ** 3, 10 * Math.cos(z) - 10 * Math.cos(z) ** 4];
const scale = (z) => Math.abs(z === 0 ? 1 : Math.sin(z) / z);
const path = Array.from(linspace(-4.5, 4.5, 500), centre);

// log p(x|z) + log p(z)
function logJoint([a, b], z) {
  const [m, n] = centre(z), s = scale(z);
  return normalLogPdf(a, m, s / 3) + normalLogPdf(b, n, s) + normalLogPdf(z, 0, 1);
}

const evidence = held((a, b) => logSumExp(ALL.map((z) => logJoint([a, b], z))) + Math.log(STEP)); // one sum for each x, whatever z does

export default {
  about: "A latent z slides along a heart, its noise drawn around it; beside it how much each z has to do with an observed x.",
  start: { z: 0.6, x: POINTS.A },
  controls: [
    { kind: "slider", name: "z", label: "latent z", low: -4, high: 4, step: 0.01 },
    { kind: "point", name: "x", panel: 0, label: "observed x" },
    ...Object.entries(POINTS).map(([label, x]) => ({ kind: "button", label, act: () => ({ x }) })),
  ],

  setup: () => ({}),

  compute: (_, { z, x }) => ({
    place: centre(z),
    spread: [scale(z) / 3, scale(z)],
    log_joint: logJoint(x, z),
    curve: grid(Z, (one) => logJoint(x, one)),
    log_p_x: evidence(...x),
  }),

  words: ({ log_joint, log_p_x }, { z }) =>
    `z = ${fixed(z, 2)}: log p(x|z) p(z) = ${fixed(log_joint, 2)}; the integral over all z: log p(x) = ${fixed(log_p_x, 2)} nats`,

  layout: { columns: [1, 1.25], wide: 2.1 },
  panels: [
    { x: [-13, 13], y: [-21.5, 8], xlabel: "x₁", ylabel: "x₂", aspect: 0.95, legend: "bottom right" },
    { x: [-4, 4], y: [FLOOR, 2.5], xlabel: "latent z", ylabel: "p(x|z) p(z)", yticks: [[-12, "10⁻¹²"], [-8, "10⁻⁸"], [-4, "10⁻⁴"], [0, "1"]], aspect: 1.25, legend: "bottom right" },
  ],

  still([plane], _, theme) {
    plane.line(path.map(([a]) => a), path.map(([, b]) => b), { color: theme.grey, width: 1.5, label: "mean of x given z" });
    for (const [name, place] of Object.entries(POINTS)) plane.marks([place[0] + 1.1, place[1]], () => name, () => theme.ink, 1);
  },

  moving([plane, sum], _, { place, spread, log_joint, curve }, { z, x }, theme) {
    for (const deviations of [1, 2]) plane.gaussian(place, [spread[0] ** 2, 0, spread[1] ** 2], { deviations, color: theme.blue, width: deviations === 1 ? 2.5 : 1.2 });
    plane.dots([place[0]], [place[1]], { color: theme.blue, radius: 4, label: "x given this z" });
    plane.cross(x, { color: theme.orange });
    const decades = (log) => Math.max(log / Math.LN10, FLOOR - 1);
    sum.line(Z, grid(Z, (one) => decades(normalLogPdf(one, 0, 1))), { color: theme.grey, dash: [2, 3], label: "prior p(z)" });
    sum.band(Z, grid(Z, () => FLOOR), grid(curve, decades), { color: theme.orange, alpha: 0.3 });
    sum.line(Z, grid(curve, decades), { color: theme.orange, label: "p(x|z) p(z)" });
    sum.line([z, z], [FLOOR, 2.5], { color: theme.blue, width: 1.2 });
    sum.dots([z], [Math.max(decades(log_joint), FLOOR + 0.2)], { color: theme.blue, radius: 6 });
  },
};
