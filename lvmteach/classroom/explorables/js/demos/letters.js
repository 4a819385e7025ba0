// Two states for the letters of a text: EM step by step, letters in the colours of their states.
import { sum } from "../maths.js";
import { mixed } from "../theme.js";
import { fixed } from "../words.js";

const C = 2, V = 27, SHOWN = 8, MOST = 40;
const ROW = 32, ROWS = 8; // letters drawn: few enough to be read on a phone
const ALPHABET = "abcdefghijklmnopqrstuvwxyz ";

// Forward and backward through one line, columns scaled; adds expected counts to `total`, writes p(z_t | x) to `state`.
function eStep(x, at, T, { start, transition, emission }, total, state) {
  const alpha = [], scales = [];
  for (let t = 0; t < T; t++) {
    const v = x[at + t], column = Array.from({ length: C }, (_, d) => {
      let reached = t ? 0 : start[d];
      if (t) for (let c = 0; c < C; c++) reached += alpha[t - 1][c] * transition[c * C + d];
      return reached * emission[d * V + v];
    });
    const scale = sum(column);
    scales.push(scale);
    alpha.push(column.map((a) => a / scale));
  }
  let beta = Array(C).fill(1);
  for (let t = T - 1; t >= 0; t--) {
    const v = x[at + t];
    for (let c = 0; c < C; c++) {
      const p = alpha[t][c] * beta[c];
      state[(at + t) * C + c] = p;
      total.emission[c * V + v] += p;
      if (!t) total.start[c] += p;
    }
    if (!t) break;
    const ahead = beta.map((b, d) => (emission[d * V + v] * b) / scales[t]);
    for (let c = 0; c < C; c++) for (let d = 0; d < C; d++) total.transition[c * C + d] += alpha[t - 1][c] * transition[c * C + d] * ahead[d];
    beta = beta.map((_, c) => ahead.reduce((s, a, d) => s + transition[c * C + d] * a, 0));
  }
  return sum(scales.map(Math.log));
}

const rows = (counts, n) => counts.map((count, i) => { const first = i - (i % n); return count / sum(counts.slice(first, first + n)); });

export default {
  about: "Lines of text, each letter in the colour of its state; and each letter's share in one state.",
  start: { seed: 2, steps: 0 },
  allows: { seed: (seed) => Number.isInteger(seed) && seed >= 0 && seed < 6 },
  controls: [
    { kind: "player", name: "steps", label: "EM steps", low: 0, high: MOST, step: 1, interval: 250 },
    { kind: "button", label: "One step", act: ({ steps }) => ({ steps: Math.min(steps + 1, MOST) }) },
    { kind: "button", label: "Other start", act: ({ seed }) => ({ seed: (seed + 1) % 6, steps: 0 }) },
  ],

  setup: ({ x, starts }) => ({ x, starts, T: 100, N: x.length / 100, kept: new Map() }),

  compute(model, { seed, steps }) {
    const { x, N, T, starts, kept } = model, size = C + C * C + C * V;
    if (!kept.has(seed)) {
      const one = starts.subarray(seed * size, (seed + 1) * size);
      kept.set(seed, [{ start: [...one.subarray(0, C)], transition: [...one.subarray(C, C + C * C)], emission: [...one.subarray(C + C * C)] }]);
    }
    const done = kept.get(seed);
    for (;;) {
      const params = done.at(-1), total = { start: Array(C).fill(0), transition: Array(C * C).fill(0), emission: Array(C * V).fill(0) };
      if (!params.state) {
        params.state = new Float64Array(x.length * C);
        params.log_p = 0;
        for (let n = 0; n < N; n++) params.log_p += eStep(x, n * T, T, params, total, params.state);
        params.total = total;
      }
      if (done.length > steps) break;
      done.push({ start: rows(params.total.start, C), transition: rows(params.total.transition, C), emission: rows(params.total.emission, V) });
    }
    const { state, log_p, transition } = done[steps], share = new Float64Array(V), count = new Float64Array(V);
    x.forEach((v, i) => { share[v] += state[i * C]; count[v] += 1; });
    return { share: share.map((s, v) => (count[v] ? s / count[v] : 0)), stay: [transition[0], transition[3]], log_p: log_p / x.length, shown: state.filter((_, i) => i % C === 0 && i < SHOWN * T * C) };
  },

  words({ share, stay, log_p }, { steps }) {
    const first = [...ALPHABET].filter((_, v) => share[v] > 0.5).join("").replace(" ", "_");
    return `after ${steps} steps ${fixed(log_p, 4)} nats a letter; first state: ${first || "none"}, it stays with probability ${fixed(stay[0], 2)}`;
  },

  layout: { columns: [1.7, 1], wide: 2.6 },
  panels: [
    { x: [0, ROW + 1], y: [ROWS + 0.5, 0.5], xlabel: "letters, by state", xticks: [], yticks: [] },
    { x: [-0.7, 26.7], y: [0, 1], ylabel: "share in the first state", xticks: [...ALPHABET].map((a, v) => [v, a === " " ? "_" : a]) },
  ],

  moving([text, bars], { x }, { share, shown }, _, theme) {
    const colours = [theme.orange, theme.blue], places = Array.from({ length: ROW * ROWS }, (_, i) => [(i % ROW) + 1, Math.floor(i / ROW) + 1]).flat();
    text.marks(places, (i) => (ALPHABET[x[i]] === " " ? "·" : ALPHABET[x[i]]), (i) => mixed(colours, [shown[i], 1 - shown[i]]), 0.95);
    const at = [...share].map((_, v) => v);
    bars.bars(at, at.map(() => 0), [...share], 0.8, { color: theme.orange, alpha: 0.85 });
  },
};
