// Thousands of things in groups go in; only those that can be seen become elements, keyed, each in its place.

import { h } from "./dom.js";

const AHEAD = 600; // pixels above and below that are there before they are seen
const AT_ONCE = 8; // cards made in one frame beyond those that are seen: the rest follows in the next ones

export class Grid {
  // make(item) → { node, update(item) }
  constructor(host, make) {
    this.host = host;
    this.make = make;
    this.live = new Map(); // key → { node, update }
    this.rows = [];
    this.order = [];
    this.queued = false;
    const queue = () => this.queue();
    addEventListener("scroll", queue, { passive: true });
    new ResizeObserver(() => { if (this.host.clientWidth !== this.width) { this.layout(); this.queue(); } }).observe(host);
    host.addEventListener("keydown", (event) => this.arrow(event));
  }

  // groups: [{ title, items: [{ id, … }] }]
  show(groups) {
    this.groups = groups;
    this.order = groups.flatMap((group) => group.items);
    this.layout();
    this.render();
  }

  layout() {
    const width = this.host.clientWidth;
    if (!width || !this.groups) return;
    this.width = width;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const narrow = width < 34 * rem;
    const gap = narrow ? 0.625 * rem : 1.25 * rem;
    this.columns = narrow ? 1 : Math.max(1, Math.floor((width + gap) / (16.5 * rem + gap)));
    const card = Math.floor((width - gap * (this.columns - 1)) / this.columns);
    const tall = narrow ? 9.625 * rem : Math.round((card * 9) / 16) + 10.125 * rem;
    this.host.classList.toggle("narrow", narrow);
    this.host.style.setProperty("--card", `${card}px`);
    this.host.style.setProperty("--tall", `${tall}px`);
    this.tall = tall;
    this.rows = [];
    let top = 0;
    let position = 0;
    for (const group of this.groups) {
      if (group.title) {
        this.rows.push({ top, bottom: top + 3 * rem, title: group.title, count: group.items.length });
        top += 3 * rem;
      }
      for (let at = 0; at < group.items.length; at += this.columns) {
        const items = group.items.slice(at, at + this.columns);
        this.rows.push({ top, bottom: top + tall, items, left: card + gap, position });
        position += items.length;
        top += tall + gap;
      }
    }
    this.host.style.height = `${top}px`;
  }

  queue() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => { this.queued = false; this.render(); });
  }

  render() {
    if (!this.host.clientWidth) return;
    const offset = this.host.getBoundingClientRect().top;
    const from = -offset - AHEAD;
    const to = -offset + innerHeight + AHEAD;
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].bottom < from) low = middle + 1; else high = middle;
    }
    const focused = document.activeElement?.closest?.("[data-id]")?.dataset.id;
    const wanted = new Map();
    for (let n = low; n < this.rows.length && this.rows[n].top < to; n++) this.collect(this.rows[n], wanted);
    if (focused && !wanted.has(focused) && this.live.has(focused)) {
      const row = this.rows.find((one) => one.items?.some((item) => item.id === focused));
      if (row) this.collect(row, wanted, focused);
    }
    for (const [key, part] of this.live) if (!wanted.has(key)) { part.node.remove(); this.live.delete(key); }
    let cursor = this.host.firstElementChild;
    let spare = AT_ONCE;
    for (const [key, place] of wanted) {
      let part = this.live.get(key);
      if (!part) {
        const seen = place.y + offset < innerHeight && place.y + offset + this.tall > 0;
        if (!seen && spare-- <= 0) { this.queue(); continue; }
        part = place.title ? this.heading(place) : this.make(place.item);
        this.live.set(key, part);
      } else if (place.item) part.update(place.item);
      else part.update(place);
      const where = `translate(${place.x}px, ${place.y}px)`;
      if (part.node.style.transform !== where) part.node.style.transform = where;
      if (place.item) {
        part.node.setAttribute("aria-posinset", place.position + 1);
        part.node.setAttribute("aria-setsize", this.order.length);
      }
      if (part.node === cursor) cursor = cursor.nextElementSibling;
      else this.host.insertBefore(part.node, cursor);
    }
  }

  collect(row, wanted, only) {
    if (row.title) { wanted.set(`group ${row.title}`, { ...row, x: 0, y: row.top }); return; }
    row.items.forEach((item, n) => {
      if (!only || item.id === only) wanted.set(item.id, { item, x: n * row.left, y: row.top, position: row.position + n });
    });
  }

  heading(row) {
    const count = h("span", { class: "soft" });
    const node = h("div", { class: "group", role: "listitem" }, h("h2", {}, h("span", { text: row.title }), " ", count));
    const update = (next) => { count.textContent = next.count; };
    update(row);
    return { node, update };
  }

  arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns }[event.key];
    const id = event.target.closest?.("[data-id]")?.dataset.id;
    if (!step || !id || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.order.findIndex((item) => item.id === id) + step;
    const next = this.order[at];
    if (!next) return;
    event.preventDefault();
    const row = this.rows.find((one) => one.items?.includes(next));
    const top = this.host.getBoundingClientRect().top + row.top;
    if (top < 80 || top + (row.bottom - row.top) > innerHeight) scrollBy(0, top - innerHeight / 3);
    this.render();
    this.live.get(next.id)?.node.querySelector("a")?.focus({ preventScroll: true });
  }
}
