// A plane of latent codes, and the image that the decoder expects at one of them.
import { LOG_2PI, mlp, sigmoid } from "../maths.js";
import { fixed } from "../words.js";

const EXTENT = 3.5; // of a latent axis, in prior standard deviations

export default {
  about: "A plane of latent codes, and beside it the image that the decoder expects at one of them.",
  start: { z: [1.0, -0.5] },
  controls: [{ kind: "point", name: "z", panel: 0, label: "latent code" }],

  setup: ({ sizes, weights, codes, labels, shape }) => ({ decode: mlp(sizes, weights), codes, labels, shape }),

  compute({ decode }, { z }) {
    const mean = Float64Array.from(decode(z), sigmoid);
    return { mean, log_p_z: -0.5 * (z[0] ** 2 + z[1] ** 2) - LOG_2PI };
  },

  words: ({ log_p_z }, { z }) => `z = (${fixed(z[0], 2)}, ${fixed(z[1], 2)}), log p(z) = ${fixed(log_p_z, 2)} nats`,

  layout: { columns: [1, 1], wide: 2 },
  panels: [
    { x: [-EXTENT, EXTENT], y: [-EXTENT, EXTENT], xlabel: "z₁", ylabel: "z₂", equal: true },
    { image: [1, 1], title: "mean of p(x|z)" },
  ],

  still([plane], { codes, labels }, theme) {
    for (const r of [1, 2, 3]) plane.gaussian([0, 0], [1, 0, 1], { deviations: r, color: theme.grey, width: 1, dash: [1, 3] });
    const { palette } = theme;
    if (labels.length) plane.marks(codes, (i) => String(labels[i]), (i) => palette[labels[i] % palette.length]);
    else plane.marks(codes, () => "•", () => theme.grey);
  },

  moving([plane, right], { shape }, { mean }, { z }, theme) {
    plane.ring(z, { color: theme.ink });
    right.picture(mean, shape);
  },
};
