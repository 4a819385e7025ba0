// beta as a water level: what is below it is given up, what is above it is described; beside it the rate-distortion curve.
import { grid, linspace, sum } from "../maths.js";
import { fixed } from "../words.js";

const LEVELS = grid(linspace(-4, 2, 121), Math.exp); // of the curve

// Least rate at which every direction is left with at most `level` of variance, and the squared error then.
function waterFilling(eigenvalues, level) {
  return {
    rate: sum(eigenvalues.map((l) => Math.log(Math.max(l / level, 1)) / 2)),
    distortion: sum(eigenvalues.map((l) => Math.min(l, level))),
  };
}

export default {
  about: "Bars of the data's variances under a water level; beside them squared error against rate, with a point on the curve.",
  start: { beta: 2, noise: 0.5 },
  controls: [
    { kind: "slider", name: "beta", label: "β, price of a nat", low: 0.1, high: 8, step: 0.1 },
    { kind: "slider", name: "noise", label: "σ²", low: 0.05, high: 1, step: 0.05 },
  ],

  setup: ({ eigenvalues }) => {
    const values = Array.from(eigenvalues), curve = Array.from(LEVELS, (level) => waterFilling(values, level));
    return { values, rates: curve.map((p) => p.rate), errors: curve.map((p) => p.distortion) };
  },

  compute({ values, rates, errors }, { beta, noise }) {
    const level = beta * noise;
    return {
      level,
      scale: values.map((l) => Math.sqrt(Math.max(l - level, 0))),
      used: values.filter((l) => l > level).length,
      ...waterFilling(values, level), rates, errors,
    };
  },

  words: ({ level, used, rate, distortion, scale }, { beta }) =>
    `β = ${fixed(beta, 1)}: water at ${fixed(level, 3)}, ${used} of ${scale.length} directions described, rate ${fixed(rate, 2)} nats, squared error ${fixed(distortion, 3)}`,

  layout: { columns: [1.2, 1], wide: 2.3 },
  panels: [
    { x: [0.4, 6.6], y: [0, 5.4], xlabel: "direction", ylabel: "variance", xticks: [1, 2, 3, 4, 5, 6].map((n) => [n, String(n)]), legend: "top right" },
    { x: [0, 7], y: [0, 10], xlabel: "rate (nats)", ylabel: "squared error", legend: "top right" },
  ],

  still([bars, curve], { values, rates, errors }, theme) {
    bars.bars([1, 2, 3, 4, 5, 6], values.map(() => 0), values, 0.8, { color: theme.sky, label: "described" });
    curve.line(rates, errors, { color: theme.blue, label: "the least error at a rate" });
  },

  moving([bars, curve], { values }, { level, rate, distortion }, _, theme) {
    bars.bars([1, 2, 3, 4, 5, 6], values.map(() => 0), values.map((l) => Math.min(l, level)), 0.8, { color: theme.grey, label: "given up" });
    bars.line([0.4, 6.6], [level, level], { color: theme.red, dash: [8, 5], label: "β σ²" });
    curve.dots([rate], [distortion], { color: theme.red, radius: 7, edge: theme.ink });
  },
};
