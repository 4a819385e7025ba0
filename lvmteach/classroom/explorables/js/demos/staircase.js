// Mean field by coordinate ascent: the mean of q walks to the centre of a correlated Gaussian at right angles.
import { fixed, general } from "../words.js";

const MU = [1, -0.5];
const MOST = 40; // updates
const VIEW = { x: [-4, 5], y: [-5, 4] };

// Update k moves one coordinate to where p is highest, the other one held: m_d = mu_d + rho (m_e - mu_e).
function walk({ start, rho, updates }) {
  const path = [start];
  for (let k = 0; k < updates; k++) {
    const last = path.at(-1), d = k % 2, e = 1 - d, next = [...last];
    next[d] = MU[d] + rho * (last[e] - MU[e]);
    path.push(next);
  }
  return path;
}

// (m - mu)' A (m - mu) / 2 with the precision A of unit variances and correlation rho
function away([a, b], rho) {
  const u = a - MU[0], v = b - MU[1];
  return (u * u - 2 * rho * u * v + v * v) / (1 - rho * rho) / 2;
}

export default {
  about: "A correlated Gaussian as an ellipse, the factorised q as a circle, and the path of its mean.",
  start: { start: [-2, 2], rho: 0.9, updates: 6 },
  controls: [
    { kind: "slider", name: "updates", label: "updates", low: 0, high: MOST, step: 1 },
    { kind: "slider", name: "rho", label: "correlation ρ", low: -0.98, high: 0.98, step: 0.02 },
    { kind: "point", name: "start", panel: 0, label: "start" },
    { kind: "button", label: "One more", act: ({ updates }) => ({ updates: Math.min(updates + 1, MOST) }) },
  ],

  setup: () => ({}),

  compute(_, values) {
    const path = walk(values), { rho } = values;
    return { path, variance: 1 - rho * rho, means: path.map((m) => away(m, rho)), family: -0.5 * Math.log(1 - rho * rho) };
  },

  words({ path, variance, means, family }) {
    const n = path.length - 1;
    return `after ${n} update${n === 1 ? "" : "s"}: variances ${fixed(variance, 3)} in place of 1; KL = ${general(means.at(-1), 3)} for the mean + ${fixed(family, 3)} for the family, nats`;
  },

  layout: { columns: [1.3, 1], wide: 2.2 },
  panels: [
    { ...VIEW, xlabel: "z₁", ylabel: "z₂", equal: true, legend: "bottom right" },
    { x: [0, MOST], y: [1e-8, 1e2], ylog: true, xlabel: "update", ylabel: "KL, nats", legend: "bottom left" },
  ],

  still([plane], _, theme) { plane.cross(MU, { color: theme.grey, radius: 5 }); },

  moving([plane, trace], _, { path, variance, means, family }, { rho }, theme) {
    const at = means.map((_, i) => i), last = path.at(-1);
    plane.gaussian(MU, [1, rho, 1], { color: theme.blue, label: "p" });
    plane.gaussian(last, [variance, 0, variance], { color: theme.red, dash: [7, 4], label: "q" });
    plane.line(path.map((m) => m[0]), path.map((m) => m[1]), { color: theme.orange, width: 1.5 });
    plane.dots(path.map((m) => m[0]), path.map((m) => m[1]), { color: theme.orange, radius: 3.5, label: "mean of q" });
    trace.line([0, MOST], [family, family], { color: theme.red, dash: [7, 4], label: "the family's share: stays" });
    trace.line(at, means, { color: theme.orange, width: 1.5 });
    trace.dots(at, means, { color: theme.orange, label: "the mean's share" });
  },
};
