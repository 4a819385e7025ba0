// Two dice under a table: what the rolls say about the one in use, and how the belief in sticky states changes it.
import { fixed, percent } from "../words.js";

const FACES = 6;

export default {
  about: "The rolls of two dice, and the probability that the loaded one was in use at each.",
  start: { stay: 0.93, six: 0.5, seen: 120 },
  controls: [
    { kind: "slider", name: "stay", label: "p(same die at the next roll)", low: 0.5, high: 0.99, step: 0.01 },
    { kind: "slider", name: "six", label: "p(six) of the loaded die", low: 0.1, high: 0.9, step: 0.05 },
    { kind: "player", name: "seen", label: "rolls seen", low: 1, high: 120, step: 1, interval: 120 },
  ],

  setup: ({ x, z }) => ({ x, z, t: Float64Array.from(x, (_, t) => t + 1) }),

  // Forward and backward, each column scaled to sum to one; log p(x) is the sum of the logarithms of the scales.
  compute({ x, z }, { stay, six, seen }) {
    const emit = [0, 1].map((c) => (v) => (c === 0 ? 1 / FACES : v === FACES - 1 ? six : (1 - six) / (FACES - 1)));
    const step = (c, d) => (c === d ? stay : 1 - stay);
    const alpha = [], state = new Float64Array(x.length).fill(NaN);
    let log_p = 0, beta = [1, 1];
    for (let t = 0; t < seen; t++) {
      const column = [0, 1].map((d) => emit[d](x[t]) * (t ? alpha[t - 1][0] * step(0, d) + alpha[t - 1][1] * step(1, d) : 0.5));
      const scale = column[0] + column[1];
      log_p += Math.log(scale);
      alpha.push(column.map((a) => a / scale));
    }
    for (let t = seen - 1; t >= 0; t--) {
      const both = alpha[t].map((a, c) => a * beta[c]);
      state[t] = both[1] / (both[0] + both[1]);
      const before = [0, 1].map((c) => [0, 1].reduce((s, d) => s + step(c, d) * emit[d](x[t]) * beta[d], 0));
      beta = before.map((b) => b / (before[0] + before[1]));
    }
    let wrong = 0;
    for (let t = 0; t < seen; t++) wrong += (state[t] > 0.5) !== (z[t] === 1);
    return { state, wrong, log_p, filter: Float64Array.from(x, (_, t) => (t < seen ? alpha[t][1] : NaN)) };
  },

  words: ({ wrong, log_p }, { stay, seen }) =>
    `p(stay) = ${fixed(stay, 2)}: log p(x) = ${fixed(log_p, 2)} nats, ${fixed(log_p / seen, 3)} a roll; wrong about the die at ${percent(wrong / seen)} of the rolls`,

  layout: { columns: [1], wide: 2.6 },
  panels: [{ x: [0, 121], y: [0, 1.28], xlabel: "roll", ylabel: "p(loaded)", legend: "top right", yticks: [[0, "0"], [0.5, "0.5"], [1, "1"]] }],

  still([axes], { x, z, t }, theme) {
    const on = [...t].filter((_, i) => z[i] === 1);
    axes.bars(on, on.map(() => 0), on.map(() => 1), 1, { color: theme.grey, alpha: 0.3, label: "loaded die in use" });
    axes.marks([...t].flatMap((at) => [at, 1.06]), (i) => String(x[i] + 1), (i) => (x[i] === FACES - 1 ? theme.red : theme.ink), 0.55);
  },

  moving([axes], { t }, { state, filter }, _, theme) {
    axes.line(t, filter, { color: theme.sky, width: 1.5, label: "filter: rolls up to then" });
    axes.line(t, state, { color: theme.blue, width: 3, label: "smoother: all rolls seen" });
  },
};
