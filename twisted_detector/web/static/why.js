// An address goes in; why it is, or is not, among the cameras comes out.

import { get, post } from "./api.js";
import { byId, h, setText, toast } from "./dom.js";
import { STATUS, local, stamp } from "./format.js";

// Milliseconds between two looks at an address that is being asked, and how many: an inspection takes two minutes at most.
const PAUSE = 3000, LOOKS = 40;

let parts = null;

export function show(address) {
  if (!parts) build();
  if (address && parts.input.value !== address) { parts.input.value = address; ask(); }
}

function build() {
  const input = h("input", { id: "address", name: "address", required: true, maxlength: 64, placeholder: "192.168.1.20", inputmode: "url", autocomplete: "off", spellcheck: "false", "aria-describedby": "why-under" });
  const button = h("button", { class: "primary", text: "Find" });
  const answer = h("div", { class: "answer", role: "status" });
  parts = { input, button, answer };
  byId("why").replaceChildren(
    h("div", { class: "lead" }, h("div", {}, h("h1", { id: "why-title", text: "Find a camera" }),
      h("p", { class: "under", id: "why-under", text: "Enter the address of a camera that is missing. camdetect looks there again and explains what it saw, what it asked, and what was answered." }))),
    h("form", { class: "asking", onsubmit: (event) => { event.preventDefault(); ask(); } },
      h("label", { for: "address", text: "Address" }), input, button),
    answer);
}

async function ask() {
  const address = parts.input.value.trim();
  if (!address) return;
  parts.button.disabled = true;
  parts.answer.replaceChildren(h("p", { class: "soft waiting", text: `Checking ${address}. This takes a few seconds.` }));
  try {
    draw(await get(`why?address=${encodeURIComponent(address)}`));
  } catch (error) {
    parts.answer.replaceChildren(h("div", { class: "panel" }, h("h2", { text: "No answer to that" }), h("p", { text: error.message })));
  } finally { parts.button.disabled = false; }
}

function draw(found) {
  const helps = h("span", { class: "row" });
  if (found.help?.length) import("./helps.js").then(({ helping }) => helps.append(...found.help.flatMap((help) => helping(help, ask))), () => {});
  const ports = Object.entries(found.ports).sort(([a], [b]) => a - b);
  parts.answer.replaceChildren(...[
    h("div", { class: "panel verdict" },
      h("p", { class: "mono soft", text: [found.address, found.mac, found.network].filter(Boolean).join("  ·  ") }),
      h("h2", { text: local(found.reason.text) }),
      found.reason.advice && h("p", { class: "advice", text: found.reason.advice }),
      h("div", { class: "row" },
        found.cameras.map((camera) => h("a", { class: "button", href: `#/camera/${encodeURIComponent(camera.id)}`, text: `${camera.name || camera.id}: ${STATUS[camera.status]}` })),
        h("a", { class: "button", href: `#/add/${encodeURIComponent(found.address)}`, text: "Add it as a camera" }),
        helps,
        h("button", { type: "button", text: "Check this address", onclick: () => probe(found.address) }))),
    ports.length > 0 && h("section", { class: "panel" }, h("h3", { text: "Ports, checked just now" }),
      h("ul", { class: "ports" }, ports.map(([port, outcome]) => h("li", { data: { open: String(outcome === "open") } }, h("b", { class: "mono", text: port }), " ", outcome)))),
    h("section", { class: "panel" }, h("h3", { text: "What was seen, asked and answered" }),
      found.facts.length
        ? h("ol", { class: "happened" }, found.facts.map((fact) => h("li", {},
          h("time", { datetime: fact.last_at, text: stamp(fact.last_at) }),
          h("span", {}, h("b", { text: fact.source }), ` ${local(fact.text)}`),
          fact.times > 1 ? h("span", { class: "soft", text: `${fact.times}×` }) : null)))
        : h("p", { class: "soft", text: "Nothing." })),
  ].filter(Boolean));
}

async function probe(address) {
  try {
    await post("probe", { address });
    toast(`Checking ${address}…`);
    for (let look = 0; look < LOOKS; look += 1) {
      await new Promise((done) => { setTimeout(done, PAUSE); });
      if (parts.input.value.trim() !== address || !location.hash.startsWith("#/why")) return;
      const found = await get(`why?address=${encodeURIComponent(address)}`);
      if (parts.input.value.trim() === address) draw(found);
      if (found.reason.word !== "being-asked") return;
    }
  } catch (error) { toast(error.message, "bad"); }
}

export function clear() { if (parts) setText(parts.answer, ""); }
