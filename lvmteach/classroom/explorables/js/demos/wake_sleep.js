// Scrub through the training of a small Helmholtz machine on bars, and choose how much it sleeps. All of it is recorded.
import { rgb } from "../theme.js";
import { fixed } from "../words.js";
import { mosaic } from "../mosaic.js";

const SHOWN = 48, D = 16, SHAPE = [4, 4], ACROSS = 6;
const PAPER = [232, 232, 232], GAP = [255, 255, 255];

// The n-th bit, from the high end of each byte, as numpy.packbits puts them.
const bit = (bytes, n) => (bytes[n >> 3] >> (7 - (n & 7))) & 1;
const row = (xs, t, size) => Array.from({ length: size }, (_, i) => xs[t * size + i]);
// A row of images, the row of their reconstructions under it, and so on.
const inTurn = (above, below) => Array.from({ length: above.length / ACROSS / D }, (_, r) => [above, below].flatMap((all) => all.slice(r * ACROSS * D, (r + 1) * ACROSS * D))).flat();

export default {
  about: "Dreams and reconstructions of a Helmholtz machine at one moment of its training, and its exact divergences.",
  start: { moment: 40, sleeps: "1" },
  controls: [
    { kind: "player", name: "moment", label: "moment", low: 0, high: 40 },
    { kind: "ladder", name: "sleeps", label: "sleeps per wake", options: ["1/16", "1/4", "1", "4"] },
  ],

  setup: (data) => data,

  compute({ machines }, { moment, sleeps }) {
    const m = machines[sleeps], t = Math.min(moment, m.steps.length - 1);
    return {
      step: m.steps[t],
      dreams: Array.from({ length: SHOWN * D }, (_, i) => bit(m.dreams, t * SHOWN * D + i)),
      legal: Array.from({ length: SHOWN }, (_, i) => bit(m.legal, t * SHOWN + i)),
      rebuilt: row(m.rebuilt, t, m.rebuilt.length / m.steps.length).map((p) => p / 255),
      ...Object.fromEntries(["nll", "bound", "kl_data", "kl_dreams"].map((name) => [name, m[name][t]])),
      entropy: machines.entropy,
    };
  },

  words: ({ step, legal, nll, bound, kl_data, kl_dreams, entropy }, { sleeps }) =>
    `${sleeps} sleep to a wake step, after ${step}: -log p(x) ${fixed(nll, 2)} (entropy ${fixed(entropy, 2)}), -ELBO ${fixed(bound, 2)}, KL(q‖p) on data ${fixed(kl_data, 2)}, KL(p‖q) on dreams ${fixed(kl_dreams, 2)} nats; ${legal.filter(Boolean).length} of ${SHOWN} dreams are bars`,

  layout: { columns: [1, 0.85, 1.55, 1.55], wide: 2.9 },
  panels: [
    { image: [39, 29], title: "dreams (blue: bars)" },
    { image: [49, 29], title: "images over rebuilt" },
    { x: [-80, 4080], y: [2, 11.5], xlabel: "wake steps", ylabel: "nats an image", legend: "top right" },
    { x: [-80, 4080], y: [0.01, 4], ylog: true, xlabel: "wake steps", ylabel: "nats", legend: "bottom right" },
  ],

  moving([dreaming, rebuilding, likelihood, divergence], { machines, images }, { step, dreams, legal, rebuilt, entropy }, { sleeps }, theme) {
    const blue = rgb("#0072B2"), red = rgb("#D55E00"), m = machines[sleeps];
    const inks = mosaic(dreams.map((ink, i) => (ink ? (legal[Math.floor(i / D)] ? 1 : 2) : 0)), SHAPE, ACROSS);
    dreaming.picture(inks.sheet, inks.shape, (v) => [PAPER, blue, red][v] ?? GAP);
    const both = mosaic(inTurn([...images], rebuilt), SHAPE, ACROSS);
    rebuilding.picture(both.sheet, both.shape, (v) => (Number.isNaN(v) ? GAP : Array(3).fill(255 * (0.9 - 0.9 * v)))); // paper a shade darker than the gaps
    likelihood.line(m.steps, m.nll, { color: theme.blue, label: "-log p(x)" });
    likelihood.line(m.steps, m.bound, { color: theme.orange, dash: [7, 4], label: "-ELBO" });
    likelihood.line([-80, 4080], [entropy, entropy], { color: theme.ink, width: 1.5, dash: [2, 3], label: "entropy of the bars" });
    divergence.line(m.steps, m.kl_data, { color: theme.blue, label: "KL(q‖p) on data" });
    divergence.line(m.steps, m.kl_dreams, { color: theme.orange, dash: [7, 4], label: "KL(p‖q) on dreams" });
    likelihood.line([step, step], [2, 11.5], { color: theme.grey, width: 1.5 });
    divergence.line([step, step], [0.01, 4], { color: theme.grey, width: 1.5 });
  },
};
