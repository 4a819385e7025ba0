// Where a number lies on an axis, and which numbers are written beside it.

export class Scale {
  constructor([low, high], log, from, to) {
    this.low = log ? Math.log(low) : low;
    this.high = log ? Math.log(high) : high;
    Object.assign(this, { log, from, to });
  }
  at(value) { return this.from + (((this.log ? Math.log(value) : value) - this.low) / (this.high - this.low)) * (this.to - this.from); }
  value(pixel) {
    const v = this.low + ((pixel - this.from) / (this.to - this.from)) * (this.high - this.low);
    return this.log ? Math.exp(v) : v;
  }
}

// [number, word] for about `most` round numbers in [low, high].
export function ticks(low, high, most) {
  const rough = (high - low) / Math.max(most, 2), unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((s) => s * unit >= rough * 0.999);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    found.push([i * step, (i * step).toFixed(digits).replace("-", "−")]);
  }
  return found;
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// The same for a logarithmic axis: the powers of ten.
export function powers(low, high) {
  const found = [];
  for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) {
    found.push([10 ** e, Math.abs(e) < 4 ? String(Number((10 ** e).toPrecision(1))) : "10" + [...String(e)].map((c) => RAISED[c]).join("")]);
  }
  return found;
}
