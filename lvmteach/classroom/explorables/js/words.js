// Numbers as Python writes them, so that a demo says the same line in both languages.

const TAIL = 30; // digits more than are shown: enough to know an exact tie when there is one

// What is cut off is exactly one half: Python rounds to even, JavaScript away from zero.
const tied = (cut) => /^50*$/.test(cut);
const even = (kept) => Number(kept.at(-1)) % 2 === 0;
const sign = (x) => (x < 0 || Object.is(x, -0) ? "-" : "");

function strange(x) {
  return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

// f"{x:.3f}"
export function fixed(x, digits) {
  if (!Number.isFinite(x)) return strange(x);
  const size = Math.abs(x), long = size.toFixed(Math.min(digits + TAIL, 100));
  const end = long.length - Math.min(TAIL, 100 - digits), kept = long.slice(0, end).replace(/\.$/, "");
  return sign(x) + (tied(long.slice(end)) && even(kept) ? kept : size.toFixed(digits));
}

// f"{x:.3g}"
export function general(x, digits) {
  if (!Number.isFinite(x)) return strange(x);
  if (x === 0) return sign(x) + "0";
  const [long, its] = Math.abs(x).toExponential(digits - 1 + TAIL).split("e");
  const kept = long.slice(0, digits === 1 ? 1 : digits + 1), cut = long.replace(".", "").slice(digits);
  const [mantissa, e] = tied(cut) && even(kept) ? [kept, its] : Math.abs(x).toExponential(digits - 1).split("e");
  const power = Number(e), bare = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power < -4 || power >= digits) {
    return `${sign(x)}${bare(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  return sign(x) + bare(Number(`${mantissa}e${e}`).toFixed(Math.max(digits - 1 - power, 0)));
}

// f"{x:.0%}"
export const percent = (x, digits = 0) => fixed(100 * x, digits) + "%";
