// One factor in the plane: turn its axis by hand, or let EM turn it, and watch the log-likelihood.
import { sum } from "../maths.js";
import { replay } from "../replay.js";
import { fixed } from "../words.js";

const LOG_2PI = Math.log(2 * Math.PI), FLOOR = 1e-6; // of the noise, as a share of a column's variance
const WINDOW = 20, BELOW = 1.5; // EM steps, and nats below the best, that the trace shows

// psi = noise (ratio, 1 / ratio); ratio 1 is PPCA
function begin(model, { angle, loading, noise, ratio }) {
  const turn = (angle * Math.PI) / 180;
  const params = { w: [loading * Math.cos(turn), loading * Math.sin(turn)], psi: [noise * ratio, noise / ratio] };
  return eStep(model, { ...params, logLik: [logLik(model, params)] });
}

// beta x is the posterior mean of z, precision^-1 its variance.
function posterior({ w, psi }) {
  const precision = 1 + w[0] ** 2 / psi[0] + w[1] ** 2 / psi[1];
  return { precision, beta: w.map((v, d) => v / psi[d] / precision) };
}

// Put every point's foot at its posterior mean.
function eStep({ x }, state) {
  const { beta } = posterior(state);
  return { ...state, z: x.map(([u, v]) => beta[0] * u + beta[1] * v), fresh: true };
}

// Regress the points on their feet, posterior variance included.
function mStep(model, state, isotropic) {
  const { S } = model, { precision, beta } = posterior(state);
  const xz = [0, 1].map((d) => S[d][0] * beta[0] + S[d][1] * beta[1]), zz = 1 / precision + beta[0] * xz[0] + beta[1] * xz[1];
  const w = xz.map((v) => v / zz), left = [0, 1].map((d) => S[d][d] - w[d] * xz[d]), all = (left[0] + left[1]) / 2;
  const floor = isotropic ? (FLOOR * (S[0][0] + S[1][1])) / 2 : null;
  const psi = left.map((v, d) => (isotropic ? Math.max(all, floor) : Math.max(v, FLOOR * S[d][d])));
  return { ...state, w, psi, fresh: false, logLik: [...state.logLik, logLik(model, { w, psi })] };
}

// Per datum: -1/2 [2 log 2 pi + log |W W' + Psi| + tr((W W' + Psi)^-1 S)]
function logLik({ S }, { w, psi }) {
  const [a, b, c] = covariance({ w, psi }), det = a * c - b * b;
  return -0.5 * (2 * LOG_2PI + Math.log(det) + (c * S[0][0] - 2 * b * S[0][1] + a * S[1][1]) / det);
}

const covariance = ({ w, psi }) => [w[0] ** 2 + psi[0], w[0] * w[1], w[1] ** 2 + psi[1]];
const now = (model, values) => {
  const { angle, loading, noise, ratio, steps } = values;
  return replay(model, [angle, loading, noise, ratio].join(), steps, () => begin(model, values), (state, letter) => (letter === "E" ? eStep(model, state) : mStep(model, state, ratio === 1))).at(-1);
};
const slider = (name, label, low, high, step) => ({ kind: "slider", name, label, low, high, step, also: { steps: "" } });

export default {
  about: "A latent axis through a cloud of points, the ellipses of noise and marginal; and the log-likelihood of each step.",
  start: { angle: 45, loading: 1, noise: 0.5, ratio: 4, steps: "MMMMMMMMMME" },
  allows: { steps: (steps) => /^[EM]{0,400}$/.test(steps) },
  controls: [
    { kind: "button", label: "E step", act: ({ steps }) => ({ steps: steps + "E" }) },
    { kind: "button", label: "M step", act: ({ steps }) => ({ steps: steps + "M" }) },
    { kind: "button", label: "10 EM steps", act: ({ steps }) => ({ steps: steps + "M".repeat(10) + "E" }) },
    { kind: "button", label: "Back to the sliders", act: () => ({ steps: "" }) },
    slider("angle", "axis, degrees", -90, 90, 5),
    slider("loading", "loading |w|", 0.1, 1.5, 0.05),
    slider("noise", "noise variance", 0.05, 1, 0.05),
    { kind: "ladder", name: "ratio", label: "noise ratio (1: PPCA)", options: [0.25, 0.5, 1, 2, 4], also: { steps: "" } },
  ],

  setup({ x, names }) {
    const N = x.length / 2, mean = [0, 1].map((d) => sum(x.filter((_, i) => i % 2 === d)) / N);
    const rows = Array.from({ length: N }, (_, i) => [x[2 * i] - mean[0], x[2 * i + 1] - mean[1]]);
    const S = [0, 1].map((d) => [0, 1].map((e) => sum(rows.map((r) => r[d] * r[e])) / N));
    const best = -0.5 * (2 * LOG_2PI + Math.log(S[0][0] * S[1][1] - S[0][1] ** 2) + 2); // W W' + Psi can be S itself
    return { x: rows, mean, S, best, names, reach: 1.08 * Math.max(...rows.flat().map(Math.abs)) };
  },

  compute(model, values) {
    const { w, psi, z, logLik: log_lik, fresh } = now(model, values);
    return { w, psi, z, log_lik, fresh: Number(fresh), marginal: covariance({ w, psi }), best: model.best };
  },

  words({ w, psi, log_lik, fresh, best }) {
    const side = w[0] < 0 ? -1 : 1; // the axis has no direction
    const angle = (Math.atan2(side * w[1], side * w[0]) * 180) / Math.PI;
    return `step ${log_lik.length - 1}: log-likelihood ${fixed(log_lik.at(-1), 4)} of at most ${fixed(best, 4)} nats per datum; axis ${fixed(angle, 0)} degrees, loading ${fixed(Math.hypot(...w), 2)}, noise ${fixed(psi[0], 3)} and ${fixed(psi[1], 3)}${fresh ? "" : "; feet of the last E step"}`;
  },

  layout: { columns: [1.3, 1], wide: 2.3 },
  panels: [
    { x: [-1, 1], y: [-1, 1], equal: true, legend: "beside", title: "one factor", aspect: 1.05 },
    { x: [-0.5, WINDOW + 0.5], y: [-3, 0], xlabel: "EM step", ylabel: "nats per datum", title: "EM never descends", legend: "bottom right", aspect: 1.4 },
  ],

  view({ mean, reach, names, best }, { log_lik }) {
    const around = (d) => [mean[d] - reach, mean[d] + reach], last = Math.max(WINDOW, Math.ceil((log_lik.length - 1) / WINDOW) * WINDOW);
    return [{ x: around(0), y: around(1), xlabel: names[0], ylabel: names[1] }, { x: [-0.5, last + 0.5], y: [best - BELOW, best + 0.1] }];
  },

  still([plane], { x, mean }, theme) {
    plane.dots(x.map((r) => mean[0] + r[0]), x.map((r) => mean[1] + r[1]), { color: theme.blue, alpha: 0.75, radius: 2.8, label: "x" });
  },

  moving([plane, trace], { x, mean }, { w, psi, z, log_lik, marginal, best }, _, theme) {
    const at = (share, d) => mean[d] + share * w[d], feet = [0, 1].map((d) => z.map((one) => at(one, d)));
    plane.segments(x.map((r) => mean[0] + r[0]), x.map((r) => mean[1] + r[1]), ...feet, { color: theme.grey, width: 0.9, alpha: 0.7 });
    plane.line([at(-2.6, 0), at(2.6, 0)], [at(-2.6, 1), at(2.6, 1)], { color: theme.orange, width: 2, label: "μ + w z" });
    const long = Math.hypot(...w) || 1, across = [(-0.13 * w[1]) / long, (0.13 * w[0]) / long], ticks = [-2, -1, 0, 1, 2];
    plane.segments(...[-1, 1].flatMap((side) => [0, 1].map((d) => ticks.map((t) => at(t, d) + side * across[d]))), { color: theme.ink, width: 2, label: "z = −2, −1, 0, 1, 2" });
    plane.dots(...feet, { color: theme.red, radius: 2.5, label: "at E[z | x]" });
    plane.gaussian(mean, [psi[0], 0, psi[1]], { color: theme.grey, dash: [6, 4], label: "noise" });
    plane.gaussian(mean, marginal, { color: theme.green, label: "marginal of x" });
    const steps = log_lik.map((_, i) => i), shown = log_lik.map((l) => Math.max(l, best - BELOW + 0.05)); // beyond the lower edge, on it
    trace.line([-0.5, 1e4], [best, best], { color: theme.ink, width: 1.5, dash: [6, 4], label: "best Gaussian" });
    trace.line(steps, shown, { color: theme.blue, label: "log-likelihood" });
    trace.dots(steps, shown, { color: theme.blue, radius: 3 });
  },
};
