// A star beside two moons of points: what a model of y given x says about it, and what a model of x does.
import { LOG_2PI, linspace, logSumExp, sigmoid } from "../maths.js";
import { fixed } from "../words.js";
import { rgb } from "../theme.js";

const X = [-3, 4.5], Y = [-3, 3], COLS = 50, ROWS = 40, FLOOR = -20; // pixels of the pictures; nats, of the right one
const centres = ([low, high], n) => { const half = (high - low) / n / 2; return linspace(low + half, high - half, n); };

// log N(x; mean, cov) for a covariance [a, b, c] (a b; b c).
function logNormal([x, y], [m, n], [a, b, c]) {
  const det = a * c - b * b, u = x - m, v = y - n;
  return -LOG_2PI - 0.5 * Math.log(det) - (c * u * u - 2 * b * u * v + a * v * v) / (2 * det);
}

export default {
  about: "Two moons of points and a star, over the probability of a side on the left and over the density of x on the right.",
  start: { star: [3, -1.8] },
  controls: [
    { kind: "point", name: "star", panel: 0, label: "star, on the left" },
    { kind: "point", name: "star", panel: 1, label: "star, on the right" },
  ],

  setup({ points, labels, weights: [w0, w1, b], means, covs }) {
    const moons = [0, 1].map((z) => [means.slice(2 * z, 2 * z + 2), covs.slice(3 * z, 3 * z + 3)]);
    const side = ([x, y]) => sigmoid(w0 * x + w1 * y + b), logP = (x) => logSumExp(moons.map((moon) => logNormal(x, ...moon) - Math.log(2)));
    const places = [...centres(Y, ROWS)].reverse().flatMap((y) => [...centres(X, COLS)].map((x) => [x, y]));
    const seen = Array.from(labels, (_, i) => [points[2 * i], points[2 * i + 1]]);
    return { seen, labels, side, logP, known: seen.map(logP), sides: places.map(side), heights: places.map(logP) };
  },

  compute({ side, logP, known, sides, heights }, { star }) {
    const p = side(star), log_p = logP(star);
    return {
      p, log_p,
      certainty: Math.max(p, 1 - p),
      odder: known.filter((l) => l < log_p).length, // points seen that are less probable
      most: -Math.min(...known),
      sides, heights,
    };
  },

  words: ({ certainty, log_p, most }, { star: [x, y] }) =>
    `star at (${fixed(x, 2)}, ${fixed(y, 2)}): certain to ${fixed(certainty, 4)} which moon; ${fixed(-log_p, 1)} nats of surprise, at most ${fixed(most, 1)} among the points`,

  layout: { columns: [1, 1], wide: 2.5 },
  panels: [
    { x: X, y: Y, xlabel: "x₁", ylabel: "x₂", title: "p(y = 1 | x) takes sides, everywhere" },
    { x: X, y: Y, xlabel: "x₁", ylabel: "x₂", title: "log p(x) knows where it has been" },
  ],

  still([left, right], { seen, labels, sides, heights }, theme) {
    const blue = rgb(theme.blue), orange = rgb(theme.orange), paper = theme.dark ? [17, 17, 17] : [255, 255, 255];
    const between = (from, to, share) => from.map((v, i) => v + share * (to[i] - v));
    left.picture(sides, [ROWS, COLS], (p) => (p < 0.5 ? between(paper, blue, 1 - 2 * p) : between(paper, orange, 2 * p - 1)));
    right.picture(heights, [ROWS, COLS], (l) => between(paper, blue, Math.max(1 - l / FLOOR, 0) ** 2));
    for (const panel of [left, right]) {
      panel.dots(seen.map(([x]) => x), seen.map(([, y]) => y), { color: (i) => (labels[i] ? theme.orange : theme.paper), radius: 2.6, edge: theme.ink });
    }
  },

  moving(panels, _, result, { star }, theme) {
    for (const panel of panels) {
      panel.ring(star, { color: theme.ink });
      panel.marks(star, () => "★", () => theme.ink, 1.1);
    }
  },
};
