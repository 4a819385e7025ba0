// Variational inference: take q by its peak, watch ELBO + KL = log p(x), and let either KL choose q.
import { clip, grid, linspace, logSumExp, normalLogPdf, sum } from "../maths.js";
import { fixed } from "../words.js";

const BY_HAND = "by hand", REVERSE = "least KL(q || p)", FORWARD = "least KL(p || q)";
const LOG_P_X = -2; // nats; the joint integrates to this
const VIEW = [-6, 6], TOP = 0.8, FLOOR = -7; // nats, what is shown of the ELBO
const Z = linspace(-16, 16, 1601), DZ = 32 / 1600;
const FIRST = 500, LAST = 1100; // of Z: those in VIEW

const twoHumps = (apart) => grid(Z, (z) => logSumExp([
  normalLogPdf(z, -apart / 2, 0.6) + Math.log(0.4),
  normalLogPdf(z, apart / 2, 0.9) + Math.log(0.6),
]) + LOG_P_X);
const logDensity = ({ m, s }) => grid(Z, (z) => normalLogPdf(z, m, s));
const logIntegral = (logF) => logSumExp(logF) + Math.log(DZ);

// KL(q || p), the integral of q log(q / p); zero where q is zero
function kl(logQ, logP) {
  let total = 0;
  for (let i = 0; i < Z.length; i++) {
    const q = Math.exp(logQ[i]);
    if (q > 0) total += q * (logQ[i] - logP[i]);
  }
  return total * DZ;
}

function withPeakAt([m, height]) {
  return { m, s: 1 / (clip(height, 0.04, TOP) * Math.sqrt(2 * Math.PI)) };
}

// p's own mean and standard deviation: it covers.
function forwardFit(logPost) {
  const p = logPost.map((l) => Math.exp(l) * DZ), m = sum(p.map((w, i) => w * Z[i]));
  return { m, s: Math.sqrt(sum(p.map((w, i) => w * (Z[i] - m) ** 2))) };
}

// Gradient and Hessian of the ELBO in m / s and log s, at fixed s: expectations under q of powers of u = (z - m) / s.
function slopes(logJoint, { m, s }) {
  const e = [0, 0, 0, 0, 0], logQ = logDensity({ m, s });
  for (let i = 0; i < Z.length; i++) {
    const u = (Z[i] - m) / s, gain = Math.exp(logQ[i]) * (logJoint[i] - logQ[i]) * DZ;
    for (let n = 0, power = gain; n < 5; n++, power *= u) e[n] += power;
  }
  const up = e[1], wide = e[2] - e[0];
  return { up, wide, mm: wide - 1, ms: e[3] - 3 * e[1], ss: e[4] - 4 * e[2] + e[0] - 2 };
}

// The greatest ELBO near q: Newton's steps where the ELBO is a hill, else the natural gradient's, never a long one. It seeks.
function reverseFit(logJoint, q) {
  for (let n = 0; n < 100; n++) {
    const { up, wide, mm, ms, ss } = slopes(logJoint, q), det = mm * ss - ms * ms, hill = mm < 0 && det > 0;
    const step = hill ? [(ms * wide - ss * up) / det, (ms * up - mm * wide) / det] : [up, wide / 2];
    const [dm, ds] = step.map((d) => clip(d, -0.5, 0.5));
    q = { m: q.m + q.s * dm, s: q.s * Math.exp(ds) };
    if (Math.abs(dm) + Math.abs(ds) < 1e-12) break;
  }
  return q;
}

export default {
  about: "The posterior of two humps and one Gaussian q; beside them log p(x) in its two parts, ELBO and KL.",
  start: { peak: [0, 0.25], fit: BY_HAND, apart: 4 },
  controls: [
    { kind: "point", name: "peak", panel: 0, label: "peak of q" },
    { kind: "choice", name: "fit", label: "q is", options: [BY_HAND, REVERSE, FORWARD].map((fit) => [fit, fit]) },
    { kind: "slider", name: "apart", label: "distance of the humps", low: 0, high: 8, step: 0.1 },
  ],

  setup: () => ({}),

  compute(_, { peak, fit, apart }) {
    const logJoint = twoHumps(apart), log_p_x = logIntegral(logJoint), logPost = logJoint.map((l) => l - log_p_x);
    const byHand = withPeakAt(peak);
    const q = fit === FORWARD ? forwardFit(logPost) : fit === REVERSE ? reverseFit(logJoint, byHand) : byHand;
    const logQ = logDensity(q);
    return {
      ...q, log_p_x,
      elbo: -kl(logQ, logJoint),
      kl: kl(logQ, logPost),
      forward: kl(logPost, logQ),
      posterior: logPost.slice(FIRST, LAST + 1).map(Math.exp),
      density: logQ.slice(FIRST, LAST + 1).map(Math.exp),
    };
  },

  words: ({ m, s, elbo, kl: reverse, log_p_x, forward }) =>
    `q = N(${fixed(Math.abs(m) < 0.005 ? 0 : m, 2)}, ${fixed(s, 2)}²): ELBO ${fixed(elbo, 3)} + KL(q || p) ${fixed(reverse, 3)} = log p(x) ${fixed(log_p_x, 3)} nats; KL(p || q) ${fixed(forward, 3)}`,

  layout: { columns: [2.2, 1], wide: 2.3 },
  panels: [
    { x: VIEW, y: [0, TOP], xlabel: "z", ylabel: "density", title: "drag the peak of q" },
    { x: [-0.6, 0.6], y: [FLOOR, 1], xticks: [], ylabel: "nats", title: "log p(x) = ELBO + KL", legend: "top right", aspect: 1.4 },
  ],

  still([, parts], _, theme) {
    parts.line([-0.6, 0.6], [LOG_P_X, LOG_P_X], { color: theme.ink, dash: [2, 3], label: "log p(x)" });
  },

  moving([plane, parts], _, { m, s, elbo, posterior, density }, values, theme) {
    const z = Z.subarray(FIRST, LAST + 1), top = clip(1 / (s * Math.sqrt(2 * Math.PI)), 0, TOP);
    plane.line(z, posterior, { color: theme.blue, width: 3, label: "posterior p(z | x)" });
    plane.line(z, density, { color: theme.orange, width: 3, dash: [8, 5], label: "q(z)" });
    plane.dots([m], [top], { color: theme.orange, radius: 7, edge: theme.ink });
    const shown = clip(elbo, FLOOR, LOG_P_X); // a hopeless q is cut off, and the words below have its number
    // The ELBO is a level and has no length; the KL is the way from it to log p(x).
    parts.bars([0], [shown], [LOG_P_X], 0.5, { color: theme.red, label: "KL(q || p(z | x))" });
    parts.line([-0.5, 0.5], [shown, shown], { color: theme.green, width: 5, label: "ELBO" });
  },
};
