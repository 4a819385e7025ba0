// The stream of numpy.random.RandomState(seed): MT19937 and its polar normals. NumPy's policy keeps that stream frozen.

const N = 624, M = 397;

export class RandomState {
  constructor(seed) {
    const m = (this.m = new Uint32Array(N));
    m[0] = seed;
    for (let i = 1; i < N; i++) m[i] = Math.imul(1812433253, m[i - 1] ^ (m[i - 1] >>> 30)) + i;
    this.at = N;
    this.spare = null;
  }

  int32() {
    if (this.at === N) this.#twist();
    let y = this.m[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  #twist() {
    const { m } = this;
    for (let k = 0; k < N; k++) {
      const y = (m[k] & 0x80000000) | (m[(k + 1) % N] & 0x7fffffff);
      m[k] = m[(k + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }

  // random_sample()
  uniform() {
    const a = this.int32() >>> 5, b = this.int32() >>> 6;
    return (a * 67108864 + b) / 9007199254740992;
  }

  // standard_normal()
  normal() {
    if (this.spare !== null) {
      const held = this.spare;
      this.spare = null;
      return held;
    }
    for (;;) {
      const u = 2 * this.uniform() - 1, v = 2 * this.uniform() - 1, r = u * u + v * v;
      if (r >= 1 || r === 0) continue;
      const f = Math.sqrt((-2 * Math.log(r)) / r);
      this.spare = f * u;
      return f * v;
    }
  }

  uniforms(n) { return Float64Array.from({ length: n }, () => this.uniform()); }
  normals(n) { return Float64Array.from({ length: n }, () => this.normal()); }
}

// normals(seed, n): the draws of a seed, made once.
export function held(make) {
  const known = new Map();
  return (...key) => {
    const name = key.join();
    if (!known.has(name)) {
      if (known.size > 20) known.clear();
      known.set(name, make(...key));
    }
    return known.get(name);
  };
}
