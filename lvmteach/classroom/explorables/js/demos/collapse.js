// What the KL term and the likelihood did while sentence models were trained: each setting from several seeds, scrubbed by step.
import { mean } from "../maths.js";
import { fixed } from "../words.js";

export default {
  about: "KL and negative log-likelihood through training, runs of each setting, with a line at the step chosen.",
  start: { setting: 2, at: 19 },
  controls: [
    { kind: "choice", name: "setting", label: "setting", options: [["no z", 0], ["plain", 1], ["annealed", 2], ["free bits", 3], ["word dropout", 4]] },
    { kind: "player", name: "at", label: "look number", low: 0, high: 19, step: 1, interval: 200 },
  ],

  setup: ({ step, kl, nll, settings, counts, floor }) => ({
    step, floor, T: step.length, kl, nll, names: settings.split(","),
    runs: counts.map((n, k) => Array.from({ length: n }, (_, s) => counts.slice(0, k).reduce((a, b) => a + b, 0) + s)), // rows
  }),

  compute({ step, T, runs, kl, nll, floor }, { setting, at }) {
    const of = (table) => Float64Array.from(runs[setting], (row) => table[row * T + at]);
    const found = { kl: of(kl), nll: of(nll), step: step[at] };
    return { ...found, above: mean(found.nll) - floor, beta: setting === 2 ? Math.min(step[at] / (step[T - 1] / 2), 1) : setting === 0 ? 0 : 1 };
  },

  words: ({ kl, nll, step, above, beta }) =>
    `step ${step}, KL weight ${fixed(beta, 2)}: KL ${[...kl].map((v) => fixed(v, 2)).join(", ")}; NLL ${[...nll].map((v) => fixed(v, 2)).join(", ")} nats, ${fixed(above, 2)} above the parser's`,

  layout: { columns: [1, 1], wide: 2.6 },
  panels: [
    { x: [0, 2000], y: [0, 12], xlabel: "step", ylabel: "KL, nats", title: "what z says", legend: "top right" },
    { x: [0, 2000], y: [18, 24], xlabel: "step", ylabel: "nats a sentence", title: "negative log-likelihood", legend: "top right" },
  ],

  moving([left, right], { step, T, runs, names, kl, nll, floor }, { step: now }, { setting }, theme) {
    const xs = [...step];
    left.line([0, 2000], [Math.log(6), Math.log(6)], { color: theme.grey, width: 1.5, dash: [2, 3], label: "log 6, the topic" });
    right.line([0, 2000], [floor, floor], { color: theme.red, width: 1.5, label: "the parser's own" });
    names.forEach((name, k) => {
      runs[k].forEach((run, s) => {
        const row = run * T, own = k === setting, style = { color: own ? theme.blue : theme.grey, width: own ? 2.6 : 1, alpha: own ? 1 : 0.4 };
        if (k) left.line(xs, kl.slice(row, row + T), { ...style, label: own && !s ? name : undefined });
        right.line(xs, nll.slice(row, row + T), { ...style, label: own && !s ? name : undefined });
      });
    });
    for (const axes of [left, right]) axes.line([now, now], [0, 100], { color: theme.ink, width: 1.5, dash: [5, 4] });
  },
};
