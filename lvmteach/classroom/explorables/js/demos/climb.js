// The importance weighted bound: slide K, and see it climb to log p(x). Recorded: it takes 51 200 decodes an image.
import { contour } from "../contour.js";
import { ess, linspace, logSumExp, steps } from "../maths.js";
import { fixed } from "../words.js";

const MOST = 256; // samples in a set
const KS = Float64Array.from({ length: MOST }, (_, i) => i + 1);
const HEIGHTS = [3, 2, 1].map((r) => Math.exp(-0.5 * r * r)); // of contours: a Gaussian's, r deviations out

const chosen = ({ images }, { image, seed }) => {
  const one = images[Math.min(image, images.length - 1)];
  return { ...one, ...one.sets[seed % one.sets.length] };
};

// Of each set the last sample to have been the best among the first K: a draw by weight.
function drawn({ counts, k, z }, K) {
  const found = [];
  let at = 0;
  for (const n of counts) {
    let last = at;
    while (last + 1 < at + n && k[last + 1] < K) last++;
    found.push(z[2 * last], z[2 * last + 1]);
    at += n;
  }
  return found;
}

// The part of the plane with the cloud of q and the contours in it, and the contours.
function plane(one) {
  const n = Math.sqrt(one.posterior.length), [a, b, c, d] = one.box, xs = linspace(a, b, n), ys = linspace(c, d, n);
  const from = drawn(one, 1), held = [...one.posterior.keys()].filter((i) => one.posterior[i] > 255 * HEIGHTS[0]);
  const limits = [0, 1].map((axis) => {
    const all = [...held.map((i) => (axis ? ys[i % n] : xs[Math.floor(i / n)])), ...from.filter((_, i) => i % 2 === axis)];
    const low = Math.min(...all), high = Math.max(...all), margin = 0.05 * (high - low);
    return [low - margin, high + margin];
  });
  return { limits, from, lines: HEIGHTS.map((height) => contour(one.posterior, xs, ys, 255 * height)) };
}

export default {
  about: "The importance weighted bound against K, the weights of K samples, and the posterior that they imply.",
  start: { K: 16, image: 0, seed: 0 },
  allows: { seed: (seed) => Number.isInteger(seed) && seed >= 0 },
  controls: [
    { kind: "ladder", name: "K", label: "samples K", options: steps(MOST) },
    { kind: "slider", name: "image", label: "image", low: 0, high: ({ images }) => images.length - 1, step: 1 },
    { kind: "button", label: "New samples", act: ({ seed }, { images }) => ({ seed: (seed + 1) % images[0].sets.length }) },
  ],

  setup: (data) => ({ ...data, planes: {} }),

  compute(model, values) {
    const one = chosen(model, values), log_w = one.log_w.slice(0, values.K), total = logSumExp(log_w);
    return {
      weights: Float64Array.from(log_w, (l) => Math.exp(l - total)).sort().reverse(),
      bound: one.bound[values.K - 1], error: one.error[values.K - 1], log_p: one.log_p,
      ess: ess(log_w),
      cloud: drawn(one, values.K),
    };
  },

  words: ({ bound, error, log_p, ess: size }, { K }) => `K = ${K}: bound ${fixed(bound, 2)} ± ${fixed(error, 2)}, log p(x) = ${fixed(log_p, 2)} nats; effective sample size ${fixed(size, 1)} of ${K}`,

  layout: { columns: [1, 1, 1], wide: 2.9 },
  panels: [
    { x: [0.9, MOST * 1.1], xlog: true, y: [-1, 0.1], xlabel: "samples K", ylabel: "L_K − log p(x), nats", title: "the bound climbs", legend: "bottom right" },
    { x: [0.9, MOST * 1.1], xlog: true, y: [1e-5, 2], ylog: true, xlabel: "samples of one set, by weight", ylabel: "normalised weight", title: "weights of K samples", legend: "bottom left" },
    { x: [-1, 1], y: [-1, 1], xlabel: "z₁", ylabel: "z₂", title: "q, resampled, posterior", aspect: 1.2 },
  ],

  view(model, _, values) {
    const one = chosen(model, values), low = Math.min(...one.bound.map((b, i) => b - one.log_p - 2 * one.error[i]));
    const high = Math.max(-0.08 * low, ...one.bound.map((b, i) => b - one.log_p + 2 * one.error[i]));
    const { limits: [x, y] } = (model.planes[[values.image, values.seed]] ??= plane(one));
    return [{ y: [1.05 * low, high] }, null, { x, y }];
  },

  moving([left, middle, right], model, { weights, bound, log_p, cloud }, values, theme) {
    const one = chosen(model, values), gap = one.bound.map((b) => b - log_p), { from, lines } = model.planes[[values.image, values.seed]];
    left.band(KS, gap.map((g, i) => g - 2 * one.error[i]), gap.map((g, i) => g + 2 * one.error[i]), { color: theme.blue, alpha: 0.25 });
    left.line(KS, gap, { color: theme.blue, label: "L_K" });
    left.line([0.5, 1000], [0, 0], { color: theme.ink, dash: [7, 4], label: "log p(x)" });
    left.dots([values.K], [bound - log_p], { color: theme.blue, radius: 6, edge: theme.ink });
    const at = KS.slice(0, values.K), even = (axis) => (points) => points.filter((_, i) => i % 2 === axis);
    middle.line(at, weights, { color: theme.orange, width: 1 });
    middle.dots(at, weights, { color: theme.orange, radius: 2.5 });
    middle.line([0.5, 1000], [1 / values.K, 1 / values.K], { color: theme.ink, dash: [2, 3], label: "all equal, 1/K" });
    const [first, second] = [even(0), even(1)];
    right.dots(first(from), second(from), { color: theme.grey, radius: 1.8, label: "from q" });
    for (const line of lines) right.segments(...line, { color: theme.blue, width: 1.5, label: line === lines[0] ? "p(z|x)" : "" });
    right.dots(first(cloud), second(cloud), { color: theme.red, radius: 2.5, label: "resampled" });
  },
};
