// Images, one after the other, laid out as one sheet with `cols` to a row; between them a gap of one pixel, NaN.
export function mosaic(images, [height, width], cols, gap = NaN) {
  const size = height * width, n = images.length / size, rows = Math.ceil(n / cols);
  const shape = [rows * (height + 1) - 1, cols * (width + 1) - 1], sheet = new Float64Array(shape[0] * shape[1]).fill(gap);
  for (let i = 0; i < n; i++) {
    const top = Math.floor(i / cols) * (height + 1), left = (i % cols) * (width + 1);
    for (let p = 0; p < size; p++) sheet[(top + Math.floor(p / width)) * shape[1] + left + (p % width)] = images[i * size + p];
  }
  return { sheet, shape };
}
