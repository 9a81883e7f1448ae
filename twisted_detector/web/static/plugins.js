// The daemon's list of plugins goes in; which run, where each is from, what it did and what is wrong with it come out.

import { get } from "./api.js";
import { h } from "./dom.js";
import { sentence } from "./fields.js";
import { many } from "./format.js";

const LEVELS = { loaded: "OK", off: "OFF", "left out": "FAIL", disabled: "FAIL" };
const COUNTS = [["sightings", "sighting"], ["published", "message"], ["messages", "message"], ["limited", "dropped message"]];

export async function showPlugins(where) {
  let answer;
  try { answer = await get("plugins"); } catch { where.replaceChildren(); return; }
  const yours = answer.plugins.filter((one) => !one.is_builtin), ours = answer.plugins.filter((one) => one.is_builtin);
  const bad = ours.filter((one) => level(one) !== "OK" && level(one) !== "OFF");
  where.replaceChildren(h("section", { class: "panel plugins" }, h("h3", { text: "Plugins" }),
    answer.problems.length > 0 && h("ul", { class: "findings" }, answer.problems.map((text) => row("WARN", "warning", h("span", { text })))),
    yours.length || bad.length ? h("ul", { class: "findings" }, [...yours, ...bad].map(plugin))
      : h("p", { class: "soft", text: "None beside those of camdetect. docs/plugins.md says how to write one." }),
    h("details", {}, h("summary", { text: `${many(ours.length, "plugin")} of camdetect itself` }), h("ul", { class: "findings" }, ours.map(plugin)))));
}

function level(one) {
  const found = LEVELS[one.state] ?? "WARN";
  return found === "OK" && (one.faults || one.stalls || one.counts.limited) ? "WARN" : found;
}

function row(mark, label, ...content) {
  return h("li", { data: { level: mark } }, h("i", { role: "img", "aria-label": label }), h("div", {}, ...content));
}

function plugin(one) {
  const from = one.is_builtin ? "" : [one.package, one.file].filter(Boolean).join(", ");
  const did = COUNTS.filter(([name]) => one.counts[name]).map(([name, word]) => many(one.counts[name], word)).join(", ");
  return row(level(one), one.state, h("b", { text: one.name || "a folder" }), ` ${one.kinds.join(", ")}${one.kinds.length ? ": " : ""}${one.state === "loaded" ? "on" : one.state}`,
    one.why && h("p", { text: sentence(one.why) }),
    one.faults > 0 && one.state !== "disabled" && h("p", { text: `${many(one.faults, "error")}; the last one: ${one.last_fault}.` }),
    one.stalls > 0 && h("p", { text: `It held everything up ${many(one.stalls, "time")}, the last time for ${one.last_stall.seconds} s.` }),
    one.last_stall.stack && h("details", {}, h("summary", { text: "Where" }), h("pre", { text: one.last_stall.stack, tabindex: "0" })),
    did && h("p", { class: "soft", text: `${did}.` }), from && h("p", { class: "soft", text: from }));
}
