// Gradient estimators: how they spread around the truth, and how that grows with the dimension.
// f(z) = sum_i (z_i - t)^2 under q = N(m, s^2) in each of D dimensions: every variance has a closed form.
import { linspace, mean, sum } from "../maths.js";
import { RandomState, held } from "../random.js";
import { fixed, general, percent } from "../words.js";

const M = 1.5, S = 0.8, T = 0.5, TRUTH = 2 * (M - T);
const KINDS = ["reparameterised", "score function", "constant baseline", "leave-one-out"];
const DASHES = [[], [8, 4], [8, 3, 2, 3], [2, 3]];
const DIMENSIONS = [1, 2, 4, 8, 16, 32, 64];
const NORMALS = 200000, MOST = 4000; // normals and estimates for one picture
const REACH = 20, BINS = 40, EDGES = linspace(TRUTH - REACH, TRUTH + REACH, BINS + 1);
const noise = held((n) => new RandomState(6).normals(n));

// Variance of the estimate of d/dm_1 from K draws, in closed form. Leave-one-out pays for estimating its baseline.
function variance(kind, D, K) {
  const d = M - T, d2 = d ** 2, s2 = S ** 2, constant = D * (4 * d2 + 2 * s2) + 4 * d2 + 8 * s2;
  const single = {
    "reparameterised": 4 * s2,
    "score function": (D ** 2 * (d2 + s2) ** 2) / s2 + D * (8 * d2 + 6 * s2) + 4 * d2 + 8 * s2,
    "constant baseline": constant,
    "leave-one-out": constant + (D * (4 * d2 + 2 * s2) + 4 * d2) / Math.max(K - 1, 1),
  };
  return single[kind] / K;
}

// Estimates of d/dm_1 from draws z = m + s eps; eps runs over draws, repeats, dimensions.
function estimates(kind, D, K) {
  const eps = noise(NORMALS), repeats = Math.min(Math.floor(NORMALS / (K * D)), MOST), found = new Float64Array(repeats);
  const f = new Float64Array(K), score = new Float64Array(K);
  for (let r = 0; r < repeats; r++) {
    let slopes = 0, total = 0;
    for (let k = 0, at = r * D; k < K; k++, at += repeats * D) {
      f[k] = 0;
      for (let i = at; i < at + D; i++) f[k] += (M + S * eps[i] - T) ** 2;
      score[k] = eps[at] / S; // of m_1
      slopes += 2 * (M + S * eps[at] - T);
      total += f[k];
    }
    const baseline = { "score function": () => 0, "constant baseline": () => D * ((M - T) ** 2 + S ** 2), "leave-one-out": (k) => (total - f[k]) / (K - 1) }[kind];
    if (!baseline) found[r] = slopes / K;
    else for (let k = 0; k < K; k++) found[r] += ((f[k] - baseline(k)) * score[k]) / K;
  }
  return found;
}

export default {
  about: "Estimates of one partial derivative around its true value, and their variance against the dimension.",
  start: { K: 4, D: 8, kind: "score function" },
  controls: [
    { kind: "slider", name: "K", label: "draws K", low: 2, high: 64, step: 1 },
    { kind: "slider", name: "D", label: "dimension D", low: 1, high: 64, step: 1 },
    { kind: "choice", name: "kind", label: "estimator", options: KINDS.map((kind) => [kind, kind]) },
  ],

  setup: () => ({}),

  compute(_, { K, D, kind }) {
    const found = estimates(kind, D, K), middle = mean(found), counts = new Float64Array(BINS);
    const inside = found.filter((g) => g >= EDGES[0] && g <= EDGES[BINS]);
    for (const g of inside) counts[Math.min(Math.floor(((g - EDGES[0]) * BINS) / (2 * REACH)), BINS - 1)]++;
    return {
      repeats: found.length, mean: middle, counts,
      variance: sum(found.map((g) => (g - middle) ** 2)) / (found.length - 1),
      exact: variance(kind, D, K),
      below: found.filter((g) => g < EDGES[0]).length / found.length,
      above: found.filter((g) => g > EDGES[BINS]).length / found.length,
      curves: KINDS.flatMap((one) => DIMENSIONS.map((d) => variance(one, d, K))),
    };
  },

  words: ({ repeats, mean: middle, variance: found, exact }, { K, D, kind }) =>
    `${kind}, K = ${K}, D = ${D}: mean ${fixed(middle, 2)} ± ${fixed(Math.sqrt(found / repeats), 2)} (truth ${fixed(TRUTH, 0)}), variance ${general(found, 3)} (closed form ${general(exact, 3)}), ${repeats} estimates`,

  layout: { columns: [1, 1], wide: 2.5 },
  panels: [
    { x: [TRUTH - REACH, TRUTH + REACH], y: [0, 1.2], xlabel: "estimate of ∂/∂m₁ E f (line: truth; band: ± one sd)", ylabel: "estimates, tallest bin = 1" },
    { x: [0.9, 71], xlog: true, y: [0.03, 3e4], ylog: true, xlabel: "dimension D", ylabel: "variance of the estimate", xticks: DIMENSIONS.map((D) => [D, String(D)]) },
  ],

  moving([left, right], _, { variance: found, exact, counts, below, above, curves }, { D, kind }, theme) {
    const colours = [theme.blue, theme.red, theme.orange, theme.green], color = colours[KINDS.indexOf(kind)];
    const sd = Math.sqrt(exact), tall = Math.max(...counts, 1), width = (2 * REACH) / BINS, zero = Array(BINS).fill(0);
    left.band([TRUTH - sd, TRUTH + sd], [0, 0], [1.2, 1.2], { color: theme.grey, alpha: 0.25 });
    left.bars([...EDGES.slice(0, BINS)].map((edge) => edge + width / 2), zero, [...counts].map((n) => n / tall), width, { color });
    left.line([TRUTH, TRUTH], [0, 1.2], { color: theme.ink, width: 2 });
    if (below) left.note(`◀ ${percent(below)} beyond`, [0.02, 0.08]);
    if (above) left.note(`${percent(above)} beyond ▶`, [0.98, 0.08], "right");
    KINDS.forEach((one, i) => right.line(DIMENSIONS, curves.slice(7 * i, 7 * i + 7), { color: colours[i], dash: DASHES[i], label: one }));
    right.dots([D], [found], { color, radius: 6, edge: theme.ink, label: "measured" });
  },
};
