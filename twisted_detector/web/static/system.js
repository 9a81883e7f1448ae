// The daemon's own state goes in; what is well, what is not, what happened and what can be taken along come out.

import { del, get, getText } from "./api.js";
import { byId, copy, h, setText, toast } from "./dom.js";
import { local, many, stamp } from "./format.js";

const EXPORTS = [
  ["frigate", "Frigate", "A configuration with all streams"],
  ["go2rtc", "go2rtc", "Streams by camera"],
  ["json", "JSON", "Everything known"],
  ["csv", "CSV", "A table of the cameras"],
];
let parts = null;
let lines = [];

export function setUp() { build(); }

function build() {
  parts = {
    title: h("h1", { id: "system-title", text: "System" }), under: h("p", { class: "under" }),
    findings: h("div"), consumers: h("section", { class: "panel", hidden: true }), sweeps: h("div"), activity: h("div"), facts: h("div"),
    plugins: h("div"), reload: h("div"), logout: h("button", { type: "button", class: "quiet", text: "Sign out", hidden: true, onclick: async () => { await del("session"); location.reload(); } }),
  };
  byId("system").replaceChildren(
    h("div", { class: "lead" }, h("div", {}, parts.title, parts.under), h("div", { class: "row" }, h("a", { class: "button", href: "#/first-run", text: "Broker, Home Assistant, Frigate, go2rtc" }), parts.logout)),
    h("h2", { class: "hide", text: "Details" }),
    h("div", { class: "columns" },
      h("div", {},
        h("section", { class: "panel" }, h("h3", { text: "Findings" }), parts.findings),
        h("section", { class: "panel" }, h("h3", { text: "Export" }),
          h("p", { class: "soft", text: "Passwords are left out: variables stand for them, which Frigate and go2rtc fill in." }), EXPORTS.map(exported)),
        parts.consumers,
        h("section", { class: "panel" }, h("h3", { text: "The daemon" }), parts.facts), parts.plugins, parts.reload),
      h("div", {},
        h("section", { class: "panel" }, h("h3", { text: "Recent activity" }), parts.activity),
        h("section", { class: "panel" }, h("h3", { text: "Latest scan by method" }), parts.sweeps))));
}

function exported([format, name, text]) {
  const button = h("button", {
    type: "button", class: "small", text: "Copy", "aria-label": `Copy the ${name} configuration`, data: { copy: format },
    onclick: async () => {
      button.disabled = true;
      try { await copy(await getText(`export/${format}`), `The configuration for ${name}`); } catch (error) { toast(error.message, "bad"); } finally { button.disabled = false; }
    },
  });
  return h("div", { class: "stream" }, h("div", {}, h("b", { text: name }), h("p", { class: "soft", text })),
    h("div", { class: "row" }, button, h("a", { class: "button small", href: `api/v1/export/${format}`, download: "", text: "Save", "aria-label": `Save the ${name} configuration` })));
}

export async function show(session) {
  if (!parts.reload.firstChild) import("./reload.js").then(({ reloadPanel }) => { if (!parts.reload.firstChild) parts.reload.append(reloadPanel()); }, () => {});
  import("./plugins.js").then(({ showPlugins }) => showPlugins(parts.plugins), () => {});
  parts.logout.hidden = !session?.needed;
  const failed = (where) => (error) => where.replaceChildren(h("p", { class: "reason", text: error.message }));
  get("activity?limit=60").then((answer) => { lines = answer.activity; drawActivity(); }, failed(parts.activity));
  get("doctor").then(drawFindings, failed(parts.findings));
  get("status").then(drawStatus, failed(parts.facts));
}

function drawFindings({ findings }) {
  const bad = findings.filter((one) => one.level !== "OK");
  setText(parts.under, bad.length ? `${many(bad.length, "finding")} to look at.` : "All is well.");
  const order = { FAIL: 0, WARN: 1, OK: 2 };
  parts.findings.replaceChildren(h("ul", { class: "findings" }, [...findings].sort((a, b) => order[a.level] - order[b.level]).map((one) =>
    h("li", { data: { level: one.level } }, h("i", { role: "img", "aria-label": { OK: "OK", WARN: "warning", FAIL: "failure" }[one.level] }),
      h("div", {}, h("b", { text: one.name }), ` ${one.text}`, one.advice && h("p", { class: "soft", text: one.advice }))))));
}

function drawStatus(answer) {
  drawSweeps(answer.discovery);
  drawConsumers(Object.entries(answer.consumers ?? {}));
  const { resources: used = {}, reactor = {}, broker = {} } = answer;
  const rows = [
    ["Version", answer.version], ["Node", answer.node_id], ["State", answer.reason || answer.status],
    ["Broker", broker.text],
    ["Memory", used.rss_mb != null && `${used.rss_mb} MB`], ["Processor", used.cpu_percent != null && `${used.cpu_percent} %`],
    ["Open files", used.fds], ["Longest stall", reactor.lag_ms && `${reactor.lag_ms.max} ms`],
  ];
  parts.facts.replaceChildren(h("dl", {}, rows.filter(([, value]) => value !== undefined && value !== false && value !== "")
    .map(([name, value]) => [h("dt", { text: name }), h("dd", { text: String(value) })])));
}

function drawConsumers(consumers) {
  parts.consumers.hidden = !consumers.length;
  parts.consumers.replaceChildren(h("h3", { text: "Frigate and go2rtc" }),
    h("table", {}, h("thead", {}, h("tr", {}, ["Place", "State", "Cameras"].map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, consumers.sort(([a], [b]) => a.localeCompare(b)).map(([name, one]) => h("tr", {}, h("th", { scope: "row", text: name }),
        h("td", { text: one.state, title: one.reason }), h("td", { text: [one.cameras, ...Object.entries(one.kept_by ?? {}).map(([node, count]) => `${count} kept by ${node || "a node that is away"}`)].join(", ") }))))));
}

export function drawSweeps(discovery) {
  const sweeps = Object.entries(discovery?.last_sweep ?? {});
  parts.sweeps.replaceChildren(sweeps.length
    ? h("table", {}, h("thead", {}, h("tr", {}, ["Method", "Seen", "Took", "Ended"].map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, sweeps.map(([method, one]) => h("tr", {}, h("th", { scope: "row", text: method }), h("td", { text: String(one.sightings) }),
        h("td", { text: `${one.duration_s.toFixed(1)} s` }), h("td", { text: one.error || stamp(one.at) })))))
    : h("p", { class: "soft", text: "No scan has finished yet." }));
}

export function happened({ activity }) {
  const known = new Set(lines.map((line) => line.number));
  lines = [...activity.filter((line) => !known.has(line.number)), ...lines].slice(0, 60);
  if (!byId("system").hidden) drawActivity();
}

function drawActivity() {
  parts.activity.replaceChildren(lines.length
    ? h("ol", { class: "happened" }, lines.slice(0, 40).map((one) => h("li", { data: { kind: one.kind } },
      h("time", { datetime: one.at, text: stamp(one.at) }),
      h("span", {}, h("a", { href: `#/camera/${encodeURIComponent(one.camera_id)}`, text: one.name }), ` ${local(one.text)}`))))
    : h("p", { class: "soft", text: "Nothing since camdetect started." }));
}
