// What a camera was in the last seven days goes in; a bar of it comes out, with words for who cannot see it.

import { h, s, setText } from "./dom.js";
import { STATUS, local, moment, percent, span } from "./format.js";

const CELL = 7200; // seconds; the daemon's cells begin at whole even hours UTC
const CELLS = 84;
const LETTERS = { u: "unobserved", o: "online", t: "trouble", f: "offline" };
// The worse, the shorter: the states differ in shape as well as in colour. [top, height] of 8.
const SHAPES = { online: [0, 8], trouble: [2, 6], offline: [4, 4], unobserved: [7, 1] };
const WORDS = { online: "Online", trouble: "In trouble", offline: "Offline", unobserved: "Not observed", unsteady: "Changes too often" };

function rectangle(state, from, width, title) {
  const [y, height] = SHAPES[state];
  return s("rect", { class: `past-${state}`, x: from, y, width, height }, title && s("title", { text: title }));
}

function letter(status) { return status === "online" ? "o" : status === "offline" ? "f" : status === "sleeps" ? "u" : "t"; }

// For a card: what is wrong in one sentence.
export function weekWords(week, status) {
  if (!week || week.availability === null) return "Not observed in the last 7 days";
  const whole = week.observed_s > 6.5 * 86400;
  const time = whole ? "the last 7 days" : `the ${span(week.observed_s)} it was observed`;
  const words = [`Online ${percent(week.availability)} of ${time}`];
  if (status === "offline" && week.last_offline) words.push(`offline since ${moment(week.last_offline)}`);
  else if (week.last_offline) words.push(`last offline ${moment(week.last_offline)} for ${span(week.last_offline_s)}`);
  return words.join("; ");
}

// The bar of a card: one letter for two hours, which came with the camera.
export class WeekBar {
  constructor(open) {
    this.svg = s("svg", { viewBox: `0 0 ${CELLS} 8`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.words = h("span", { class: "hide" });
    this.node = h("div", { class: "week", onclick: open, onpointermove: (event) => this.point(event) }, this.svg, this.words);
  }

  update(week, status) {
    const now = Math.floor(Date.now() / 1000 / CELL);
    const key = JSON.stringify([week, status, now]);
    if (this.key === key) return;
    this.key = key;
    this.node.hidden = !week;
    if (!week) return;
    // Time goes on without an event: as long as none comes, the camera is what it was.
    const missing = Math.min(CELLS, Math.max(0, now - week.first_cell - CELLS + 1));
    this.cells = (week.cells + letter(status).repeat(missing)).slice(-CELLS);
    this.first = week.first_cell + missing;
    const parts = [];
    for (let at = 0; at < CELLS;) {
      let end = at + 1;
      while (end < CELLS && this.cells[end] === this.cells[at]) end++;
      parts.push(rectangle(LETTERS[this.cells[at]], at, end - at));
      at = end;
    }
    this.svg.replaceChildren(...parts);
    setText(this.words, weekWords(week, status));
    this.node.title = this.words.textContent;
  }

  point(event) {
    const box = this.node.getBoundingClientRect();
    const cell = Math.min(CELLS - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * CELLS)));
    const from = new Date((this.first + cell) * CELL * 1000).toISOString();
    const until = new Date((this.first + cell + 1) * CELL * 1000).toISOString();
    this.node.title = `${moment(from)} to ${moment(until)}: ${WORDS[LETTERS[this.cells[cell]]].toLowerCase()}\n${this.words.textContent}`;
  }
}

function what(segment) {
  if (segment.merged > 1) {
    const bad = ["offline", "trouble", "unobserved"].filter((state) => segment.seconds[state])
      .map((state) => `${WORDS[state].toLowerCase()} ${span(segment.seconds[state])}`);
    return `${segment.merged} changes: ${bad.join(", ")}`;
  }
  const words = STATUS[segment.status] ?? WORDS[segment.status] ?? WORDS[segment.state];
  return `${words}${segment.reason ? `: ${local(segment.reason)}` : ""}${segment.ip ? ` (at ${segment.ip} from then on)` : ""}`;
}

function lasted(segment) { return (Date.parse(segment.until) - Date.parse(segment.from)) / 1000; }

// The bar of the drawer: each segment with its times and reason, and those that were not well as a list.
export function pastPart(past, camera) {
  const from = Date.parse(past.from);
  const whole = Math.max(1, Date.parse(past.until) - from);
  const parts = past.segments.map((one) => {
    const x = ((Date.parse(one.from) - from) / whole) * 1000;
    const width = Math.max(1, (lasted(one) * 1e6) / whole); // what lasted a moment is seen all the same
    return rectangle(one.state, Math.min(999, x), width, `${moment(one.from)} to ${moment(one.until)}: ${what(one)}`);
  });
  // What is short is drawn last, or a long neighbour would hide it.
  parts.sort((a, b) => b.getAttribute("width") - a.getAttribute("width"));
  const bad = past.segments.filter((one) => one.state === "offline" || one.state === "trouble").reverse().slice(0, 12);
  const used = new Set(past.segments.flatMap((one) => Object.keys(one.seconds)));
  return [
    h("p", { class: "past-words", text: weekWords(camera.week, camera.status) }),
    h("div", { class: "week big" }, s("svg", { viewBox: "0 0 1000 8", preserveAspectRatio: "none", "aria-hidden": "true" }, parts)),
    h("p", { class: "ends soft" }, h("span", { text: moment(past.from) }), h("span", { text: "now" })),
    h("p", { class: "past-keys", "aria-hidden": "true" }, ["online", "trouble", "offline", "unobserved"].filter((state) => used.has(state)).map((state) =>
      h("span", {}, s("svg", { viewBox: "0 0 8 8" }, rectangle(state, 0, 8)), WORDS[state]))),
    bad.length > 0 && h("ol", { class: "happened past" }, bad.map((one) =>
      h("li", {}, h("time", { datetime: one.from, text: moment(one.from) }), h("span", { text: `${what(one)}, for ${span(lasted(one))}` })))),
  ];
}
