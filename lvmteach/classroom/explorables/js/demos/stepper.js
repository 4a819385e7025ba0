// EM for a mixture of Gaussians: press E, M, E, M; move a mean with the hand; see where it ends.
import { logSumExp, sum } from "../maths.js";
import { RandomState } from "../random.js";
import { replay } from "../replay.js";
import { mixed } from "../theme.js";
import { fixed } from "../words.js";

const LOG_2PI = Math.log(2 * Math.PI), EPS = 2 ** -52;
const MOST = 5; // components, and steps of "10 times E, M"
const POINTS = 5; // that the prior on each covariance is worth
const UNKNOWN = "#BBBBBB"; // a point before the first E step
const coloursOf = ({ blue, orange, green, red, purple }) => [blue, orange, green, red, purple];
const apart = ([a, b], [c, d]) => (a - c) ** 2 + (b - d) ** 2;

// k-means++, the greedy form: of several rows, each drawn by its squared distance to the nearest before, the best.
function seeds({ x }, C, seed) {
  const stream = new RandomState(seed), at = (share) => Math.min(Math.floor(share * x.length), x.length - 1);
  const chosen = [x[at(stream.uniform())]];
  let squared = x.map((one) => apart(one, chosen[0]));
  while (chosen.length < C) {
    const total = sum(squared), tries = Array.from({ length: 2 + Math.floor(Math.log(C)) }, () => {
      let rest = total * stream.uniform(), n = 0;
      while (n < x.length - 1 && rest >= squared[n]) rest -= squared[n++];
      return { n, left: squared.map((d, i) => Math.min(d, apart(x[i], x[n]))) };
    });
    const best = tries.reduce((a, b) => (sum(b.left) < sum(a.left) ? b : a));
    chosen.push(x[best.n]);
    squared = best.left;
  }
  return chosen;
}

function begin({ spread }, { C }, means) {
  const weights = Array(C).fill(1 / C), covs = Array.from({ length: C }, () => [spread / C, 0, spread / C]);
  return { weights, means, covs, q: null, collapsed: "", halves: [] };
}

// log p(x_n, c) for every point and component
function logJoint(x, { weights, means, covs }) {
  const parts = covs.map(([a, b, c]) => ({ det: a * c - b * b, a, b, c }));
  return x.map(([u, v]) => parts.map(({ det, a, b, c }, k) => {
    const du = u - means[k][0], dv = v - means[k][1];
    return Math.log(weights[k]) - 0.5 * (2 * LOG_2PI + Math.log(det) + (c * du * du - 2 * b * du * dv + a * dv * dv) / det);
  }));
}

const logPrior = ({ covs }, variance) => sum(covs.map(([a, b, c]) => (-POINTS / 2) * (Math.log(a * c - b * b) + (variance * (a + c)) / (a * c - b * b))));

// Set q to the posterior: the bound touches. Move the parameters to where the bound is highest for this q.
function half(model, state, letter, { covariance, prior }) {
  const { x, spread } = model, variance = spread / 25;
  if (state.collapsed || (letter === "M" && !state.q)) return state;
  let next = { ...state };
  if (letter === "E") {
    next.q = logJoint(x, state).map((row) => { const top = logSumExp(row); return row.map((l) => Math.exp(l - top)); });
  } else {
    Object.assign(next, maximised(x, state.q, covariance, prior ? POINTS : 0, variance));
    if (next.collapsed) return { ...state, collapsed: next.collapsed };
  }
  const joint = logJoint(x, next), extra = prior ? logPrior(next, variance) / x.length : 0;
  const bound = sum(joint.map((row, n) => sum(row.map((l, c) => { const q = next.q[n][c]; return q > 0 ? q * (l - Math.log(q)) : 0; })))) / x.length;
  next.halves = [...state.halves, { letter, bound: bound + extra, objective: sum(joint.map(logSumExp)) / x.length + extra }];
  return next;
}

function maximised(x, q, covariance, points, variance) {
  const C = q[0].length, n = Array.from({ length: C }, (_, c) => sum(q.map((row) => row[c])));
  const gone = n.flatMap((held, c) => (held < EPS ? [c] : []));
  if (gone.length) return { collapsed: `${which(gone)} lost every point` };
  const means = n.map((held, c) => [0, 1].map((d) => sum(x.map((one, i) => q[i][c] * one[d])) / held));
  const covs = n.map((held, c) => {
    const total = [0, 0, 0];
    x.forEach(([u, v], i) => {
      const du = u - means[c][0], dv = v - means[c][1];
      [du * du, du * dv, dv * dv].forEach((part, k) => { total[k] += q[i][c] * part; });
    });
    const [a, b, d] = [total[0] + points * variance, total[1], total[2] + points * variance].map((part) => part / (held + points));
    return covariance === "full" ? [a, b, d] : covariance === "diagonal" ? [a, 0, d] : [(a + d) / 2, 0, (a + d) / 2];
  });
  const weights = n.map((held) => held / x.length);
  // Rounding leaves a variance uncertain by about so much, and widths of a few grains of the data are none.
  const fine = [0, 1].map((d) => 16 * EPS * Math.max(...x.map((one) => Math.abs(one[d]))));
  const least = (own, d) => 20 * EPS * own + (points ? 0 : fine[d] ** 2);
  const flat = covs.flatMap(([a, b, d], c) => (a > least(a, 0) && d - (b * b) / a > least(d, 1) ? [] : [c]));
  return flat.length ? { collapsed: `${which(flat)} collapsed` } : { weights, means, covs };
}

const which = (components) => `component${components.length > 1 ? "s" : ""} ${components.join(", ")}`;
const firstOf = (model, { C, seed, first }) => (first.length === 2 * C ? Array.from({ length: C }, (_, c) => first.slice(2 * c, 2 * c + 2)) : seeds(model, C, seed));

export default {
  about: "Points coloured by responsibility, components as ellipses; and the bound that each half step lifts.",
  start: { C: 3, covariance: "full", prior: false, seed: 3, first: [], steps: "EMEM" },
  allows: {
    seed: (seed) => Number.isInteger(seed) && seed >= 0 && seed < 1e6,
    first: (first) => Array.isArray(first) && first.length <= 2 * MOST && first.every(Number.isFinite),
    steps: (steps) => /^[EM]{0,400}$/.test(steps),
  },
  controls: [
    { kind: "button", label: "E step", act: ({ steps }) => ({ steps: steps + "E" }) },
    { kind: "button", label: "M step", act: ({ steps }) => ({ steps: steps + "M" }) },
    { kind: "button", label: "10 times E, M", act: ({ steps }) => ({ steps: steps + "EM".repeat(10) }) },
    { kind: "button", label: "Same start", act: () => ({ steps: "" }) },
    { kind: "button", label: "New start", act: ({ seed }) => ({ seed: seed + 1, first: [], steps: "" }) },
    { kind: "slider", name: "C", label: "components C", low: 2, high: MOST, step: 1, also: { first: [], steps: "" } },
    { kind: "choice", name: "covariance", label: "covariance", options: ["full", "diagonal", "spherical"].map((one) => [one, one]), also: { steps: "" } },
    { kind: "choice", name: "prior", label: "covariances", options: [["no prior", false], ["prior", true]], also: { steps: "" } },
    { kind: "points", panel: 0, label: "mean", places: (values, model) => states(model, values).at(-1).means, move(values, k, place, model) {
      const first = firstOf(model, values);
      return { first: first.map((mean, c) => (c === k ? place : mean)).flat(), steps: "" };
    } },
  ],

  setup({ x }) {
    const rows = Array.from({ length: x.length / 2 }, (_, i) => [x[2 * i], x[2 * i + 1]]);
    const variance = (d) => { const m = sum(rows.map((r) => r[d])) / rows.length; return sum(rows.map((r) => (r[d] - m) ** 2)) / (rows.length - 1); };
    const view = [0, 1].map((d) => { const all = rows.map((r) => r[d]), low = Math.min(...all), high = Math.max(...all), margin = 0.08 * (high - low); return [low - margin, high + margin]; });
    return { x: rows, spread: (variance(0) + variance(1)) / 2, view };
  },

  compute(model, values) {
    const { weights, means, covs, q, halves, collapsed } = states(model, values).at(-1);
    return { weights, means, covs, q: q ?? [], bound: halves.map((h) => h.bound), objective: halves.map((h) => h.objective), letters: halves.map((h) => h.letter).join(""), collapsed };
  },

  words({ bound, objective, letters, collapsed }, { C, covariance, prior }) {
    const head = `C = ${C}, ${covariance}, ${prior ? "with" : "no"} prior: `;
    if (collapsed) return `${head}${collapsed}. Choose the prior, or move a mean`;
    if (!letters) return `${head}press E`;
    const gap = Math.max(objective.at(-1) - bound.at(-1), 0);
    return `${head}half step ${letters.length} (${letters.at(-1)}), bound ${fixed(bound.at(-1), 4)}, gap ${fixed(gap, 4)} nats per datum`;
  },

  layout: { columns: [1.15, 1], wide: 2.4 },
  panels: [
    { x: [0, 1], y: [0, 1], xlabel: "x₁", ylabel: "x₂", title: "responsibilities as colour", aspect: 1.3 },
    { x: [0, 24], y: [-6, 0], xlabel: "half step", ylabel: "nats per datum", title: "each half step lifts the bound", legend: "bottom right", aspect: 1.3 },
  ],

  view({ view: [x, y] }, { bound, objective }) {
    const low = Math.min(...bound), high = Math.max(...objective), margin = 0.15 * (high - low) + 0.02;
    return [{ x, y }, bound.length ? { x: [0, Math.max(24, Math.ceil(bound.length / 24) * 24)], y: [low - margin, high + margin] } : { x: [0, 24], y: [-6, 0] }];
  },

  moving([plane, trace], { x }, { means, covs, q, bound, objective, letters }, _, theme) {
    const colours = coloursOf(theme), shades = x.map((_, n) => (q.length ? mixed(colours, q[n]) : UNKNOWN));
    plane.dots(x.map((r) => r[0]), x.map((r) => r[1]), { color: (i) => shades[i], radius: 2.8 });
    means.forEach((mean, c) => plane.gaussian(mean, covs[c], { color: colours[c] }));
    means.forEach((mean, c) => plane.cross(mean, { color: colours[c] }));
    const at = bound.map((_, i) => i + 1), those = (letter) => at.filter((i) => letters[i - 1] === letter);
    trace.line(at, objective, { color: theme.ink, width: 1.5, dash: [6, 4], label: "log p(x) (+ prior)" });
    trace.line(at, bound, { color: theme.grey, width: 1.5 });
    for (const [letter, color] of [["E", theme.blue], ["M", theme.orange]]) {
      trace.dots(those(letter), those(letter).map((i) => bound[i - 1]), { color, radius: 4, label: `ELBO after ${letter}` });
    }
  },
};

function states(model, values) {
  const { C, covariance, prior, seed, first, steps } = values;
  return replay(model, JSON.stringify([C, covariance, prior, seed, first]), steps, () => begin(model, values, firstOf(model, values)), (state, letter) => half(model, state, letter, values));
}
