// From one image to another: through latent space, and beside it the same way through pixels.
import { mlp, sigmoid } from "../maths.js";
import { fixed, percent } from "../words.js";

const TITLES = ["from", "through latent space", "through pixels", "to"];
const lerp = (a, b, way) => Float64Array.from(a, (v, i) => v + way * (b[i] - v));
const last = ({ count }) => count - 1;

export default {
  about: "An image, the way from it to another through latent space, the same way through pixels, and the other image.",
  start: { way: 0.5, start: 0, end: 1 },
  controls: [
    { kind: "slider", name: "way", label: "way", low: 0, high: 1, step: 0.01 },
    { kind: "slider", name: "start", label: "from image", low: 0, high: last, step: 1 },
    { kind: "slider", name: "end", label: "to image", low: 0, high: last, step: 1 },
  ],

  setup({ sizes, weights, codes, images, shape }) {
    const D = sizes.at(-1), L = sizes[0], count = images.length / D;
    const one = (all, i, n) => all.subarray(Math.min(i, count - 1) * n, (Math.min(i, count - 1) + 1) * n);
    return { decode: mlp(sizes, weights), count, shape, image: (i) => one(images, i, D), code: (i) => one(codes, i, L) };
  },

  compute({ decode, image, code }, { way, start, end }) {
    const z = lerp(code(start), code(end), way);
    return {
      decoded: Float64Array.from(decode(z), sigmoid),
      faded: lerp(image(start), image(end), way),
      norm: Math.hypot(...z),
    };
  },

  words: ({ norm }, { way, start, end }) => `${percent(way)} of the way from image ${start} to image ${end}, |z| = ${fixed(norm, 2)}`,

  layout: { columns: [1, 1, 1, 1], wide: 3.6, narrow: 2 },
  panels: TITLES.map((title) => ({ image: [1, 1], title })),

  moving(panels, { image, shape }, { decoded, faded }, { start, end }) {
    [image(start), decoded, faded, image(end)].forEach((one, i) => panels[i].picture(one, shape));
  },
};
