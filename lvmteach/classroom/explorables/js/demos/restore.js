// Erase pixels and restore them by turns: z from q(z|x), then the missing pixels from p(x|z). Pseudo-Gibbs sampling.
import { mlp, sigmoid, sum } from "../maths.js";
import { RandomState, held } from "../random.js";
import { fixed, percent } from "../words.js";

const HALF = "half of the pixels", LOWER = "the lower half", SQUARE = "a square in the middle";
const TURNS = 30;

function holes([rows, cols], what) {
  const stream = new RandomState(7), u = stream.uniforms(rows * cols);
  return Uint8Array.from(u, (v, i) => {
    const row = Math.floor(i / cols), col = i % cols, inside = (k, n) => 4 * k >= n && 4 * k < 3 * n;
    return what === HALF ? v < 0.5 : what === LOWER ? 2 * row >= rows : inside(row, rows) && inside(col, cols);
  });
}

// From blank paper, so many turns: of each the p(x|z), and the image that it was drawn to. Turns once made are kept.
function restoring({ encode, decode, L }, x, missing, seed) {
  const stream = new RandomState(seed), blank = Float64Array.from(x, (v, i) => (missing[i] ? 0 : v)), made = [{ filled: blank, p: blank }];
  function turn({ filled }) {
    const head = encode(filled), eps = stream.normals(L), u = stream.uniforms(x.length);
    const z = Float64Array.from(eps, (e, l) => head[l] + Math.exp(head[L + l]) * e);
    const mean = Float64Array.from(decode(z), sigmoid);
    return { filled: filled.map((v, i) => (missing[i] ? Number(u[i] < mean[i]) : v)), p: mean.map((v, i) => (missing[i] ? v : x[i])) };
  }
  return (turns) => {
    while (made.length <= turns) made.push(turn(made.at(-1)));
    return made[turns];
  };
}

export default {
  about: "A digit, the same with pixels erased, and how turns of encoder and decoder fill them in again.",
  start: { example: 0, erased: HALF, turns: 0, seed: 1 },
  controls: [
    { kind: "slider", name: "turns", label: "turns", low: 0, high: TURNS, step: 1 },
    { kind: "choice", name: "erased", label: "erased", options: [HALF, LOWER, SQUARE].map((what) => [what, what]) },
    { kind: "slider", name: "example", label: "image", low: 0, high: 9, step: 1 },
    { kind: "button", label: "Other draws", act: ({ seed }) => ({ seed: (seed % 1000) + 1 }) },
  ],
  allows: { seed: (seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32 },

  setup({ sizes, weights, encoder_sizes, encoder_weights, images, shape }) {
    const D = sizes.at(-1), nets = { decode: mlp(sizes, weights), encode: mlp(encoder_sizes, encoder_weights), L: sizes[0] };
    const chain = held((example, erased, seed) => {
      const x = images.slice(example * D, (example + 1) * D), missing = holes(shape, erased);
      return { x, missing, after: restoring(nets, x, missing, seed) };
    });
    return { chain, shape };
  },

  compute(model, { example, erased, turns, seed }) {
    const { x, missing, after } = model.chain(example, erased, seed), { filled, p } = after(turns), gone = sum(missing);
    return { x, missing, filled, p, wrong: sum(missing.map((m, i) => (m && (p[i] > 0.5) !== (x[i] > 0.5) ? 1 : 0))) / gone };
  },

  words: ({ missing, wrong }, { turns }) =>
    `${fixed(sum(missing), 0)} pixels erased; after ${turns} turn${turns === 1 ? "" : "s"} the likelier value is wrong in ${percent(wrong, 1)} of them`,

  layout: { columns: [1, 1, 1], wide: 3.1 },
  panels: [
    { image: [28, 28], title: "whole" },
    { image: [28, 28], title: "what is left" },
    { image: [28, 28], title: "p(x|z) of the last turn" },
  ],
  view: ({ shape: image }) => [{ image }, { image }, { image }],

  still() {},

  moving([whole, left, right], { shape }, { x, missing, p }) {
    whole.picture(x, shape);
    left.picture(Array.from(x, (v, i) => (missing[i] ? 0.35 : v)), shape);
    right.picture(p, shape);
  },
};
