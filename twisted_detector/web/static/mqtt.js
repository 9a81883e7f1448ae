// The series of the MQTT connection goes in; a dashboard with an hour of past comes out, and goes on.

import { get } from "./api.js";
import { Chart, Strip } from "./chart.js";
import { byId, h, setText } from "./dom.js";
import { first, span, stamp } from "./format.js";

const SAMPLES = 720;
let data = null;
let parts = null;

function column(name) { return data.columns.indexOf(name); }
const value = (name) => (row) => row[column(name)];

function from(rows) { return rows.length > 1 ? `${span(rows.at(-1)[0] - rows[0][0])} ago` : ""; }

// Rates are differences; a restart of the daemon begins anew at nought.
function rate(row, before) {
  const seconds = before ? row[0] - before[0] : 0;
  const n = column("acknowledged");
  return seconds > 0 ? Math.max(0, row[n] - before[n]) / seconds : null;
}

export async function show() {
  const view = byId("mqtt");
  if (!parts) build(view);
  try {
    data = await get("mqtt");
    data.rows.forEach((row, at) => row.push(rate(row, data.rows[at - 1])));
    setText(parts.under, "");
    draw();
  } catch (error) { setText(parts.under, error.message); }
}

function build(view) {
  const tile = (name) => { const number = h("b", { text: "–" }); const small = h("span", { class: "soft" }); return { number, small, node: h("div", { class: "tile" }, h("h3", { text: name }), number, small) }; };
  parts = {
    title: h("h1", { id: "mqtt-title", text: "MQTT" }),
    under: h("p", { class: "under", text: "One moment." }),
    tiles: { rate: tile("Delivered"), queue: tile("Waiting"), latency: tile("Time to acknowledge"), lost: tile("Disconnects") },
    strip: new Strip(),
    stripEnds: h("span"),
    queue: new Chart({ title: "Waiting messages, by priority", stacked: true, least: 5, from,
      series: ["critical", "state", "event", "telemetry"].map((name) => ({ name, value: value(`queue_${name}`) })) }),
    latency: new Chart({ title: "Time to acknowledge", unit: " ms", digits: 1, least: 5, from,
      series: [{ name: "median", value: value("p50_ms") }, { name: "99th percentile", value: value("p99_ms") }] }),
    flow: new Chart({ title: "Acknowledged messages a second", digits: 1, least: 1, from, series: [{ name: "a second", value: (row) => row.at(-1) }] }),
    reasons: h("div"),
    changes: h("div"),
  };
  view.replaceChildren(
    h("div", { class: "lead" }, h("div", {}, parts.title, parts.under)),
    h("h2", { class: "hide", text: "The last hour" }),
    h("figure", { class: "chart" }, h("figcaption", {}, h("h3", { text: "The connection" })), h("div", { class: "plot slim" }, parts.strip.node), h("div", { class: "ends soft", "aria-hidden": "true" }, parts.stripEnds, h("span", { text: "now" }))),
    h("div", { class: "tiles" }, Object.values(parts.tiles).map((one) => one.node)),
    h("div", { class: "charts" }, parts.queue.node, parts.latency.node, parts.flow.node,
      h("section", { class: "panel" }, h("h3", { text: "Why it was disconnected" }), parts.reasons)),
    h("section", { class: "panel" }, h("h3", { text: "Connection history" }), parts.changes));
}

function draw() {
  const now = data.now;
  const depth = Object.values(now.queue_depth ?? {}).reduce((sum, one) => sum + one, 0);
  const words = { connected: "MQTT is connected", connecting: "MQTT is connecting" };
  setText(parts.title, words[now.state] ?? "MQTT is not connected");
  const since = now.state === "connected" && now.connected_since ? `Since ${stamp(now.connected_since)}. ` : "";
  const why = now.state !== "connected" && now.reason ? `${first(now.reason)}. ${now.advice ? `${first(now.advice)}. ` : ""}Messages wait until it is back. ` : "";
  const warning = now.warning ? `Warning: ${now.warning}. ` : "";
  setText(parts.under, `${warning}${since}${why}${now.protocol ? `Protocol ${now.protocol}.` : ""}`);
  const t = parts.tiles;
  const tell = (one, number, small) => { setText(one.number, number); setText(one.small, small); };
  tell(t.rate, now.success_rate == null ? "–" : `${(now.success_rate * 100).toFixed(now.success_rate === 1 ? 0 : 3)} %`, `${(now.acknowledged ?? 0).toLocaleString()} acknowledged`);
  tell(t.queue, depth.toLocaleString(), depth ? `the oldest for ${span(now.oldest_queued_s ?? 0)}` : "none waiting");
  const { p50, p99 } = now.ack_latency_ms ?? {};
  tell(t.latency, p50 == null ? "–" : `${p50.toFixed(1)} ms`, p99 == null ? "none yet" : `99th percentile ${p99.toFixed(1)} ms`);
  const longest = now.reconnect_seconds?.max;
  tell(t.lost, String(now.disconnects ?? 0), longest ? `longest outage ${span(longest)}` : now.disconnects ? "not back yet" : "never disconnected");
  parts.strip.draw(data.rows, value("state"));
  setText(parts.stripEnds, from(data.rows));
  for (const chart of [parts.queue, parts.latency, parts.flow]) chart.draw(data.rows);
  const most = Math.max(1, ...data.reasons.map((one) => one.count));
  parts.reasons.replaceChildren(data.reasons.length
    ? h("ul", { class: "bars" }, data.reasons.map((one) => {
      const bar = h("i", { "aria-hidden": "true" });
      bar.style.width = `${(100 * one.count) / most}%`;
      return h("li", {}, h("span", { text: one.reason }), h("b", { text: `${one.count}×` }), bar);
    }))
    : h("p", { class: "soft", text: "Not disconnected since camdetect started." }));
  parts.changes.replaceChildren(data.connections.length
    ? h("ol", { class: "happened" }, [...data.connections].reverse().slice(0, 40).map((one) =>
      h("li", { data: { kind: one.event } }, h("time", { datetime: one.at, text: stamp(one.at) }),
        h("span", { text: `${one.event}${one.reason ? `: ${one.reason}` : ""}` }), h("span", { class: "soft", text: `after ${span(one.duration_s)}` }))))
    : h("p", { class: "soft", text: "Nothing yet." }));
}

export function sampled({ row, now }) {
  if (!data) return;
  row.push(rate(row, data.rows.at(-1)));
  data.rows.push(row);
  if (data.rows.length > SAMPLES) data.rows.shift();
  data.now = now;
  if (!byId("mqtt").hidden) draw();
}

// What is known of the connection after a change of it, which says nothing of what to do: that holds for the same reason.
export function after(now, { event, state, reason, at }) {
  const advice = now?.reason === reason ? now.advice : "";
  return { ...now, state, reason, advice, connected_since: event === "connected" ? at : now?.connected_since };
}

export function changed(change) {
  if (!data) return;
  data.connections.push(change);
  if (change.event !== "connected") {
    const reason = change.reason || "no reason given";
    const known = data.reasons.find((one) => one.reason === reason);
    if (known) known.count += 1; else data.reasons.push({ reason, count: 1 });
  }
  data.now = after(data.now, change);
  if (!byId("mqtt").hidden) draw();
}
