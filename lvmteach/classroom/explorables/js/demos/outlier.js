// One datum walks away: the axis of a Gaussian follows it, Student's t lets it go.
import { fixed } from "../words.js";

const NOISE = 0.4, TURNS = 1801; // the scale of the noise; angles tried, a tenth of a degree apart
const ANGLES = Array.from({ length: TURNS }, (_, k) => ((k - 900) * Math.PI) / 1800), COS = ANGLES.map(Math.cos), SIN = ANGLES.map(Math.sin);
const degrees = (a) => (180 / Math.PI) * a;

// Distance of a point from the line at the k-th angle, in units of the noise.
const residual = ([x, y], k) => (y * COS[k] - x * SIN[k]) / NOISE;

// The number of the angle whose line costs least: a grid, for the cost has two hollows when the outlier is far.
function best(cost) {
  let least = Infinity, at = 0;
  for (let k = 0; k < TURNS; k++) {
    const total = cost(k);
    if (total < least) { least = total; at = k; }
  }
  return at;
}
const squares = (points) => (k) => { let total = 0; for (const point of points) total += residual(point, k) ** 2; return total; };
// Student's cost is the log of this product, and least where it is.
const factors = (points, df) => (k) => { let product = 1; for (const point of points) product *= 1 + residual(point, k) ** 2 / df; return product; };

export default {
  about: "A cloud of points along an axis, one outlier to drag, and the axes that a Gaussian and a Student t model find.",
  start: { outlier: [1, 7], df: 2 },
  controls: [
    { kind: "point", name: "outlier", panel: 0, label: "outlier" },
    { kind: "slider", name: "df", label: "degrees of freedom ν", low: 1, high: 30, step: 1 },
  ],

  setup: ({ cloud }) => ({ cloud: Array.from({ length: cloud.length / 2 }, (_, i) => [cloud[2 * i], cloud[2 * i + 1]]) }),

  compute({ cloud }, { outlier, df }) {
    const points = [...cloud, outlier];
    const gaussian = best(squares(points)), student = best(factors(points, df));
    const r = residual(outlier, student), pull = ((df + 1) * r) / (df + r * r) / NOISE;
    return { gaussian: ANGLES[gaussian], student: ANGLES[student], pull, most: (df + 1) / (2 * Math.sqrt(df) * NOISE) };
  },

  words: ({ gaussian, student, pull, most }, { df }) =>
    `the Gaussian's axis lies at ${fixed(degrees(gaussian), 1)} degrees, Student's (ν = ${df}) at ${fixed(degrees(student), 1)}; the outlier pulls with ${fixed(Math.abs(pull), 2)} of at most ${fixed(most, 2)}`,

  layout: { columns: [1], wide: 1.3 },
  panels: [{ x: [-9, 9], y: [-9, 9], xlabel: "x₁", ylabel: "x₂", equal: true, title: "drag the outlier", legend: "top right" }],

  still([plane], { cloud }, theme) {
    plane.dots(cloud.map(([x]) => x), cloud.map(([, y]) => y), { color: theme.grey, radius: 3 });
  },

  moving([plane], _, { gaussian, student }, { outlier }, theme) {
    const axis = (a, style) => plane.line([-13 * Math.cos(a), 13 * Math.cos(a)], [-13 * Math.sin(a), 13 * Math.sin(a)], style);
    axis(gaussian, { color: theme.orange, dash: [8, 5], width: 3, label: "Gaussian" });
    axis(student, { color: theme.blue, width: 3, label: "Student t" });
    plane.ring(outlier, { color: theme.red });
  },
};
