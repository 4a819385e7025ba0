// Gumbel-softmax draws on the triangle of three classes: tau slides them from the corners to the middle; what it does to a gradient.
import { linspace, mean } from "../maths.js";
import { RandomState, held } from "../random.js";
import { fixed, general } from "../words.js";

const DRAWS = 400, C = 3, HEIGHT = Math.sqrt(3) / 2, LEAST = 0.02; // least probability of a class
const CORNERS = [[0, 0], [1, 0], [0.5, HEIGHT]];
const LADDER = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5], TAUS = linspace(Math.log(0.05), Math.log(5), 31).map(Math.exp);

// pi of a place in the triangle; from outside, of one near it.
function probabilities([x, y]) {
  const third = y / HEIGHT, second = x - third / 2, raw = [1 - second - third, second, third].map((p) => Math.max(p, LEAST));
  const total = raw[0] + raw[1] + raw[2];
  return raw.map((p) => p / total);
}
const placeOf = (y, i = 0) => [0, 1].map((d) => CORNERS.reduce((s, corner, c) => s + y[i + c] * corner[d], 0));

const gumbels = held((seed) => new RandomState(seed).uniforms(DRAWS * C).map((u) => -Math.log(-Math.log(u))));

// softmax((log pi + g) / tau), a draw after the other.
function soft(pi, g, tau) {
  const y = new Float64Array(g.length), [l0, l1, l2] = pi.map(Math.log);
  for (let i = 0; i < g.length; i += C) {
    const a0 = (l0 + g[i]) / tau, a1 = (l1 + g[i + 1]) / tau, a2 = (l2 + g[i + 2]) / tau, top = Math.max(a0, a1, a2);
    const e0 = Math.exp(a0 - top), e1 = Math.exp(a1 - top), e2 = Math.exp(a2 - top), total = e0 + e1 + e2;
    y[i] = e0 / total;
    y[i + 1] = e1 / total;
    y[i + 2] = e2 / total;
  }
  return y;
}

// Of each draw the gradient of y1, the share of class 1, with respect to its own logit; their mean and standard deviation.
function gradients(y, tau) {
  const each = Float64Array.from({ length: y.length / C }, (_, k) => (y[C * k] * (1 - y[C * k])) / tau), middle = mean(each);
  return [middle, Math.sqrt(mean(each.map((v) => (v - middle) ** 2)))];
}

// The same at every temperature: the curves, which only pi and the draws change.
const curves = held((p0, p1, p2, seed) => Array.from(TAUS, (t) => gradients(soft([p0, p1, p2], gumbels(seed), t), t)));

export default {
  about: "Four hundred soft draws on the triangle of three classes; beside it mean and spread of a gradient over the temperature.",
  start: { tau: 0.5, place: [0.45, 0.26], seed: 2 },
  allows: { seed: (seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32 },
  controls: [
    { kind: "ladder", name: "tau", label: "temperature τ", options: LADDER },
    { kind: "point", name: "place", panel: 0, label: "probabilities π" },
    { kind: "button", label: "New draws", act: ({ seed }) => ({ seed: seed + 1 }) },
  ],

  setup: () => ({}),

  compute(_, { tau, place, seed }) {
    const pi = probabilities(place), g = gumbels(seed), y = soft(pi, g, tau), [gradient, spread] = gradients(y, tau);
    const drawn = Array.from({ length: DRAWS }, (_, k) => [0, 1, 2].reduce((best, c) => (y[C * k + c] > y[C * k + best] ? c : best), 0));
    const along = curves(...pi, seed);
    return {
      pi, y, drawn,
      shares: [0, 1, 2].map((c) => mean(drawn.map((d) => Number(d === c)))),
      mean: [0, 1, 2].map((c) => mean(drawn.map((_, k) => y[C * k + c]))),
      gradient, spread,
      truth: pi[0] * (1 - pi[0]),
      gradients: along.map(([m]) => m),
      spreads: along.map(([, s]) => s),
    };
  },

  words({ pi, shares, mean: middle, gradient, spread, truth }, { tau }) {
    const three = (ps) => `(${ps.map((p) => fixed(p, 2)).join(", ")})`;
    return `τ = ${general(tau, 2)}: π = ${three(pi)}, shares of the largest entries ${three(shares)}, mean of the soft draws ${three(middle)}; gradient ${fixed(gradient, 3)} ± ${fixed(spread, 3)} a draw, truth ${fixed(truth, 3)}`;
  },

  layout: { columns: [1, 1.3], wide: 2.2 },
  panels: [
    { x: [-0.1, 1.1], y: [-0.17, 1.03], xticks: [], yticks: [], equal: true, title: "drag π" },
    { x: [0.045, 5.5], xlog: true, y: [-0.6, 1.4], xlabel: "temperature τ", ylabel: "gradient of y₁", legend: "top right", xticks: [0.05, 0.1, 0.2, 0.5, 1, 2, 5].map((t) => [t, String(t)]) },
  ],

  still([triangle], _, theme) {
    triangle.line([0, 1, 0.5, 0], [0, 0, HEIGHT, 0], { color: theme.grey, width: 1.5 });
    triangle.note("class 1", [0.08, 0.91], "center");
    triangle.note("class 2", [0.92, 0.91], "center");
    triangle.note("class 3", [0.5, 0.09], "center");
  },

  moving([triangle, right], _, { pi, y, drawn, mean: middle, gradient, truth, gradients, spreads }, { tau }, theme) {
    const places = drawn.map((_, k) => placeOf(y, C * k)), colours = [theme.blue, theme.orange, theme.green];
    triangle.dots(places.map(([u]) => u), places.map(([, v]) => v), { color: (k) => colours[drawn[k]], radius: 3, alpha: 0.6 });
    triangle.cross(placeOf(middle), { color: theme.red });
    triangle.ring(placeOf(pi), { color: theme.ink });
    right.band(TAUS, gradients.map((m, i) => m - spreads[i]), gradients.map((m, i) => m + spreads[i]), { color: theme.sky, alpha: 0.4, label: "± spread of one draw" });
    right.line(TAUS, gradients, { color: theme.blue, width: 3, label: "mean of the draws" });
    right.line([TAUS[0], TAUS.at(-1)], [truth, truth], { color: theme.ink, width: 1.5, dash: [2, 3], label: "truth π₁ (1 − π₁)" });
    right.dots([tau], [gradient], { color: theme.red, radius: 7, edge: theme.ink });
  },
};
