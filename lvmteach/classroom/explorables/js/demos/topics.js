// A plane through the sentence VAE's z: drag z, and the decoder writes a sentence, one most probable word after the other.
import { affine, sigmoid, sum } from "../maths.js";
import { fixed } from "../words.js";

const PAD = 0, START = 1, END = 2, EXTENT = 3;
const MARKERS = ["●", "■", "▲", "◆", "▼", "★"];

// torch.nn.GRU's cell; its three parts stand below one another: reset, update, new.
function gru({ inW, inB, ownW, ownB }, input, h) {
  const from = affine({ W: inW, b: inB }, input), own = affine({ W: ownW, b: ownB }, h), H = h.length;
  return h.map((before, i) => {
    const reset = sigmoid(from[i] + own[i]), update = sigmoid(from[H + i] + own[H + i]);
    return (1 - update) * Math.tanh(from[2 * H + i] + reset * own[2 * H + i]) + update * before;
  });
}

export default {
  about: "A plane of sentence codes coloured by topic; the sentence that the decoder writes at the ring; and how sure it is of each word.",
  start: { place: [1.4, 0.2] },
  controls: [{ kind: "point", name: "place", panel: 0, label: "place in the plane" }],

  setup: ({ sizes: [V, E, L, H, longest], embed, first, inW, inB, ownW, ownB, outW, outB, axes, codes, topics, words, names }) => ({
    V, E, L, H, longest, embed, axes, codes, topics, names, vocabulary: words.split(" "),
    first: { W: first, b: new Float64Array(H) }, cell: { inW, inB, ownW, ownB }, out: { W: outW, b: outB },
  }),

  compute({ V, E, L, longest, embed, axes, first, cell, out }, { place: [u, v] }) {
    const z = Float64Array.from({ length: L }, (_, l) => u * axes[l] + v * axes[L + l]);
    const written = new Float64Array(longest), log_p = new Float64Array(longest);
    let h = affine(first, Float64Array.of(...z, 1)).map(Math.tanh), read = START;
    for (let t = 0; t < longest && read !== END; t++) {
      h = gru(cell, Float64Array.of(...embed.subarray(read * E, (read + 1) * E), ...z), h);
      const logits = affine(out, h);
      logits[PAD] = logits[START] = -Infinity;
      let best = END;
      for (let w = 0; w < V; w++) if (logits[w] > logits[best]) best = w;
      log_p[t] = -Math.log(logits.reduce((s, l) => s + Math.exp(l - logits[best]), 0));
      written[t] = read = best;
    }
    return { written, log_p, total: sum(log_p) };
  },

  words: ({ total }, { place: [u, v] }) => `at (${fixed(u, 2)}, ${fixed(v, 2)}); log p of the sentence given z, ${fixed(total, 2)} nats`,

  layout: { columns: [1, 1.25], wide: 2.3 },
  panels: [
    { x: [-EXTENT, EXTENT], y: [-EXTENT, EXTENT], xlabel: "first axis of the topics' means", ylabel: "second axis", equal: true },
    { x: [0, 1], y: [15.5, 0.5], xlabel: "p(word | words before, z)", yticks: [], xticks: [[0, "0"], [0.5, "0.5"], [1, "1"]] },
  ],

  still([plane], { codes, topics, names }, theme) {
    for (const r of [1, 2]) plane.gaussian([0, 0], [1, 0, 1], { deviations: r, color: theme.grey, width: 1, dash: [1, 3] });
    plane.marks(codes, (i) => MARKERS[topics[i]], (i) => theme.palette[topics[i]], 0.7);
    names.split(" ").forEach((name, k) => plane.note(`${MARKERS[k]} ${name}`, [0.02, 0.05 + 0.055 * k], "left", theme.palette[k]));
  },

  moving([plane, right], { vocabulary }, { written, log_p }, { place }, theme) {
    plane.ring(place, { color: theme.ink });
    const t = [...written].map((_, i) => i + 1).filter((i) => written[i - 1]);
    right.segments(t.map(() => 0), t, t.map((i) => Math.exp(log_p[i - 1])), t, { color: theme.sky, width: 14, alpha: 0.6 });
    t.forEach((i) => right.note(vocabulary[written[i - 1]], [0.02, (i - 0.5) / 15]));
  },
};
