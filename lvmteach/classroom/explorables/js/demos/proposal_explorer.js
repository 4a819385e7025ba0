// Importance sampling: move the proposal; see the weights, their effective number, and the estimate settle.
import { ess, grid, linspace, logNormalTail, logSumExp, normalLogPdf } from "../maths.js";
import { RandomState, held } from "../random.js";
import { fixed, general } from "../words.js";

const K = 1000;
const BAND = 1.96; // standard errors to either side: 95 % of a normal
const FLAT = 4; // decades of weight shown to either side of the best
const VIEW = [-6, 9], Z = linspace(...VIEW, 401);
const PROBLEMS = [
  { name: "total mass of N(0, 1)", means: [0], scale: 1, above: -Infinity },
  { name: "P(z > 4)", means: [0], scale: 1, above: 4 },
  { name: "total mass of two humps", means: [-2, 4], scale: 0.7, above: -Infinity },
];
const DRAWS = [...new Set(Array.from({ length: 150 }, (_, i) => Math.floor(2 * (K / 2) ** (i / 149) + 1e-9)))];
const draws = held((seed) => new RandomState(seed).normals(K));

const logP = (p, z) => logSumExp(p.means.map((m) => normalLogPdf(z, m, p.scale))) - Math.log(p.means.length);
const logTruth = (p) => logSumExp(p.means.map((m) => logNormalTail((p.above - m) / p.scale))) - Math.log(p.means.length);
// log of w f / I: zero everywhere for the best proposal
const logTerm = (p, z, { mean, scale }) => (z > p.above ? logP(p, z) - normalLogPdf(z, mean, scale) - logTruth(p) : -Infinity);

// V_q[w f] / I^2 in closed form, infinite if q is too narrow. p^2 / q is a sum of bells, one for each pair of p's parts.
function relativeVariance(p, { mean, scale }) {
  const precision = 2 / p.scale ** 2 - 1 / scale ** 2;
  if (precision <= 0) return Infinity;
  const bells = p.means.flatMap((a) => p.means.map((b) => {
    const centre = ((a + b) / p.scale ** 2 - mean / scale ** 2) / precision;
    const height = (a ** 2 + b ** 2) / p.scale ** 2 - (mean / scale) ** 2 - precision * centre ** 2;
    const logBell = Math.log(scale / p.scale ** 2 / Math.sqrt(precision)) - height / 2;
    return logBell + logNormalTail((p.above - centre) * Math.sqrt(precision));
  }));
  return Math.max(0, Math.exp(logSumExp(bells) - Math.log(bells.length) - 2 * logTruth(p)) - 1);
}

// Mean of the first k terms and its standard error, for the k that are drawn.
function running(terms) {
  const value = [], error = [];
  let sum = 0, squares = 0;
  terms.forEach((t, i) => {
    const k = i + 1;
    sum += t;
    squares += t * t;
    if (k !== DRAWS[value.length]) return;
    value.push(sum / k);
    error.push(Math.sqrt(Math.max(squares - sum ** 2 / k, 0) / (k - 1) / k));
  });
  return { value, error };
}

export default {
  about: "A target, a proposal and the best proposal; the terms that are averaged; and the running estimate.",
  start: { mean: 4, scale: 1, problem: 1, seed: 0 },
  allows: { seed: (seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32 },
  controls: [
    { kind: "choice", name: "problem", label: "integral", options: PROBLEMS.map(({ name }, i) => [name, i]) },
    { kind: "slider", name: "mean", label: "proposal's mean", low: -4, high: 7, step: 0.1 },
    { kind: "slider", name: "scale", label: "proposal's scale", low: 0.3, high: 4, step: 0.05 },
    { kind: "button", label: "New samples", act: ({ seed }) => ({ seed: seed + 1 }) },
  ],

  setup: () => ({}),

  compute(_, q) {
    const p = PROBLEMS[q.problem], z = draws(q.seed).map((eps) => q.mean + q.scale * eps);
    const log_terms = grid(z, (one) => logTerm(p, one, q));
    return {
      z, log_terms, ...running(log_terms.map(Math.exp)),
      ess: ess(log_terms) || 0,
      exact: Math.sqrt(relativeVariance(p, q) / K),
    };
  },

  words({ value, error, ess: count, exact }) {
    const said = exact === Infinity ? "infinite" : general(exact, 2);
    return `estimate / truth = ${fixed(value.at(-1), 3)} ± ${general(error.at(-1), 2)}; effective draws ${fixed(count, 0)} of ${K}; the true standard error is ${said}`;
  },

  layout: { columns: [1.15, 1], areas: ["a c", "b c"], wide: 2.05 },
  panels: [
    { x: VIEW, y: [0, 1.15], ylabel: "density", aspect: 1.8 },
    { x: VIEW, y: [-FLAT, FLAT], xlabel: "z", ylabel: "term w f / I", yticks: [[-4, "0"], [-2, "10⁻²"], [0, "1"], [2, "10²"], [4, "10⁴"]], aspect: 1.8 },
    { x: [2, K], xlog: true, y: [0, 2.2], xlabel: "draws", ylabel: "estimate / truth", legend: "top right" },
  ],

  still([, terms, run], _, theme) {
    terms.line(VIEW, [0, 0], { color: theme.ink, width: 1, dash: [2, 3] });
    run.line([2, K], [1, 1], { color: theme.ink, width: 1.5, dash: [6, 4], label: "truth" });
  },

  moving([densities, terms, run], _, { z, log_terms, value, error }, q, theme) {
    const p = PROBLEMS[q.problem], target = grid(Z, (x) => Math.exp(logP(p, x)));
    const best = grid(Z, (x, i) => (x > p.above ? target[i] / Math.exp(logTruth(p)) : 0));
    const tall = Math.max(1, Math.max(...best) / 1.1); // a bell beyond the top is scaled down: its place is what matters
    densities.band(Z, grid(Z, () => 0), best.map((b) => b / tall), { color: theme.green, alpha: 0.3, label: "best proposal, f p / I" });
    densities.line(Z, target, { color: theme.blue, label: "target p" });
    densities.line(Z, grid(Z, (x) => Math.exp(normalLogPdf(x, q.mean, q.scale))), { color: theme.orange, dash: [7, 4], label: "proposal q" });
    const decades = (log) => log / Math.LN10;
    terms.line(Z, grid(Z, (x) => (x > p.above ? decades(logTerm(p, x, q)) : NaN)), { color: theme.grey, width: 1.5 });
    terms.dots(z, log_terms.map((l) => Math.min(Math.max(decades(l), -FLAT), FLAT - 0.1)), { color: theme.orange, alpha: 0.5, radius: 2.2 });
    const margin = error.map((e) => BAND * e);
    run.band(DRAWS, value.map((v, i) => v - margin[i]), value.map((v, i) => v + margin[i]), { color: theme.sky, alpha: 0.4, label: "± 1.96 standard errors" });
    run.line(DRAWS, value, { color: theme.blue, label: "estimate" });
  },
};
