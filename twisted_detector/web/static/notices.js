// Notices and the ways by which they are told go in; two lists come out, and a button that tries each way.

import { get, post } from "./api.js";
import { byId, h, setText } from "./dom.js";
import { Answer, sending, sentence } from "./fields.js";
import { many, moment } from "./format.js";

const NAMES = { mqtt: "MQTT and Home Assistant", webhook: "Web hook", ntfy: "ntfy", mail: "Mail", telegram: "Telegram" };

let parts = null;
const drawn = { notices: "", ways: "" };

export function show() {
  if (!parts) build();
  load();
}

function build() {
  parts = { title: h("h1", { id: "notices-title", text: "Notices" }), under: h("p", { class: "under", role: "status" }), list: h("div"), ways: h("ul", { class: "ways" }) };
  byId("notices").replaceChildren(
    h("div", { class: "lead" }, h("div", {}, parts.title, parts.under)),
    h("div", { class: "columns" },
      h("section", { class: "panel" }, h("h2", { text: "Recent" }), parts.list),
      h("section", { class: "panel" }, h("h2", { text: "Delivery" }),
        h("p", { class: "hint", text: "How notices reach you. Each way is switched on by its settings." }), parts.ways)));
}

async function load() {
  try { draw(await get("notices")); } catch (error) { setText(parts.under, sentence(error.message)); }
}

function changed(what, value) {
  const told = JSON.stringify(value);
  if (told === drawn[what]) return false;
  drawn[what] = told;
  return true;
}

function draw({ notices, ways }) {
  const open = notices.filter((one) => !one.until).length;
  setText(parts.under, open ? `${many(open, "notice")} open.` : "Nothing needs your attention right now.");
  // What stays as it is is left alone: an answer of a test is still to be read.
  if (changed("notices", notices)) parts.list.replaceChildren(notices.length
    ? h("ol", { class: "happened" }, notices.map(row))
    : h("p", { class: "soft", text: "Nothing yet. You will be told when a camera is offline for some minutes, freezes, moves, is new, or refuses its login." }));
  if (changed("ways", ways)) parts.ways.replaceChildren(...ways.map(way));
}

function row(one) {
  const link = (camera, text) => h("a", { href: `#/camera/${encodeURIComponent(camera.id)}`, text, "aria-label": `Show ${camera.name || camera.id}` });
  const cameras = one.count === 1 ? one.cameras.map((camera) => link(camera, "show"))
    : one.cameras.slice(0, 5).flatMap((camera, at) => [at ? ", " : "", link(camera, camera.name || camera.id)]);
  const more = one.count > 5 ? ` and ${one.count - 5} more` : "";
  return h("li", { data: { kind: one.kind, open: !one.until } },
    h("time", { datetime: one.since, text: moment(one.since) }),
    h("span", {}, one.text, cameras.length > 0 && h("small", { class: "soft" }, " – ", cameras, more)),
    !one.until && h("b", { class: "soft", text: "open" }));
}

function way(one) {
  const name = NAMES[one.name] ?? one.name;
  const answer = new Answer();
  const button = one.on && h("button", { type: "button", class: "small", text: "Test", "aria-label": `Test ${name}`, data: { test: one.name } });
  if (button) button.addEventListener("click", sending({ fields: [], button, doing: "Sending…", answer, work: async () => {
    const { sent, text } = await post("notices/test", { way: one.name });
    answer.tell(sentence(text), sent ? "good" : "bad");
  } }));
  return h("li", { data: { way: one.name, on: one.on } },
    h("div", {}, h("b", { text: name }), h("p", { class: "hint", text: one.on ? sentence(one.text) : `Off: ${one.text}` })), button, answer.node);
}
