// What Python sends: plain values, and arrays as {"$f2": bytes}, named by type and size of a number.
// Bytes are base64 in a page's JSON, a DataView in JupyterLab.

const KINDS = { $f4: Float32Array, $f8: Float64Array, $u1: Uint8Array, $u2: Uint16Array, $i4: Int32Array };

export function unpacked(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(unpacked);
  const [kind] = Object.keys(value);
  if (kind === "$f2") return fromHalf(bytesOf(value.$f2));
  if (kind in KINDS) return new KINDS[kind](bytesOf(value[kind]).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, unpacked(part)]));
}

function bytesOf(packed) {
  if (typeof packed === "string") return Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  return new Uint8Array(packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.byteLength));
}

// IEEE half precision, exactly: every half is a float32.
export function fromHalf(bytes) {
  const view = new DataView(bytes.buffer), out = new Float32Array(bytes.length / 2);
  for (let i = 0; i < out.length; i++) {
    const h = view.getUint16(2 * i, true), e = (h >> 10) & 31, f = h & 1023;
    const size = e === 0 ? f * 2 ** -24 : e === 31 ? (f ? NaN : Infinity) : (1 + f / 1024) * 2 ** (e - 15);
    out[i] = h & 0x8000 ? -size : size;
  }
  return out;
}
