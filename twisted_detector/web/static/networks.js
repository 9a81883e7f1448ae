// The networks that are searched go in; by what, when last and with how much traffic come out, and a form to change them.

import { get, post } from "./api.js";
import { byId, h, setText, sure } from "./dom.js";
import { Answer, Field, sending, sentence } from "./fields.js";
import { ago, many, stamp } from "./format.js";

const SOURCES = {
  environment: "Set in camdetect's environment (SCAN_NETWORKS or NODES_NETWORKS); it can only be removed there.",
  file: "Set in the configuration file (SCAN_NETWORKS or NODES_NETWORKS); it can only be removed there.",
};

let parts = null;
let drawn = "";

export function show() {
  if (!parts) build();
  load();
}

function build() {
  const field = new Field("network", "Network", {
    required: true, placeholder: "192.168.2.0/24", inputmode: "url",
    hint: "It may be behind a router. camdetect will look for cameras there and may send them your logins.",
  });
  const button = h("button", { class: "primary", text: "Search it" });
  const answer = new Answer();
  field.row.append(button);
  parts = { field, answer, title: h("h1", { id: "networks-title", text: "Networks" }), under: h("p", { class: "under" }), list: h("ul", { class: "nets" }), hidden: h("section", { class: "panel", hidden: true }) };
  const add = sending({ fields: [field], button, doing: "Adding…", answer, work: async () => {
    const network = field.value.trim();
    if (!network) { field.refuse("enter a network"); field.input.focus(); answer.tell(""); return; }
    draw(await post("networks", { action: "add", network }));
    field.value = "";
    answer.tell(`${network} is now searched.`, "good");
  } });
  byId("networks").replaceChildren(
    h("div", { class: "lead" }, h("div", {}, parts.title, parts.under)),
    h("div", { class: "columns" },
      h("section", { class: "panel" }, h("h2", { text: "Search another network" }), h("form", { class: "adding", novalidate: true, onsubmit: add }, field.node, answer.node)),
      h("section", { class: "panel" }, h("h2", { text: "Searched now" }), parts.list),
      parts.hidden));
}

async function load() {
  get("blocked").then(drawHidden, () => {});
  try { draw(await get("networks")); } catch (error) { setText(parts.under, sentence(error.message)); }
}

function draw({ networks }) {
  const told = JSON.stringify(networks);
  if (told === drawn) return;
  drawn = told;
  const searched = networks.filter((one) => one.searched).length;
  setText(parts.under, networks.length ? `camdetect searches ${many(searched, "network")} for cameras.` : "No network is known yet.");
  parts.list.replaceChildren(...networks.map(row));
}

function row(one) {
  const links = one.interfaces.length ? one.interfaces.join(", ") : "";
  const from = { interfaces: `A network of this machine (${links}).`, page: `Added here${links ? `; it is on ${links}` : ""}.` }[one.source] ?? SOURCES[one.source];
  const facts = [
    one.searched ? `by ${one.by.join(", ")}` : "not searched",
    one.last ? `last ${ago(one.last)}` : one.searched && "not yet",
    one.packets !== null && many(one.packets, "packet"), one.hosts !== null && many(one.hosts, "host"),
  ].filter(Boolean);
  const answer = new Answer();
  const remove = one.source === "page" && h("button", { type: "button", class: "small", text: "Remove", "aria-label": `Stop searching ${one.network}`, data: { remove: one.network } });
  if (remove) remove.addEventListener("click", sending({ fields: [], button: remove, doing: "Removing…", answer, work: async () => {
    answer.tell("");
    if (!(await sure(`Stop searching ${one.network}?`, "Cameras already found there stay. No new ones are found there, unless another network in this list contains it.", "Remove it"))) return;
    const left = await post("networks", { action: "remove", network: one.network });
    draw(left);
    parts.answer.tell(left.still ? `${one.network} is removed, and still searched: ${left.still} is in the list.` : `${one.network} is no longer searched.`, "good");
    parts.field.input.focus();
  } }));
  return h("li", { data: { network: one.network } },
    h("div", {}, h("b", { class: "mono", text: one.network }), h("p", { title: one.last ? stamp(one.last) : "", text: facts.join(" · ") }),
      one.why && h("p", { text: sentence(one.why) }),
      h("p", { class: "hint", text: [from, one.what && sentence(one.what)].filter(Boolean).join(" ") })), remove, answer.node);
}

// Devices that a person hid: here is the way back.
function drawHidden({ devices }) {
  parts.hidden.hidden = !devices.length;
  parts.hidden.replaceChildren(h("h2", { text: "Hidden devices" }),
    h("p", { class: "soft", text: "camdetect leaves them alone and does not show them." }),
    h("ul", { class: "nets" }, devices.map(({ device, macs, since }) => {
      const answer = new Answer();
      const button = h("button", { type: "button", class: "small", text: "Show again", "aria-label": `Show ${device} again`, data: { unblock: device } });
      button.addEventListener("click", sending({ fields: [], button, doing: "Asking…", answer, work: async () => {
        await post("unblock", { device });
        await get("blocked").then(drawHidden);
        parts.answer.tell(`${device} will be shown again when it is found.`, "good");
      } }));
      return h("li", {}, h("div", {}, h("b", { class: "mono", text: device }),
        h("p", { text: [macs.filter((mac) => mac.replaceAll(":", "") !== device).join(", "), `hidden ${ago(since)}`].filter(Boolean).join(" · ") })), button, answer.node);
    })));
}
