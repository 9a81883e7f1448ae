// The fleet goes in; the sites with their networks and cameras come out, what is away first.

import { get, post } from "./api.js";
import { byId, h, setText } from "./dom.js";
import { Answer, sending, sentence } from "./fields.js";
import { ago, many, safeLink, stamp, STATUS, URGENCY } from "./format.js";
import * as store from "./store.js";

// Rows that are drawn at a time: a site has hundreds, and a phone one processor.
const ROWS = 100;
const AGAIN = 15000;
const LEVEL = { online: "OK", sleeps: "OK", busy: "WARN", auth_required: "WARN", "": "OFF" };

let parts = null;
let drawn = "";
let timer = 0;
// Rows that a person has unfolded, by site.
const unfolded = new Map();

export function show() {
  if (!parts) build();
  load();
}

function build() {
  parts = { title: h("h1", { id: "sites-title", text: "Sites" }), under: h("p", { class: "under", text: "One moment." }), away: h("div", { class: "above" }), sites: h("div", { class: "columns" }) };
  byId("sites").replaceChildren(h("div", { class: "lead" }, h("div", {}, parts.title, parts.under)), parts.away, parts.sites);
}

async function load() {
  clearTimeout(timer);
  timer = setTimeout(() => { if (!byId("sites").hidden && !document.hidden) load(); }, AGAIN);
  try { draw(await get("fleet")); } catch (error) {
    clearTimeout(timer);
    setText(parts.under, error.status === 404 ? "This camdetect shares its cameras with no other: NODES_ENABLED is off." : sentence(error.message));
  }
}

function draw({ nodes, cameras }) {
  const told = JSON.stringify([nodes, cameras]);
  if (told === drawn) return;
  drawn = told;
  const all = Object.entries(cameras).map(([id, one]) => ({ id, ...one }));
  const away = nodes.filter((node) => node.away);
  const ownerless = all.filter((one) => !one.owner && !one.away);
  const mine = nodes.find((node) => node.this);
  setText(parts.under, `${many(nodes.length, "site")}${away.length ? `, ${away.length} away` : ""}; ${many(all.length, "camera")}. This page is that of ${mine.node_id}.`);
  const findings = [
    ...away.map((node) => [node.owned ? "FAIL" : "WARN", `${node.node_id} is away${node.since ? ` since ${stamp(node.since)}` : ""}.`,
      node.owned ? `${many(node.owned, "camera")} that only it knows cannot be watched. See whether its machine runs and reaches the broker.` : "Other nodes have the cameras that it had."]),
    ...(ownerless.length ? [["WARN", `${many(ownerless.length, "camera")} have no owner at this moment.`, "That should last a few seconds."]] : []),
  ];
  parts.away.replaceChildren(findings.length ? h("section", { class: "panel" }, h("h2", { text: "To look at" }), h("ul", { class: "findings" },
    findings.map(([level, text, advice]) => h("li", { data: { level } }, h("i", { role: "img", "aria-label": level === "FAIL" ? "failure" : "warning" }),
      h("div", {}, text, h("p", { class: "soft", text: advice })))))) : "");
  const focused = keyOf(document.activeElement);
  parts.sites.replaceChildren(...nodes.map((node) => site(node, all.filter((one) => (one.owner || one.away) === node.node_id))));
  if (focused) [...parts.sites.querySelectorAll("a, button, summary")].find((one) => keyOf(one) === focused)?.focus({ preventScroll: true });
}

// What a control is of, so that whoever stands on it stands there after news, too.
const keyOf = (one) => (parts.sites.contains(one) ? [one.tagName, one.closest("[data-site]")?.dataset.site, one.closest("[data-camera]")?.dataset.camera].join(" ") : "");

function site(node, cameras) {
  const page = !node.this && safeLink(node.page);
  const facts = [["State", node.away ? `Away${node.since ? `, ${ago(node.since)}` : ""}` : "Here"], ["Networks", node.networks.join(", ") || "none"],
    ["Shared networks", node.shared.join(", ")], ["Cameras", `${node.owned} of its own, ${node.known} known`], ["Version", node.version]];
  return h("section", { class: "panel", data: { site: node.node_id } },
    h("h2", { text: node.this ? `${node.node_id} (this page)` : node.node_id }),
    h("dl", {}, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", { text: name }), h("dd", { text: value })])),
    page && h("p", {}, h("a", { href: page, rel: "noreferrer", text: `Open the page of ${node.node_id}` })),
    cameras.length > 0 && folded(node, cameras.sort(byNeed)));
}

const byNeed = (a, b) => (URGENCY[a.status] ?? 6) - (URGENCY[b.status] ?? 6) || (a.name || a.id).localeCompare(b.name || b.id, undefined, { numeric: true });

function folded(node, cameras) {
  const bad = cameras.filter((one) => !["online", "sleeps", ""].includes(one.status)).length;
  const list = h("ul", { class: "findings" });
  const more = h("button", { type: "button", class: "small", hidden: true });
  const fill = (count) => {
    list.append(...cameras.slice(list.children.length, count).map((one) => row(one, node)));
    const rest = cameras.length - list.children.length;
    more.hidden = !rest;
    setText(more, `Show ${Math.min(rest, ROWS)} more`);
    unfolded.set(node.node_id, count);
  };
  more.addEventListener("click", () => fill(list.children.length + ROWS));
  const box = h("details", { open: unfolded.has(node.node_id) }, h("summary", { text: `${many(cameras.length, "camera")}${bad ? `, ${bad} to look at` : ""}` }), list, more);
  box.addEventListener("toggle", () => {
    if (!box.open) unfolded.delete(node.node_id); else if (!list.children.length) fill(ROWS);
  });
  if (box.open) fill(unfolded.get(node.node_id));
  return box;
}

function row(one, node) {
  const name = one.name || one.id;
  const words = node.away ? "Not watched" : STATUS[one.status] ?? "State not known here";
  const answer = new Answer();
  const button = !node.away && !node.this && h("button", { type: "button", class: "small", text: "Check", "aria-label": `Check ${name} now` });
  if (button) button.addEventListener("click", sending({ fields: [], button, doing: "Asking…", answer, work: async () => {
    await post(`cameras/${encodeURIComponent(one.id)}/check`);
    answer.tell(`${node.node_id} checks it now.`, "good");
  } }));
  const label = store.cameras.has(one.id) ? h("a", { href: `#/camera/${encodeURIComponent(one.id)}`, text: name }) : h("b", { text: name });
  return h("li", { data: { level: node.away ? "OFF" : LEVEL[one.status] ?? "FAIL", camera: one.id } }, h("i", { role: "img", "aria-label": words }),
    h("div", {}, label, ` ${words}`,
      (one.area || one.ip) !== "" && h("p", { class: "soft", text: [one.area, one.ip].filter(Boolean).join(" · ") }),
      one.reason && h("p", { text: sentence(one.reason) }), answer.node), button);
}
