// An image drawn by hand, what the encoder makes of it, q(z|x), and what the decoder makes of that.
import { clip, logSumExp, mean, mlp, mlpOfEight, sigmoid } from "../maths.js";
import { RandomState, held } from "../random.js";
import { fixed, percent } from "../words.js";

const K = 16; // draws of q(z|x), for the bounds
const EXTENT = 3.5, SHOWN = 30; // of a latent plane; latent axes side by side
const noise = held((n) => new RandomState(1).normals(n)); // the same at each redraw: only the drawing changes the numbers

// An image of zeros and ones as hexadecimal digits, and back.
const written = (ink) => Array.from({ length: Math.ceil(ink.length / 4) }, (_, i) => (8 * ink[4 * i] + 4 * (ink[4 * i + 1] ?? 0) + 2 * (ink[4 * i + 2] ?? 0) + (ink[4 * i + 3] ?? 0)).toString(16)).join("");
const read = (text, D) => Uint8Array.from({ length: D }, (_, i) => (parseInt(text[i >> 2] ?? "0", 16) >> (3 - (i & 3))) & 1);
const inkOf = ({ images, D, count }, { ink, example }) => (ink ? read(ink, D) : images.slice((example % count) * D, ((example % count) + 1) * D));

// log weights log p(x, z) - log q(z|x) of K draws z = m + sd eps, eight at a time.
function logWeights({ decodeEight, D, L }, x, m, sd) {
  const log_w = new Float64Array(K), eps = noise(K * L), z = new Float64Array(8 * L);
  for (let first = 0; first < K; first += 8) {
    for (let k = 0; k < 8; k++) for (let l = 0; l < L; l++) z[8 * l + k] = m[l] + sd[l] * eps[(first + k) * L + l];
    const logits = decodeEight(z);
    for (let k = 0; k < 8; k++) {
      let total = 0, ones = 1; // the sum of log(1 + e) is one log of a product
      for (let l = 0; l < L; l++) total += (eps[(first + k) * L + l] ** 2 - z[8 * l + k] ** 2) / 2 + Math.log(sd[l]);
      for (let i = 0, at = k; i < D; i++, at += 8) {
        const l = logits[at];
        total += (x[i] ? l : 0) - Math.max(l, 0);
        ones *= 1 + Math.exp(-Math.abs(l));
        if (ones > 1e300) { total -= Math.log(ones); ones = 1; }
      }
      log_w[first + k] = total - Math.log(ones);
    }
  }
  return log_w;
}

// Ink every pixel within the pen's radius of the path.
function pen(model, values, path) {
  const { shape: [rows, cols], D } = model, ink = Uint8Array.from(inkOf(model, values)), radius = Math.max(0.5, 0.042 * Math.min(rows, cols));
  path.forEach(([x1, y1], n) => {
    const [x0, y0] = path[Math.max(n - 1, 0)], dx = x1 - x0, dy = y1 - y0, long = dx * dx + dy * dy;
    for (let i = 0; i < D; i++) {
      const x = i % cols, y = Math.floor(i / cols), share = long ? clip(((x - x0) * dx + (y - y0) * dy) / long, 0, 1) : 0;
      if ((x - x0 - share * dx) ** 2 + (y - y0 - share * dy) ** 2 <= radius ** 2) ink[i] = 1;
    }
  });
  return written(ink);
}

export default {
  about: "A board to draw on, the approximate posterior of the drawing, and the image decoded at its mean.",
  start: { ink: "", example: 0, pen: [13, 13] },
  allows: {
    ink: (ink) => /^[0-9a-f]{0,1000}$/.test(ink),
    example: (example) => Number.isInteger(example) && example >= 0,
  },
  controls: [
    { kind: "button", label: "Wipe", act: () => ({ ink: "0" }) },
    { kind: "button", label: "Next example", act: ({ example }, { count }) => ({ ink: "", example: (example + 1) % count }) },
    { kind: "stroke", name: "pen", panel: 0, label: "pen", draw: (values, path, model) => ({ ink: pen(model, values, path) }) },
  ],

  setup({ sizes, weights, encoder_sizes, encoder_weights, images, order, shape }) {
    const D = sizes.at(-1);
    return { decode: mlp(sizes, weights), decodeEight: mlpOfEight(sizes, weights), encode: mlp(encoder_sizes, encoder_weights), images, D, L: sizes[0], count: images.length / D, order, shape };
  },

  compute(model, values) {
    const { decode, encode, L } = model, x = inkOf(model, values), head = encode(x);
    const m = head.slice(0, L), sd = head.slice(L).map(Math.exp), log_w = logWeights(model, x, m, sd);
    const decoded = Float64Array.from(decode(m), sigmoid);
    return { x, mean: m, sd, decoded, elbo: mean(log_w), bound: logSumExp(log_w) - Math.log(K) };
  },

  words: ({ x, elbo, bound }) => `${percent(mean(x))} ink; bounds on log p(x): ELBO ${fixed(elbo, 1)}, with K = ${K} samples ${fixed(bound, 1)} nats`,

  layout: { columns: [1, 1.25, 1], wide: 3.1 },
  panels: [
    { image: [28, 28], x: [-0.5, 27.5], y: [27.5, -0.5], title: "draw here: x" },
    { x: [-1, SHOWN], y: [-4, 4], xlabel: "latent axis, most used first", ylabel: "z", title: "q(z|x) in blue, prior in grey", aspect: 1.4 },
    { image: [28, 28], title: "p(x|z) at the mean of q" },
  ],

  view: ({ L, shape: [rows, cols], order }) => [
    { image: [rows, cols], x: [-0.5, cols - 0.5], y: [rows - 0.5, -0.5] },
    L === 2 ? { x: [-EXTENT, EXTENT], y: [-EXTENT, EXTENT], xlabel: "z₁", ylabel: "z₂", title: "q(z|x), two standard deviations", equal: true } : { x: [-1, order.length] },
    { image: [rows, cols] },
  ],

  still([, middle], { L }, theme) {
    if (L > 2) middle.band([-1, 99], [-2, -2], [2, 2], { color: theme.grey, alpha: 0.2 });
    else for (const r of [1, 2, 3]) middle.gaussian([0, 0], [1, 0, 1], { deviations: r, color: theme.grey, width: 1, dash: [1, 3] });
  },

  moving([board, middle, right], { shape, L, order }, { x, mean: m, sd, decoded }, values, theme) {
    board.picture(x, shape);
    board.ring(values.pen, { color: theme.orange, radius: 4, width: 1.5 });
    right.picture(decoded, shape);
    if (L === 2) {
      middle.gaussian([...m], [sd[0] ** 2, 0, sd[1] ** 2], { color: theme.blue });
      return middle.dots([m[0]], [m[1]], { color: theme.blue, radius: 4 });
    }
    const at = [...order].map((_, i) => i), ends = (side) => [...order].map((l) => m[l] + side * sd[l]);
    middle.segments(at, ends(-2), at, ends(2), { color: theme.blue, width: 2 });
    middle.dots(at, ends(0), { color: theme.blue, radius: 3 });
  },
};
