// Components over the aggregate posterior: a mixture as prior, and what it gains on codes seen and not seen in fitting.
import { LOG_2PI, logSumExp, mean } from "../maths.js";
import { fixed } from "../words.js";

const EXTENT = 4, SIZES = [1, 2, 3, 5, 10, 20, 30, 60];
const pairs = (xs) => Array.from({ length: xs.length / 2 }, (_, i) => [xs[2 * i], xs[2 * i + 1]]);

// log p(z) under the mixture: log-sum-exp over components of log weight + log N(z; mean, cov)
function logMixture(z, parts) {
  return logSumExp(parts.map(({ logWeight, m, cov: [a, b, c] }) => {
    const u = z[0] - m[0], v = z[1] - m[1], det = a * c - b * b;
    return logWeight - LOG_2PI - 0.5 * (Math.log(det) + (c * u * u - 2 * b * u * v + a * v * v) / det);
  }));
}

const logNormal = ([u, v]) => -LOG_2PI - 0.5 * (u * u + v * v);
const gain = (codes, parts) => mean(codes.map((z) => logMixture(z, parts) - logNormal(z)));

export default {
  about: "Latent codes of digits with a mixture's ellipses over them; beside it what the mixture gains over N(0, I) as a prior.",
  start: { C: 10, z: [0, -3] },
  controls: [
    { kind: "ladder", name: "C", label: "components", options: SIZES },
    { kind: "point", name: "z", panel: 0, label: "a code" },
  ],

  setup({ sizes, seen, fresh, weights, means, covs }) {
    let at = 0;
    const mixtures = Array.from(sizes, (C) => {
      const parts = Array.from({ length: C }, (_, k) => at + k).map((k) => ({
        logWeight: Math.log(weights[k]), m: [means[2 * k], means[2 * k + 1]], cov: [covs[3 * k], covs[3 * k + 1], covs[3 * k + 2]],
      }));
      at += C;
      return parts;
    });
    const codes = { seen: pairs(seen), fresh: pairs(fresh) };
    return { sizes: Array.from(sizes), mixtures, ...codes, on_seen: mixtures.map((p) => gain(codes.seen, p)), on_fresh: mixtures.map((p) => gain(codes.fresh, p)) };
  },

  compute({ sizes, mixtures, on_seen, on_fresh }, { C, z }) {
    const at = sizes.indexOf(C);
    return { log_p: logMixture(z, mixtures[at]), log_normal: logNormal(z), seen: on_seen[at], fresh: on_fresh[at], on_seen, on_fresh };
  },

  words: ({ log_p, log_normal, seen, fresh }, { C }) =>
    `${C} component${C === 1 ? "" : "s"}: ${fixed(fresh, 3)} nats better than N(0, I) on fresh codes, ${fixed(seen, 3)} on codes it was fitted to; at the ring log p(z) = ${fixed(log_p, 2)}, under N(0, I) ${fixed(log_normal, 2)}`,

  layout: { columns: [1, 1.1], wide: 2.1 },
  panels: [
    { x: [-EXTENT, EXTENT], y: [-EXTENT, EXTENT], xlabel: "z₁", ylabel: "z₂", equal: true },
    { x: [0.9, 70], y: [-0.1, 0.5], xlog: true, xlabel: "components", ylabel: "gain over N(0, I) (nats)", legend: "top left" },
  ],

  still([plane, curve], { seen, sizes, on_seen, on_fresh }, theme) {
    plane.dots(seen.map(([x]) => x), seen.map(([, y]) => y), { color: theme.grey, radius: 1.5 });
    curve.line(sizes, on_seen, { color: theme.orange, dash: [8, 5], label: "codes it was fitted to" });
    curve.line(sizes, on_fresh, { color: theme.blue, label: "fresh codes" });
  },

  moving([plane, curve], { sizes, mixtures }, { seen, fresh }, { C, z }, theme) {
    for (const { m, cov } of mixtures[sizes.indexOf(C)]) plane.gaussian(m, cov, { deviations: 1, color: theme.red, width: 1.6 });
    plane.ring(z, { color: theme.ink });
    curve.dots([C, C], [seen, fresh], { color: theme.red, radius: 6, edge: theme.ink });
  },
};
