// A Gaussian q starts at the encoder's guess and descends on KL(q || p(z|x)): the gap split, one image at a time.
import { contour } from "../contour.js";
import { clip, logSumExp } from "../maths.js";
import { fixed } from "../words.js";

const ENCODER = "at the encoder's guess", BY_HAND = "where I put it";
const MOST = 60, RATE = 0.3, LONGEST = 0.25; // steps; share of a natural gradient step; longest, in deviations of q
const MESH = 80;
const HEIGHTS = [3, 2, 1].map((r) => -0.5 * r * r); // of contours: a Gaussian's, r deviations out

// q along one axis of the mesh, N(m, s²) cut off at the borders: q, log q, and its deviations t = (z - m) / s.
function along(z, m, s) {
  const t = Float64Array.from(z, (v) => (v - m) / s), squares = t.map((v) => -0.5 * v * v), total = logSumExp(squares);
  const log_q = squares.map((v) => v - total);
  return { t, log_q, q: log_q.map(Math.exp), cross: new Float64Array(MESH) };
}

// KL(q || p) and its gradient for the mean, in deviations, and for log s, on each axis. q is a product of its two axes,
// so that only log p needs the whole mesh: its mean under the other axis, `cross`.
function gapOf({ log_p, axes }, m, s) {
  const [a, b] = [0, 1].map((d) => along(axes[d], m[d], s[d]));
  for (let i = 0, at = 0; i < MESH; i++) {
    for (let j = 0; j < MESH; j++, at++) {
      a.cross[i] += b.q[j] * log_p[at];
      b.cross[j] += a.q[i] * log_p[at];
    }
  }
  const mean = (one, f) => { let total = 0; for (let i = 0; i < MESH; i++) total += one.q[i] * f(i); return total; };
  const kl = mean(a, (i) => a.log_q[i] - a.cross[i]) + mean(b, (j) => b.log_q[j]);
  // The covariance of each t, or t², with log q - log p: the other axis' log q is a constant in it.
  const slope = (one, power) => mean(one, (i) => (one.log_q[i] - one.cross[i]) * one.t[i] ** power) - mean(one, (i) => one.t[i] ** power) * mean(one, (i) => one.log_q[i] - one.cross[i]);
  return { kl, slope: [slope(a, 1), slope(b, 1), slope(a, 2), slope(b, 2)] };
}

const step = (slope) => clip(RATE * slope, -LONGEST, LONGEST);

export default {
  about: "A digit; contours of its exact posterior with q descending on it, from the encoder's ellipse; and the gap after each step.",
  start: { image: 2, steps: 0, begin: ENCODER, start: [0, 0] },
  controls: [
    { kind: "player", name: "steps", label: "steps", low: 0, high: MOST, step: 1, interval: 150 },
    { kind: "slider", name: "image", label: "image", low: 0, high: 7, step: 1, also: { begin: ENCODER, steps: 0 } },
    { kind: "choice", name: "begin", label: "q begins", options: [ENCODER, BY_HAND].map((word) => [word, word]) },
    {
      kind: "points", panel: 1, label: "start of q",
      places: ({ image, begin, start }, { images }) => [begin === BY_HAND ? start : images[image].encoder.slice(0, 2)],
      move: (values, k, place) => ({ begin: BY_HAND, start: place }),
    },
  ],

  setup({ log_posterior, low, side, encoder, best, log_p_x, x }) {
    const images = Array.from(side, (wide, i) => {
      const table = Float64Array.from(log_posterior.subarray(i * MESH ** 2, (i + 1) * MESH ** 2)), total = logSumExp(table);
      const axes = [0, 1].map((d) => Float64Array.from({ length: MESH }, (_, k) => low[2 * i + d] + (wide * k) / (MESH - 1)));
      return {
        log_p: table.map((v) => v - total), axes, log_p_x: log_p_x[i], x: x.subarray(784 * i, 784 * (i + 1)),
        encoder: [...encoder.subarray(4 * i, 4 * i + 4)], best: [...best.subarray(4 * i, 4 * i + 4)], top: Math.max(...table) - total,
      };
    });
    return { images, contours: new Map() };
  },

  compute({ images }, { image, steps, begin, start }) {
    const one = images[image], ofFour = (q) => gapOf(one, q.slice(0, 2), q.slice(2)).kl;
    let m = one.encoder.slice(0, 2), s = one.encoder.slice(2);
    if (begin === BY_HAND) m = start.map((v, d) => clip(v, one.axes[d][0], one.axes[d].at(-1)));
    let now = gapOf(one, m, s);
    const path = [m], gaps = [now.kl];
    for (let n = 0; n < steps; n++) {
      const { slope } = now;
      m = m.map((v, d) => v - s[d] * step(slope[d]));
      s = s.map((v, d) => v * Math.exp(-step(slope[2 + d] / 2)));
      now = gapOf(one, m, s);
      path.push(m);
      gaps.push(now.kl);
    }
    return { path, sd: s, gaps, at_encoder: ofFour(one.encoder), approximation: ofFour(one.best), log_p_x: one.log_p_x };
  },

  words({ gaps, at_encoder, approximation, log_p_x }) {
    const n = gaps.length - 1, now = gaps.at(-1), gap = (v) => fixed(v, 2);
    return `after ${n} step${n === 1 ? "" : "s"}: log p(x) ${gap(log_p_x)} - ELBO ${gap(log_p_x - now)} = gap ${gap(now)} nats; the best q leaves ${gap(approximation)} (approximation), the encoder's q another ${gap(at_encoder - approximation)} (amortisation)`;
  },

  layout: { columns: [0.6, 1, 1.1], wide: 2.6 },
  panels: [
    { image: [28, 28], title: "x" },
    { x: [-3, 3], y: [-3, 3], xlabel: "z₁", ylabel: "z₂", equal: true, title: "exact p(z|x), and q" },
    { x: [0, MOST], y: [0.003, 2000], ylog: true, xlabel: "steps", ylabel: "gap KL(q‖p), nats", legend: "top right" },
  ],

  view: ({ images }, _, { image }) => {
    const [x, y] = images[image].axes.map((axis) => [axis[0], axis.at(-1)]);
    return [{}, { x, y }, {}];
  },

  still() {},

  moving([left, plane, curve], { images, contours }, { path, sd, gaps, approximation, at_encoder }, { image }, theme) {
    const one = images[image], { encoder, best, axes } = one, at = gaps.map((_, n) => n);
    if (!contours.has(image)) contours.set(image, HEIGHTS.map((h) => contour(one.log_p.map((v) => v - one.top), ...axes, h)));
    const round = ([a, b, c, d], style) => plane.gaussian([a, b], [c * c, 0, d * d], style);
    left.picture(one.x, [28, 28]);
    contours.get(image).forEach((lines) => plane.segments(...lines, { color: theme.ink, width: 1.4 }));
    round(encoder, { color: theme.orange, dash: [7, 4] });
    round(best, { color: theme.green, dash: [2, 3] });
    plane.line(path.map(([a]) => a), path.map(([, b]) => b), { color: theme.red, width: 1.2 });
    round([...path.at(-1), ...sd], { color: theme.red, width: 3 });
    plane.dots([path[0][0]], [path[0][1]], { color: theme.red, radius: 5, edge: theme.ink });
    curve.line([0, MOST], [at_encoder, at_encoder], { color: theme.orange, dash: [7, 4], label: "encoder's q" });
    curve.line([0, MOST], [approximation, approximation], { color: theme.green, dash: [2, 3], label: "best q" });
    curve.line(at, gaps, { color: theme.red, label: "q" });
    curve.dots([at.at(-1)], [gaps.at(-1)], { color: theme.red, radius: 6 });
  },
};
