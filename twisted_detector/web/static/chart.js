// Rows of figures go in; small charts that are drawn anew in place come out. SVG of our own, nothing else.

import { h, s, setText } from "./dom.js";

const W = 720;
const H = 120;

// A ceiling that people can read: 1, 2 or 5 times a power of ten.
function ceiling(most) {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= most);
}

export class Chart {
  // series: [{ name, value(row) → number | null }]; stacked: areas upon each other.
  constructor({ title, series, unit = "", stacked = false, least = 0, digits = 0, from }) {
    this.series = series;
    this.stacked = stacked;
    this.unit = unit;
    this.least = least;
    this.digits = digits;
    this.from = from;
    this.rows = [];
    this.paths = series.map((_, n) => s("path", { class: stacked ? `s${n} area` : `l${n} line` }));
    this.cursor = s("line", { class: "cursor", y1: 0, y2: H, x1: -1, x2: -1 });
    this.svg = s("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
      s("line", { class: "grid", x1: 0, x2: W, y1: H / 2, y2: H / 2 }), ...(stacked ? [...this.paths].reverse() : this.paths), this.cursor);
    this.top = h("span", { class: "axis top", "aria-hidden": "true" });
    this.left = h("span", { class: "axis" });
    this.values = series.map((one, n) => h("span", { class: `key ${stacked ? "s" : "l"}${n}` }, h("i", { "aria-hidden": "true" }), `${one.name} `, h("b")));
    this.when = h("span", { class: "soft when" });
    this.node = h("figure", { class: "chart" },
      h("figcaption", {}, h("h3", { text: title }), h("p", { class: "keys" }, this.values, this.when)),
      h("div", { class: "plot" }, this.svg, this.top),
      h("div", { class: "ends soft", "aria-hidden": "true" }, this.left, h("span", { text: "now" })));
    this.title = title;
    const plot = this.svg;
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      this.point(Math.round(((event.clientX - box.left) / box.width) * (this.rows.length - 1)));
    });
    plot.addEventListener("pointerleave", () => this.point(null));
  }

  draw(rows) {
    this.rows = rows;
    const count = rows.length;
    if (!count) return;
    const sums = rows.map((row) => this.stacked
      ? this.series.reduce((sum, one) => sum + (one.value(row) ?? 0), 0)
      : Math.max(...this.series.map((one) => one.value(row) ?? 0)));
    const top = ceiling(Math.max(this.least, ...sums));
    const x = (n) => (count === 1 ? W : (n / (count - 1)) * W);
    const y = (value) => H - 1 - (value / top) * (H - 4);
    const base = new Float64Array(count);
    this.series.forEach((one, n) => {
      let path = "";
      if (this.stacked) {
        const below = Array.from(base);
        rows.forEach((row, at) => { base[at] += one.value(row) ?? 0; path += `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(base[at]).toFixed(1)}`; });
        for (let at = count - 1; at >= 0; at--) path += `L${x(at).toFixed(1)} ${y(below[at]).toFixed(1)}`;
        path += "Z";
      } else {
        let pen = "M";
        rows.forEach((row, at) => {
          const value = one.value(row);
          if (value === null || value === undefined) { pen = "M"; return; }
          path += `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
          pen = "L";
        });
      }
      this.paths[n].setAttribute("d", path || "M0 0");
    });
    setText(this.top, `${top.toLocaleString()}${this.unit}`);
    setText(this.left, this.from(rows));
    this.svg.setAttribute("aria-label", `${this.title}, now: ${this.series.map((one) => `${one.name} ${this.say(one.value(rows.at(-1)))}`).join(", ")}`);
    this.point(this.at ?? null);
  }

  say(value) {
    return value === null || value === undefined ? "–" : `${value.toLocaleString(undefined, { maximumFractionDigits: this.digits })}${this.unit}`;
  }

  point(at) {
    this.at = at;
    const row = this.rows[at ?? this.rows.length - 1];
    if (!row) return;
    this.series.forEach((one, n) => setText(this.values[n].lastChild, this.say(one.value(row))));
    const x = at === null ? -9 : (at / Math.max(1, this.rows.length - 1)) * W;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    setText(this.when, at === null ? "" : new Date(row[0] * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
  }
}

// One strip: which state when.
export class Strip {
  constructor(words) {
    this.words = words;
    this.svg = s("svg", { viewBox: `0 0 ${W} 20`, preserveAspectRatio: "none", role: "img", "aria-label": "The connection", class: "strip" });
    this.node = this.svg;
  }

  draw(rows, state) {
    const runs = [];
    rows.forEach((row, at) => {
      const word = state(row);
      if (runs.at(-1)?.word === word) runs.at(-1).to = at + 1;
      else runs.push({ word, from: at, to: at + 1 });
    });
    const scale = W / Math.max(1, rows.length);
    this.svg.replaceChildren(...runs.map((run) =>
      s("rect", { class: `state ${run.word === "connected" ? "good" : run.word === "connecting" ? "between" : "bad"}`, x: run.from * scale, width: Math.max(1.5, (run.to - run.from) * scale), y: 0, height: 20 })));
    const good = rows.filter((row) => state(row) === "connected").length;
    this.svg.setAttribute("aria-label", `Connected ${rows.length ? Math.round((100 * good) / rows.length) : 0} % of the time shown`);
  }
}
