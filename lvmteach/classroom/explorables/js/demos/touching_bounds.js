// EM for a single mean: each E step makes a bound that touches log p(x | θ), each M step climbs to its top.
import { linspace, logSumExp, mean, normalLogPdf } from "../maths.js";
import { fixed } from "../words.js";

const T = linspace(-1, 4.5, 111); // means that are drawn
const HALF = Math.log(0.5);
const SHOWN = 3; // bounds

// log p(x_n, z = c): a unit Gaussian at 0 and one at theta, of equal weight
const logJoint = (x, theta) => x.map((one) => [HALF + normalLogPdf(one, 0, 1), HALF + normalLogPdf(one, theta, 1)]);
const logP = (x, theta) => mean(logJoint(x, theta).map(logSumExp));
const posterior = (x, theta) => logJoint(x, theta).map((row) => Math.exp(row[1] - logSumExp(row)));
const part = (q, l) => (q > 0 ? q * (l - Math.log(q)) : 0);
const elbo = (x, q, theta) => mean(logJoint(x, theta).map(([a, b], n) => part(1 - q[n], a) + part(q[n], b)));

function run(x, { first, steps }) {
  let theta = first, q = null, letters = "";
  const touched = [], posteriors = [];
  for (const letter of steps) {
    if (letter === "M" && !q) continue;
    if (letter === "E") {
      q = posterior(x, theta);
      touched.push(theta);
      posteriors.push(q);
    } else theta = mean(x.map((one, n) => q[n] * one)) / mean(q);
    letters += letter;
  }
  return { theta, q, letters, touched, posteriors };
}

export default {
  about: "The curve log p of theta, the bounds that touch it from below, and a bar of the gap.",
  start: { first: 0.4, steps: "EM" },
  allows: { steps: (steps) => /^[EM]{0,60}$/.test(steps) },
  controls: [
    { kind: "button", label: "E step", act: ({ steps }) => ({ steps: (steps + "E").slice(0, 60) }) },
    { kind: "button", label: "M step", act: ({ steps }) => ({ steps: (steps + "M").slice(0, 60) }) },
    { kind: "button", label: "Start again", act: () => ({ steps: "" }) },
    { kind: "slider", name: "first", label: "θ to start from", low: -1, high: 4.5, step: 0.1, also: { steps: "" } },
  ],

  setup: ({ x }) => {
    const points = Array.from(x), evidence = Array.from(T, (theta) => logP(points, theta));
    return { x: points, evidence };
  },

  compute({ x, evidence }, values) {
    const { theta, q, letters, touched, posteriors } = run(x, values), log_p = logP(x, theta);
    return {
      theta, letters, touched, evidence, log_p,
      touch: touched.length ? logP(x, touched.at(-1)) : log_p, // height of the curve where the last bound touches
      bounds: posteriors.slice(-SHOWN).map((one) => Array.from(T, (t) => elbo(x, one, t))),
      elbo: q ? elbo(x, q, theta) : log_p,
    };
  },

  words({ theta, letters, log_p, elbo: bound }) {
    if (!letters) return `θ = ${fixed(theta, 2)}, log p(x) ${fixed(log_p, 4)} nats per datum: press E`;
    const gap = Math.max(log_p - bound, 0);
    return `θ = ${fixed(theta, 2)} after half step ${letters.length} (${letters.at(-1)}): bound ${fixed(bound, 4)} + gap ${fixed(gap, 4)} = log p(x) ${fixed(log_p, 4)} nats per datum`;
  },

  layout: { columns: [2.4, 1], wide: 2.2 },
  panels: [
    { x: [-1, 4.5], y: [-4, -1.5], xlabel: "θ, the unknown mean", ylabel: "nats per datum", legend: "bottom right" },
    { x: [-1, 1], y: [0, 0.6], xticks: [], ylabel: "nats per datum", title: "gap, KL(q || p(z|x))" },
  ],

  view({ evidence }) {
    const y = [Math.min(...evidence) - 0.4, Math.max(...evidence) + 0.25];
    return [{ y }, {}];
  },

  moving([curve, bar], { evidence }, { theta, touched, touch, bounds, log_p, elbo: bound }, _, theme) {
    const last = bounds.length - 1;
    curve.line(T, evidence, { color: theme.ink, width: 3, label: "log p(x | θ)" });
    bounds.forEach((ys, i) => curve.line(T, ys, { color: i === last ? theme.blue : theme.grey, dash: i === last ? [] : [5, 4], label: i === last ? "bound, touches at the ring" : undefined }));
    if (touched.length) curve.ring([touched.at(-1), touch], { color: theme.blue });
    curve.dots([theta], [bound], { color: theme.orange, radius: 7, edge: theme.ink, label: "θ now, on the bound" });
    bar.bars([0], [0], [Math.max(log_p - bound, 0)], 0.9, { color: theme.red });
  },
};
