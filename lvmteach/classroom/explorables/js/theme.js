// Okabe and Ito's colours, as figures/plots.py has them, on the page's own ink and paper.

const OKABE = { blue: "#0072B2", orange: "#E69F00", green: "#009E73", red: "#D55E00", purple: "#CC79A7", sky: "#56B4E9", yellow: "#F0E442", grey: "#7F7F7F" };
const ON_DARK = { ...OKABE, blue: "#4FA8E0", green: "#2FC79A", red: "#FF7F3F", grey: "#A0A0A0" };

export function themeOf(element) {
  const ink = getComputedStyle(element).color, [r, g, b] = ink.match(/[\d.]+/g).map(Number);
  const dark = 0.3 * r + 0.59 * g + 0.11 * b > 128, c = dark ? ON_DARK : OKABE;
  return { ...c, ink, dark, paper: dark ? "#111111" : "#ffffff", palette: [c.blue, c.orange, c.green, c.red, c.purple, c.sky, ink] };
}

// Colours mixed by weight, as "rgb(...)".
export function mixed(colours, weights) {
  const out = [0, 0, 0];
  weights.forEach((w, c) => rgb(colours[c]).forEach((v, i) => { out[i] += w * v; }));
  return `rgb(${out.map(Math.round).join()})`;
}

export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
