// Where values on a grid cross a level: segments x0, y0, x1, y1 (marching squares). values[i * ny + j] stands at (xs[i], ys[j]).
export function contour(values, xs, ys, level) {
  const found = [[], [], [], []], ny = ys.length;
  for (let i = 0; i + 1 < xs.length; i++) {
    for (let j = 0; j + 1 < ny; j++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cut = [];
      corners.forEach(([a, b], n) => {
        const [c, d] = corners[(n + 1) % 4], v = values[a * ny + b], w = values[c * ny + d];
        if (v < level === w < level) return;
        const share = (level - v) / (w - v);
        cut.push([xs[a] + share * (xs[c] - xs[a]), ys[b] + share * (ys[d] - ys[b])]);
      });
      for (let n = 0; n + 1 < cut.length; n += 2) [...cut[n], ...cut[n + 1]].forEach((v, part) => found[part].push(v));
    }
  }
  return found;
}
