// The store goes in; the view of all cameras comes out: what there is in one sentence, tools, cards.

import { post } from "./api.js";
import { Card } from "./card.js";
import { byId, h, setText, toast } from "./dom.js";
import { STATUS, URGENCY, addressKey, ago, many } from "./format.js";
import { Grid } from "./grid.js";
import { cameras, load, state, subscribe } from "./store.js";

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const SORTS = {
  name: ["Name", (a, b) => byName.compare(a.name, b.name)],
  state: ["Needs attention first", (a, b) => URGENCY[a.status] - URGENCY[b.status] || byName.compare(a.name, b.name)],
  address: ["Address", (a, b) => (addressKey(a.ip) < addressKey(b.ip) ? -1 : 1)],
  changed: ["Last change", (a, b) => (b.since ?? "").localeCompare(a.since ?? "")],
  first: ["Newest first", (a, b) => (b.first_seen_iso ?? "").localeCompare(a.first_seen_iso ?? "")],
};
const GROUPS = {
  none: ["No groups", null],
  state: ["State", (camera) => STATUS[camera.status]],
  maker: ["Maker", (camera) => camera.manufacturer || "Maker unknown"],
  network: ["Network", (camera) => (camera.ip.includes(":") ? "IPv6" : `${camera.ip.split(".").slice(0, 3).join(".")}.…`)],
};
const WORDS = { offline: "offline", auth_required: "in need of a login", stream_error: "without a stream", busy: "busy", sleeps: "asleep" };

const chosen = { text: "", status: "", sort: "state", group: "none" };
let grid;
let parts;
let latest = -1;

export function setUp() {
  const search = h("input", {
    type: "search", id: "search", placeholder: "Name, address, MAC", autocomplete: "off", spellcheck: "false",
    oninput: () => { chosen.text = search.value; queueShow(); },
  });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Filter by status" });
  const tools = byId("cameras-tools");
  tools.className = "toolbar";
  tools.append(
    h("label", { class: "search" }, h("span", { class: "hide", text: "Search the cameras" }), search, h("kbd", { "aria-hidden": "true", text: "/" })),
    chips,
    h("div", { class: "choices" }, choice("Sort by", SORTS, "sort"), choice("Group by", GROUPS, "group")));
  const host = byId("cameras-grid");
  const list = h("div", { class: "grid", role: "list", "aria-label": "Cameras" });
  const note = h("div", { class: "note" });
  parts = { chips, host, list, note, buttons: new Map(), count: h("p", { class: "hide", role: "status" }) };
  tools.append(parts.count);
  parts.sweepText = h("span");
  parts.sweepBar = h("i", { class: "progress", "aria-hidden": "true" });
  parts.rescan = h("button", { type: "button", class: "primary", text: "Scan now", onclick: rescan });
  byId("sweep").append(h("p", { role: "status" }, parts.sweepText, parts.sweepBar), parts.rescan, h("a", { class: "button", href: "#/add", text: "Add a camera" }));
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !document.querySelector("dialog[open]")) { event.preventDefault(); location.hash = "#/"; search.focus(); }
    if (event.key === "Escape" && event.target === search) { search.value = chosen.text = ""; queueShow(); }
  });
  subscribe(() => show());
}

function choice(label, options, key) {
  const select = h("select", { onchange: () => { chosen[key] = select.value; show(); } },
    Object.entries(options).map(([value, [words]]) => h("option", { value, text: words, selected: chosen[key] === value })));
  return h("label", { class: "choice" }, h("span", { class: "hide", text: label }), select);
}

async function rescan() {
  try {
    const answer = await post("rescan");
    toast(answer.already_sweeping ? "A scan is already running; another one follows" : "Scanning the networks");
  } catch (error) { toast(error.message, "bad"); }
}

let queued = false;
function queueShow() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; show(); });
}

// All of them in order. What was in order before mostly still is, and is then sorted in one pass.
let order = [];
function ordered() {
  const known = new Set(order);
  const all = order.filter((id) => cameras.has(id)).map((id) => cameras.get(id));
  for (const [id, camera] of cameras) if (!known.has(id)) all.push(camera);
  all.sort(SORTS[chosen.sort][1]);
  order = all.map((camera) => camera.id);
  return all;
}

function matches(camera, words) {
  if (!words.length) return true;
  camera.haystack ??= [camera.name, camera.ip, camera.mac, camera.id, camera.manufacturer, camera.model, STATUS[camera.status], camera.reason]
    .join(" ").toLowerCase();
  return words.every((word) => camera.haystack.includes(word));
}

export function show() {
  const all = ordered();
  sentence(all);
  sweep();
  if (byId("cameras").hidden) return;
  const words = chosen.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((one) => (!chosen.status || one.status === chosen.status) && matches(one, words));
  const group = GROUPS[chosen.group][1];
  const groups = group ? grouped(found, group) : [{ title: "", items: found }];
  chips(all);
  if (!state.loaded && !all.length) { if (state.error) failed(); return; }
  if (!found.length) { empty(all.length); return; }
  if (!parts.list.isConnected) parts.host.replaceChildren(parts.list);
  grid ??= new Grid(parts.list, (camera) => new Card(camera));
  grid.show(groups);
  if (found.length !== latest) { latest = found.length; setText(parts.count, `${many(found.length, "camera")} shown`); }
}

function grouped(found, group) {
  const groups = new Map();
  for (const camera of found) {
    const title = group(camera);
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(camera);
  }
  return [...groups].sort(([a], [b]) => byName.compare(a, b)).map(([title, items]) => ({ title, items }));
}

function counted(all) {
  const counts = {};
  for (const camera of all) counts[camera.status] = (counts[camera.status] ?? 0) + 1;
  return counts;
}

function sentence(all) {
  const counts = counted(all);
  const told = Object.keys(WORDS).filter((status) => counts[status]);
  const bad = told.filter((status) => status !== "sleeps"); // that is how a battery camera is when it is well
  const title = byId("cameras-title");
  const under = byId("cameras-under");
  if (!state.loaded) { if (state.error) { setText(title, "The cameras cannot be shown"); setText(under, state.error); } return; }
  if (!all.length) { setText(title, "No camera yet"); setText(under, "camdetect keeps scanning."); return; }
  const online = counts.online ?? 0;
  if (!bad.length) setText(title, all.length === 1 ? "One camera, and it is well" : `${many(all.length, "camera")}, all well`);
  else setText(title, `${many(all.length, "camera")}, ${online} online`);
  setText(under, told.length ? `${told.map((status) => `${counts[status]} ${WORDS[status]}`).join(", ")}.` : "Every camera answers, and its stream plays.");
}

function chips(all) {
  const counts = counted(all);
  for (const status of ["", ...Object.keys(STATUS)]) {
    let chip = parts.buttons.get(status);
    if (!chip) {
      chip = h("button", { type: "button", class: "chip", data: { status: status || "all" }, onclick: () => { chosen.status = status; show(); } },
        h("span", { text: status ? STATUS[status] : "All" }), h("b"));
      parts.buttons.set(status, chip);
      parts.chips.append(chip);
    }
    const count = status ? counts[status] ?? 0 : all.length;
    setText(chip.lastChild, String(count));
    chip.setAttribute("aria-pressed", String(chosen.status === status));
    chip.hidden = Boolean(status) && !count && chosen.status !== status;
  }
}

function sweep() {
  const found = state.discovery;
  if (!found) return;
  const sweeps = Object.values(found.last_sweep ?? {});
  const last = sweeps.map((one) => one.at).sort().at(-1);
  parts.sweepBar.classList.toggle("on", found.sweeping);
  setText(parts.sweepText, found.sweeping ? "Scanning the networks" : last ? `Last scan ${ago(last)}` : "Not scanned yet");
}

function failed() {
  setNote("failed", "The cameras cannot be shown", state.error, h("button", { type: "button", text: "Try again", onclick: () => load().catch(() => {}) }));
}

function empty(total) {
  if (total) {
    setNote("none", "No camera matches", `${many(total, "camera")} in all.`, h("button", {
      type: "button", text: "Show all", onclick: () => { chosen.text = chosen.status = byId("search").value = ""; show(); },
    }));
    return;
  }
  setNote("empty", "No camera has been found yet",
    "The first ones usually appear within seconds of a start. If you know the address of one that is missing, look it up.",
    h("a", { class: "button", href: "#/add", text: "Add a camera" }), h("a", { class: "button", href: "#/why", text: "Find a camera" }));
}

function setNote(kind, title, text, ...actions) {
  if (parts.note.dataset.kind === kind + text && parts.note.isConnected) return;
  parts.note.dataset.kind = kind + text;
  parts.note.replaceChildren(h("h2", { text: title }), h("p", { text }), h("div", { class: "row" }, actions));
  parts.host.replaceChildren(parts.note);
  latest = 0;
  setText(parts.count, title);
}
