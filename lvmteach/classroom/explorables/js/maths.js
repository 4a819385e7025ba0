// Numbers only: no document, no canvas. The same in a browser, in Node and in mini-racer.

export const LOG_2PI = Math.log(2 * Math.PI);
export const sum = (xs) => { let s = 0; for (const x of xs) s += x; return s; };
export const mean = (xs) => sum(xs) / xs.length;
export const clip = (x, low, high) => Math.min(Math.max(x, low), high);
export const linspace = (low, high, n) => Float64Array.from({ length: n }, (_, i) => low + (i * (high - low)) / (n - 1));
export const grid = (xs, f) => Float64Array.from(xs, (x, i) => f(x, i));

// Whole numbers 1, 2, 3, 4, 6, 8, 11, 16, ... up to `most`: about a factor of sqrt(2) apart.
export function steps(most) {
  const found = new Set();
  for (let i = 0; i <= 2 * Math.floor(Math.log2(most)); i++) found.add(Math.round(2 ** (i / 2)));
  return [...found.add(most)].sort((a, b) => a - b);
}

export const sigmoid = (l) => (l >= 0 ? 1 / (1 + Math.exp(-l)) : Math.exp(l) / (1 + Math.exp(l)));
export const normalLogPdf = (z, m, s) => -0.5 * (((z - m) / s) ** 2 + LOG_2PI) - Math.log(s);

export function logSumExp(values) {
  let top = -Infinity;
  for (const v of values) if (v > top) top = v;
  if (top === -Infinity) return top;
  let total = 0;
  for (const v of values) total += Math.exp(v - top);
  return top + Math.log(total);
}

// Effective sample size of log weights, as integrals.ess; NaN where all are zero.
export function ess(logW) {
  const total = logSumExp(logW);
  if (total === -Infinity) return NaN;
  let squares = 0;
  for (const l of logW) squares += Math.exp(2 * (l - total));
  return clip(1 / squares, 1, logW.length);
}

// log P(Z > x), Z standard normal: a series near zero, a continued fraction in the tail.
export function logNormalTail(x) {
  if (x === -Infinity) return 0;
  if (x < 0) return Math.log1p(-Math.exp(logNormalTail(-x)));
  if (x < 2.5) {
    let term = x, total = x;
    for (let n = 1; Math.abs(term) > 1e-17 * total && n < 200; n++) {
      term *= (x * x) / (2 * n + 1);
      total += term;
    }
    return Math.log(0.5 - total * Math.exp(-0.5 * (x * x + LOG_2PI)));
  }
  let f = 0;
  for (let n = 160; n > 0; n--) f = n / (x + f);
  return -0.5 * (x * x + LOG_2PI) - Math.log(x + f);
}

// y = W x + b for W (out, in) in rows, as torch.nn.Linear keeps it; sums in double precision.
export function affine({ W, b }, x, y = new Float64Array(b.length)) {
  const n = x.length;
  for (let i = 0, k = 0; i < b.length; i++) {
    let s0 = b[i], s1 = 0, s2 = 0, s3 = 0, j = 0;
    for (; j + 3 < n; j += 4, k += 4) { // four sums: the processor need not wait for the one before
      s0 += W[k] * x[j];
      s1 += W[k + 1] * x[j + 1];
      s2 += W[k + 2] * x[j + 2];
      s3 += W[k + 3] * x[j + 3];
    }
    for (; j < n; j++, k++) s0 += W[k] * x[j];
    y[i] = s0 + s1 + s2 + s3;
  }
  return y;
}

// Affine layers: `weights` holds W then b, layer by layer.
function layersOf(sizes, weights) {
  let at = 0;
  const take = (n) => weights.subarray(at, (at += n));
  return sizes.slice(1).map((out, l) => ({ W: take(out * sizes[l]), b: take(out) }));
}

const tanh = (xs) => { for (let i = 0; i < xs.length; i++) xs[i] = Math.tanh(xs[i]); };

// A net of affine layers with tanh between them, as a function of x.
export function mlp(sizes, weights) {
  const layers = layersOf(sizes, weights), room = layers.map(({ b }) => new Float64Array(b.length));
  return (x) => {
    layers.forEach((layer, l) => {
      x = affine(layer, x, room[l]);
      if (l < layers.length - 1) tanh(x);
    });
    return x;
  };
}

// The same for eight inputs at once, x[8 j + k] being the j-th number of the k-th: each weight is read once for all.
export function mlpOfEight(sizes, weights) {
  const layers = layersOf(sizes, Float64Array.from(weights)), room = layers.map(({ b }) => new Float64Array(8 * b.length));
  return (x) => {
    layers.forEach((layer, l) => {
      x = affineOfEight(layer, x, room[l]);
      if (l < layers.length - 1) tanh(x);
    });
    return x;
  };
}

function affineOfEight({ W, b }, x, y) {
  for (let i = 0, k = 0; i < b.length; i++) {
    let s0 = b[i], s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (let j = 0; j < x.length; j += 8, k++) {
      const w = W[k];
      s0 += w * x[j]; s1 += w * x[j + 1]; s2 += w * x[j + 2]; s3 += w * x[j + 3];
      s4 += w * x[j + 4]; s5 += w * x[j + 5]; s6 += w * x[j + 6]; s7 += w * x[j + 7];
    }
    y.set([s0, s1, s2, s3, s4, s5, s6, s7], 8 * i);
  }
  return y;
}

// Standard deviations along the axes of a 2 x 2 covariance [a, b, c] (a b; b c), the larger first, and its angle.
export function axesOf([a, b, c]) {
  const middle = (a + c) / 2, half = Math.hypot((a - c) / 2, b);
  return { sd: [Math.sqrt(middle + half), Math.sqrt(Math.max(middle - half, 0))], angle: Math.atan2(2 * b, a - c) / 2 };
}
