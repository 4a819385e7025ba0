// The bound as a thermometer: the glass ends at log p(x), the liquid stands at the ELBO. q raises the liquid, w moves both.
import { LOG_2PI, clip, grid, linspace } from "../maths.js";
import { fixed } from "../words.js";

const SQUARE = 2, NOISE = 0.25; // mean of x^2 in the data; the variance of x given z
const W = linspace(0, 1.6, 81), LOW = -4.6, HIGH = -1.4; // of the curves; nats shown

// x = w (z1 + z2) + noise: x alone is N(0, 2 w^2 + NOISE).
const evidence = (w) => -0.5 * (LOG_2PI + Math.log(2 * w * w + NOISE) + SQUARE / (2 * w * w + NOISE));
// The posterior has mean (c x, c x) and precision I + a: every entry of the second is a.
const posterior = (w) => ({ c: w / (2 * w * w + NOISE), a: (w * w) / NOISE });

// q = N((m x, m x), s^2 (1 r; r 1)). Its ELBO, mean over the data: data term minus KL to the prior.
function elboOf(w, { m, s, r }) {
  const missed = SQUARE * (1 - 2 * w * m) ** 2 + 2 * w * w * s * s * (1 + r);
  const prior = s * s + m * m * SQUARE - 1 - 2 * Math.log(s) - 0.5 * Math.log(1 - r * r);
  return -0.5 * (LOG_2PI + Math.log(NOISE) + missed / NOISE) - prior;
}

function gapOf(w, { m, s, r }) {
  const { c, a } = posterior(w), spread = 2 * s * s * (1 + a + a * r), away = 2 * SQUARE * (1 + 2 * a) * (m - c) ** 2;
  return 0.5 * (spread - 2 + away - Math.log(1 + 2 * a) - 4 * Math.log(s) - Math.log(1 - r * r));
}

// E step among two independent factors, and among all Gaussians; M step.
function factors({ w }) {
  const { c, a } = posterior(w);
  return { m: c, s: 1 / Math.sqrt(1 + a), r: 0 };
}
function exact({ w }) {
  const { c, a } = posterior(w);
  return { m: c, s: Math.sqrt((1 + a) / (1 + 2 * a)), r: -a / (1 + a) };
}
const best = ({ m, s, r }) => ({ w: clip((SQUARE * m) / (2 * SQUARE * m * m + s * s * (1 + r)), 0, 1.6) });

export default {
  about: "A thermometer whose glass ends at log p(x) and whose liquid stands at the ELBO; beside it, both over the weight w.",
  start: { w: 0.4, m: 0.3, s: 0.9, r: 0 },
  controls: [
    { kind: "slider", name: "w", label: "θ: weight w", low: 0, high: 1.6, step: 0.01 },
    { kind: "slider", name: "m", label: "q: mean of z, over x", low: 0, high: 1.5, step: 0.01 },
    { kind: "slider", name: "s", label: "q: standard deviation", low: 0.1, high: 1.2, step: 0.01 },
    { kind: "slider", name: "r", label: "q: correlation", low: -0.95, high: 0.5, step: 0.01 },
    { kind: "button", label: "E: best q of two factors", act: factors },
    { kind: "button", label: "E: best q of all", act: exact },
    { kind: "button", label: "M: best w for this q", act: best },
  ],

  setup: () => ({
    evidence: grid(W, evidence),
    reached: grid(W, (w) => elboOf(w, factors({ w }))), // the best that two factors can do
  }),

  compute: (model, { w, ...q }) => ({
    log_p: evidence(w),
    elbo: elboOf(w, q),
    gap: gapOf(w, q),
    bound: grid(W, (v) => elboOf(v, q)),
    ...model,
  }),

  words: ({ log_p, elbo, gap }, { w }) =>
    `w = ${fixed(w, 2)}: log p(x) ${fixed(log_p, 3)} = ELBO ${fixed(elbo, 3)} + gap ${fixed(Math.max(gap, 0), 3)} nats a datum`,

  layout: { columns: [0.5, 1.5], wide: 2.4 },
  panels: [
    { x: [-1, 1], y: [LOW, HIGH], xticks: [], ylabel: "nats a datum", title: "glass: log p(x)", aspect: 0.8 },
    { x: [0, 1.6], y: [LOW, HIGH], xlabel: "w", ylabel: "nats a datum" },
  ],

  still([, right], { evidence, reached }, theme) {
    right.line(W, evidence, { color: theme.blue, width: 3, label: "log p(x)" });
    right.line(W, reached, { color: theme.red, width: 1.5, dash: [2, 4], label: "ELBO, best q of two factors" });
  },

  moving([glass, right], _, { log_p, elbo, bound }, { w }, theme) {
    const top = clip(elbo, LOW, HIGH);
    glass.band([-0.3, 0.3], [LOW, LOW], [log_p, log_p], { color: theme.sky, alpha: 0.35 });
    glass.band([-0.2, 0.2], [LOW, LOW], [top, top], { color: theme.red });
    glass.line([-0.3, -0.3, 0.3, 0.3], [LOW, log_p, log_p, LOW], { color: theme.blue, width: 3 });
    glass.dots([0], [LOW + 0.14], { color: theme.red, radius: 24 });
    right.line(W, bound, { color: theme.red, width: 3, dash: [8, 5], label: "ELBO of this q" });
    right.segments([w], [top], [w], [log_p], { color: theme.ink, width: 2 });
    right.dots([w, w], [top, log_p], { color: (i) => [theme.red, theme.blue][i], radius: 6, edge: theme.ink });
  },
};
