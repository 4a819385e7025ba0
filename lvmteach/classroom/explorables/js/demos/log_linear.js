// A log-linear model of four blocks: each weight moves all sixteen probabilities; the gradient is features seen minus expected.
import { logSumExp, sum } from "../maths.js";
import { fixed } from "../words.js";

const NAMES = ["first", "second", "third", "fourth", "pair"], SIGNS = ["x₁", "x₂", "x₃", "x₄", "x₁x₂"];
const RATE = 2; // of a gradient step
// The outcomes as four bits in counting order, and as their own pictures: x₁ x₂ over x₃ x₄.
const OUTCOMES = Array.from({ length: 16 }, (_, n) => [8, 4, 2, 1].map((bit) => Number((n & bit) > 0)));
const PICTURES = [..."·▗▖▄▝▐▞▟▘▚▌▙▀▜▛█"];
const FEATURES = OUTCOMES.map((x) => [...x, x[0] * x[1]]);

const dot = (a, b) => sum(a.map((v, i) => v * b[i]));
const minusEntropy = (ps) => sum(ps.map((p) => p * Math.log(p)));

function fitted({ seen }, values) {
  const w = NAMES.map((name) => values[name]), scores = FEATURES.map((f) => dot(w, f)), logZ = logSumExp(scores);
  const p = scores.map((s) => Math.exp(s - logZ)), expected = NAMES.map((_, i) => dot(p, FEATURES.map((f) => f[i])));
  return { p, expected, slope: seen.map((f, i) => f - expected[i]), log_lik: dot(w, seen) - logZ };
}

export default {
  about: "Sixteen bars, the probabilities of all pictures of four blocks; beside them the means of five features, seen and expected.",
  start: { first: 0, second: 0, third: 0, fourth: 0, pair: 0 },
  controls: [
    ...NAMES.map((name, i) => ({ kind: "slider", name, label: `weight of ${SIGNS[i]}`, low: -4, high: 4, step: 0.1 })),
    { kind: "button", label: "Gradient step", act: (values, model) => Object.fromEntries(fitted(model, values).slope.map((g, i) => [NAMES[i], values[NAMES[i]] + RATE * g])) },
    { kind: "button", label: "All zero", act: () => Object.fromEntries(NAMES.map((name) => [name, 0])) },
  ],

  setup: ({ seen }) => ({ seen: Array.from(seen) }),

  compute(model, values) {
    const { seen: [a, b, c, d, both] } = model, found = fitted(model, values);
    // The most that five weights can reach: a table for the pair of blocks, and two coins.
    const best = minusEntropy([both, a - both, b - both, 1 - a - b + both]) + minusEntropy([c, 1 - c]) + minusEntropy([d, 1 - d]);
    return { ...found, best, below: best - found.log_lik };
  },

  words: ({ slope, log_lik, below }) =>
    `log-likelihood ${fixed(log_lik, 3)} nats a datum, ${fixed(below, 3)} below the best; seen minus expected: ${slope.map((g, i) => `${SIGNS[i]} ${fixed(Math.abs(g) < 0.005 ? 0 : g, 2)}`).join(", ")}`,

  layout: { columns: [1.4, 1], wide: 2.5 },
  panels: [
    { x: [-0.7, 15.7], y: [0, 0.5], xlabel: "outcome x: dark blocks", ylabel: "p(x | w)", xticks: PICTURES.map((picture, n) => [n, picture]) },
    { x: [-0.7, 4.7], y: [0, 1], xlabel: "feature", ylabel: "mean", xticks: SIGNS.map((sign, i) => [i, sign]), legend: "top right" },
  ],

  still([, right], { seen }, theme) {
    right.bars([-0.2, 0.8, 1.8, 2.8, 3.8], seen.map(() => 0), seen, 0.36, { color: theme.grey, label: "seen" });
  },

  moving([left, right], _, { p, expected }, values, theme) {
    left.bars(p.map((_, n) => n), p.map(() => 0), p, 0.8, { color: theme.blue });
    right.bars([0.2, 1.2, 2.2, 3.2, 4.2], expected.map(() => 0), expected, 0.36, { color: theme.orange, label: "expected" });
  },
};
