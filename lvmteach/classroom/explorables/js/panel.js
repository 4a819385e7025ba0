// One pair of axes on two canvases, one for what stands still and one for what moves.
// Coordinates are the demo's; `theme` has the colours. Every mark takes { color, alpha, width, dash, label }.
import { Scale, powers, ticks } from "./axes.js";
import { axesOf } from "./maths.js";

const FONT = "px system-ui, sans-serif", TURN = 2 * Math.PI;

export class Panel {
  constructor(host, spec) {
    this.spec = { ...spec };
    this.box = host.appendChild(document.createElement("div"));
    this.box.className = "lvm-panel";
    this.box.style.setProperty("--lvm-aspect", spec.aspect ?? (spec.image || spec.equal ? 1 : 1.6));
    [this.under, this.over] = [0, 1].map(() => this.box.appendChild(document.createElement("canvas")));
    for (const canvas of [this.under, this.over]) canvas.setAttribute("aria-hidden", "true");
    this.legends = { still: [], moving: [] };
  }

  // Fit the canvases to the box; false while the box is not on the page.
  resize() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return false;
    const zoom = this.box.getBoundingClientRect().width / width; // slides are scaled as a whole
    const density = Math.min(Math.max((window.devicePixelRatio || 1) * zoom, 1), 3);
    for (const canvas of [this.under, this.over]) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
      canvas.getContext("2d").setTransform(density, 0, 0, density, 0, 0);
    }
    this.size = [width, height];
    this.font = Math.max(11, Math.min(16, Math.max(width / 28, this.box.parentNode.clientWidth / 70)));
    this.#arrange();
    return true;
  }

  // Other limits for the axes; true if they differ.
  limits(more) {
    const same = Object.entries(more).every(([name, value]) => String(this.spec[name]) === String(value));
    Object.assign(this.spec, more);
    if (!same) this.#arrange();
    return !same;
  }

  #arrange() {
    const { spec: s, font, size: [width, height] } = this, top = font * (s.title ? 2 : 0.7);
    if (s.image) this.rect = [3, top, width - 6, height - top - 3];
    else {
      const bottom = font * (s.xlabel ? 3 : 1.9), g = this.under.getContext("2d");
      g.font = font + FONT;
      this.yticks = s.yticks ?? (s.ylog ? powers(...s.y) : ticks(...s.y, (height - top - bottom) / (font * 2.4)));
      const wide = Math.max(...this.yticks.map(([, word]) => g.measureText(word).width), font);
      const left = wide + 10 + font * (s.ylabel ? 1.5 : 0.2);
      this.rect = [left, top, width - left - font * 1.2, height - top - bottom];
    }
    if (s.image || s.equal) this.#square(s.image ? s.image[1] / s.image[0] : 1);
    const [l, t, w, h] = this.rect;
    this.x = new Scale(s.x ?? [0, 1], s.xlog, l, l + w);
    this.y = new Scale(s.y ?? [0, 1], s.ylog, t + h, t);
    this.xticks = s.xticks ?? (s.image ? [] : s.xlog ? powers(...s.x) : ticks(...s.x, w / (font * 4)));
  }

  #square(ratio) {
    const [l, t, w, h] = this.rect, wide = Math.min(w, h * ratio), tall = wide / ratio;
    this.rect = [this.spec.legend === "beside" ? l : l + (w - wide) / 2, t + (h - tall) / 2, wide, tall];
  }

  // The place of a pointer as the demo's coordinates: by fractions of the box, so that no zoom above matters.
  at({ clientX, clientY }) {
    const box = this.box.getBoundingClientRect(), { x, y } = this.spec;
    const place = [this.x.value(((clientX - box.left) / box.width) * this.size[0]), this.y.value(((clientY - box.top) / box.height) * this.size[1])];
    return place.map((v, i) => Math.min(Math.max(v, Math.min(...[x, y][i])), Math.max(...[x, y][i])));
  }

  begin(layer, theme) {
    this.g = (layer === "still" ? this.under : this.over).getContext("2d");
    this.g.clearRect(0, 0, ...this.size);
    this.theme = theme;
    this.legend = this.legends[layer] = [];
    if (layer === "still") this.#axes();
  }

  #axes() {
    const { g, spec: s, font, theme } = this, [l, t, w, h] = this.rect, stroke = (...p) => { g.beginPath(); g.moveTo(p[0], p[1]); g.lineTo(p[2], p[3]); g.stroke(); };
    g.font = font + FONT;
    g.fillStyle = g.strokeStyle = theme.ink;
    g.lineWidth = 1;
    g.textAlign = "center";
    g.textBaseline = "bottom";
    if (s.title) g.fillText(s.title, l + w / 2, t - 5);
    if (s.image) return g.strokeRect(l - 0.5, t - 0.5, w + 1, h + 1);
    stroke(l, t, l, t + h);
    stroke(l, t + h, l + w, t + h);
    if (s.xlabel) g.fillText(s.xlabel, l + w / 2, t + h + font * 2.9);
    g.textBaseline = "top";
    for (const [x, word] of this.xticks) {
      stroke(this.x.at(x), t + h, this.x.at(x), t + h + 4);
      g.fillText(word, this.x.at(x), t + h + 6);
    }
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const [y, word] of this.yticks) {
      stroke(l - 4, this.y.at(y), l, this.y.at(y));
      g.fillText(word, l - 7, this.y.at(y));
    }
    if (!s.ylabel) return;
    g.save();
    g.translate(Math.max(l - font * 1.5 - 10 - Math.max(...this.yticks.map(([, word]) => g.measureText(word).width), font), 0), t + h / 2);
    g.rotate(-Math.PI / 2);
    g.textAlign = "center";
    g.textBaseline = "top";
    g.fillText(s.ylabel, 0, 1);
    g.restore();
  }

  // Draw within the axes, in one style; a label goes to the legend.
  within({ color, alpha = 1, width = 2.2, dash = [], label, key = "line" }, draw) {
    const { g } = this;
    g.save();
    g.beginPath();
    g.rect(...this.rect);
    g.clip();
    Object.assign(g, { globalAlpha: alpha, strokeStyle: color, fillStyle: color, lineWidth: width, lineJoin: "round" });
    g.setLineDash(dash);
    draw(g);
    g.restore();
    if (label) this.legend.push({ label, color, alpha, dash, width, key });
  }

  #trace(g, xs, ys, joined = false) {
    if (!joined) g.beginPath();
    let on = joined;
    for (let i = 0; i < xs.length; i++) {
      const X = this.x.at(xs[i]), Y = Math.max(-1e4, Math.min(1e4, this.y.at(ys[i])));
      if (Number.isNaN(Y)) on = false;
      else {
        if (on) g.lineTo(X, Y); else g.moveTo(X, Y);
        on = true;
      }
    }
  }

  line(xs, ys, style) { this.within(style, (g) => { this.#trace(g, xs, ys); g.stroke(); }); }

  band(xs, low, high, style) {
    this.within({ key: "band", ...style }, (g) => {
      this.#trace(g, xs, high);
      this.#trace(g, [...xs].reverse(), [...low].reverse(), true);
      g.fill();
    });
  }

  // Bars from `low` to `high`, `wide` in the demo's own unit.
  bars(xs, low, high, wide, style) {
    this.within({ key: "band", ...style }, (g) => xs.forEach((x, i) => {
      const left = this.x.at(x - wide / 2), top = this.y.at(high[i]);
      g.fillRect(left, top, this.x.at(x + wide / 2) - left, this.y.at(low[i]) - top);
    }));
  }

  // `color` may be a function of a dot's number.
  dots(xs, ys, { radius = 3, edge, ...style }) {
    const each = typeof style.color === "function" ? style.color : null;
    this.within({ key: "dot", ...style, color: each ? each(0) : style.color }, (g) => {
      for (let i = 0; i < xs.length; i++) {
        if (each) g.fillStyle = each(i);
        g.beginPath();
        g.arc(this.x.at(xs[i]), this.y.at(ys[i]), radius, 0, TURN);
        g.fill();
        if (edge) { g.strokeStyle = edge; g.lineWidth = 1.5; g.stroke(); }
      }
    });
  }

  segments(x0, y0, x1, y1, style) {
    this.within(style, (g) => {
      g.beginPath();
      for (let i = 0; i < x0.length; i++) {
        g.moveTo(this.x.at(x0[i]), this.y.at(y0[i]));
        g.lineTo(this.x.at(x1[i]), this.y.at(y1[i]));
      }
      g.stroke();
    });
  }

  // A word at each of the places x0, y0, x1, y1, ...
  marks(places, word, color, size = 0.75) {
    this.within({ alpha: 0.75 }, (g) => {
      g.font = this.font * size + FONT;
      g.textAlign = "center";
      g.textBaseline = "middle";
      for (let i = 0; 2 * i < places.length; i++) {
        g.fillStyle = color(i);
        g.fillText(word(i), this.x.at(places[2 * i]), this.y.at(places[2 * i + 1]));
      }
    });
  }

  // Words within the axes, at fractions of their width and height.
  note(words, [across, down], align = "left", color = this.theme.ink) {
    const { g, font } = this, [l, t, w, h] = this.rect;
    Object.assign(g, { font: font * 0.9 + FONT, textAlign: align, textBaseline: "middle", fillStyle: color });
    g.fillText(words, l + across * w, t + down * h);
  }

  // The contour of a Gaussian, `deviations` out, for a covariance [a, b, c] (a b; b c).
  gaussian([x, y], covariance, { deviations = 2, ...style }) {
    const { sd: [a, b], angle } = axesOf(covariance), xs = [], ys = [];
    for (let i = 0; i <= 72; i++) {
      const u = deviations * a * Math.cos((i * TURN) / 72), v = deviations * b * Math.sin((i * TURN) / 72);
      xs.push(x + u * Math.cos(angle) - v * Math.sin(angle));
      ys.push(y + u * Math.sin(angle) + v * Math.cos(angle));
    }
    this.line(xs, ys, style);
  }

  // A ring that stands out on anything.
  ring([x, y], { color, radius = 9, width = 3 }) {
    for (const [shade, wide] of [[this.theme.paper, width + 3], [color, width]]) {
      this.within({ color: shade, width: wide }, (g) => { g.beginPath(); g.arc(this.x.at(x), this.y.at(y), radius, 0, TURN); g.stroke(); });
    }
  }

  // A cross that stands out on anything.
  cross([x, y], { color, radius = 8 }) {
    const X = this.x.at(x), Y = this.y.at(y);
    for (const [shade, width] of [[this.theme.ink, 7], [color, 4]]) {
      this.within({ color: shade, width }, (g) => {
        g.lineCap = "round";
        g.beginPath();
        for (const s of [-1, 1]) { g.moveTo(X - radius, Y - s * radius); g.lineTo(X + radius, Y + s * radius); }
        g.stroke();
      });
    }
  }

  // An image from its top left corner by rows, 0 white and 1 black; or with `shade(value, i)` -> [r, g, b].
  picture(values, [rows, cols], shade = (v) => Array(3).fill(Math.round(255 * (1 - v)))) {
    if (this.sheet?.width !== cols || this.sheet?.height !== rows) this.sheet = Object.assign(document.createElement("canvas"), { width: cols, height: rows });
    const s = this.sheet.getContext("2d"), image = s.createImageData(cols, rows);
    for (let i = 0; i < values.length; i++) {
      const [r, g, b] = shade(values[i], i);
      image.data.set([r, g, b, 255], 4 * i);
    }
    s.putImageData(image, 0, 0);
    this.g.imageSmoothingEnabled = false;
    this.g.drawImage(this.sheet, ...this.rect);
  }

  showLegend() {
    const entries = [...this.legends.still, ...this.legends.moving], where = this.spec.legend ?? "top left";
    if (!entries.length) return;
    const { g, theme } = this, [l, t, w, h] = this.rect, font = this.font * 0.85, row = font * 1.3;
    g.font = font + FONT;
    const wide = Math.max(...entries.map((e) => g.measureText(e.label).width)) + 34, tall = row * entries.length;
    const beside = where === "beside" && this.size[0] - l - w > wide + 10;
    const left = beside ? l + w + 10 : where.includes("left") ? l + 6 : l + w - wide - 2, top = where.includes("bottom") ? t + h - tall - 4 : t + 2;
    Object.assign(g, { fillStyle: theme.paper, globalAlpha: 0.7 });
    if (!beside) g.fillRect(left - 3, top - 1, wide + 4, tall + 2);
    Object.assign(g, { textAlign: "left", textBaseline: "middle" });
    entries.forEach(({ label, color, dash, alpha, width, key }, i) => {
      const y = top + row * (i + 0.5);
      Object.assign(g, { strokeStyle: color, fillStyle: color, lineWidth: Math.min(width, 3), globalAlpha: alpha });
      g.beginPath();
      if (key === "band") g.rect(left, y - font * 0.35, 26, font * 0.7);
      else if (key === "dot") g.arc(left + 13, y, 4, 0, TURN);
      else { g.setLineDash(dash); g.moveTo(left, y); g.lineTo(left + 26, y); }
      if (key === "line") g.stroke(); else g.fill();
      g.setLineDash([]);
      Object.assign(g, { globalAlpha: 1, fillStyle: theme.ink });
      g.fillText(label, left + 32, y);
    });
  }
}
