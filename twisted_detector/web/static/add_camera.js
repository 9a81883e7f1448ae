// An address, a range or a stream's URL goes in; what camdetect does there, step by step, and the camera come out.

import { get, post } from "./api.js";
import { byId, h } from "./dom.js";
import { Answer, Field, sending, sentence } from "./fields.js";
import { local, many } from "./format.js";
import { helping } from "./helps.js";
import { cameras } from "./store.js";

// Milliseconds between two looks at a running job.
const PAUSE = 700;
const SIGNS = { doing: ["…", "under way"], ok: ["✓", "done"], failed: ["✕", "failed"] };
// Addresses whose steps are shown, and cameras that are linked to; there is the view of all cameras for more.
const SHOWN = 48, LINKED = 12;

let parts = null;
let job = ""; // the one that is followed
let asked = ""; // the target as it was typed
let drawn = "";
let follows = 0;

export function show(target) {
  if (!parts) build();
  if (target && parts.field.value !== target) { job = ""; parts.field.value = target; draw(null); parts.answer.tell(""); }
  else if (job) follow().catch((error) => parts.answer.tell(sentence(error.message), "bad"));
  parts.field.input.focus();
}

function build() {
  const field = new Field("target", "Address, range or stream", {
    required: true, placeholder: "192.168.1.20", inputmode: "url",
    hint: "192.168.1.20 · 192.168.1.20-40 · 192.168.1.0/24 · rtsp://user:password@192.168.1.20:554/stream1. A login in a URL is removed from it and saved as the camera's login.",
  });
  const button = h("button", { class: "primary", text: "Add" });
  const answer = new Answer();
  const begin = sending({ fields: [field], button, doing: "Adding…", answer, work: start });
  field.row.append(button);
  const steps = h("div", { class: "answer" });
  parts = { field, answer, steps, begin };
  byId("add").replaceChildren(
    h("div", { class: "lead" }, h("div", {}, h("h1", { id: "add-title", text: "Add a camera" }),
      h("p", { class: "under", text: "camdetect checks it right away and shows each step here, with suggestions where something fails." }))),
    h("form", { class: "adding", novalidate: true, onsubmit: begin }, field.node, answer.node), steps);
}

async function start() {
  const target = parts.field.value.trim();
  if (!target) { parts.field.refuse("enter an address, a range or a URL"); parts.field.input.focus(); parts.answer.tell(""); return; }
  draw(null);
  asked = target;
  const said = await post("add", { target });
  job = said.job;
  await follow(said);
}

// Looks at the job until it is done, or the view is left: it goes on meanwhile, and is looked at again on coming back.
async function follow(first) {
  const mine = job;
  const turn = follows += 1; // on coming back quickly the former turn is still there
  let said = first ?? await get(`add/${encodeURIComponent(mine)}`);
  while (mine === job && turn === follows) {
    draw(said);
    if (said.done) {
      job = "";
      // A URL may have a password in it: it does not stay once it has served.
      if (said.camera_ids.length && !said.steps.some((one) => one.state === "failed")) parts.field.value = "";
      return;
    }
    await new Promise((done) => { setTimeout(done, PAUSE); });
    if (byId("add").hidden) return;
    said = await get(`add/${encodeURIComponent(mine)}`);
  }
}

function draw(said) {
  const told = JSON.stringify(said);
  if (told === drawn) return;
  drawn = told;
  if (!said) { parts.steps.replaceChildren(); return; }
  const places = new Map();
  for (const one of said.steps) places.set(one.address, [...places.get(one.address) ?? [], one]);
  const failures = said.steps.filter((one) => one.state === "failed");
  parts.answer.tell(verdict(said, failures, places.size), said.done ? (said.camera_ids.length && !failures.length ? "good" : "bad") : "busy");
  const shown = [...places].slice(0, SHOWN);
  const focus = document.activeElement?.dataset?.help;
  parts.steps.replaceChildren(...[
    said.done && said.camera_ids.length > 0 && found(said.camera_ids),
    ...shown.map(([address, steps]) => h("section", { class: "panel" },
      h("h2", { class: "mono", text: address || said.target }),
      h("ol", { class: "steps" }, steps.map((one) => step(one, address))))),
    places.size > shown.length && h("p", { class: "soft", text: `And ${many(places.size - shown.length, "address", "addresses")} more.` }),
  ].filter(Boolean));
  if (focus) parts.steps.querySelector(`[data-help="${CSS.escape(focus)}"]`)?.focus();
}

function verdict(said, failures, places) {
  const count = said.camera_ids.length;
  if (!said.done) {
    const now = said.steps.findLast((one) => one.state === "doing");
    return now ? sentence(`${now.address ? `${now.address}: ` : ""}${now.text}`) : "Working…";
  }
  const words = count === 1 ? "The camera was added" : count ? `${many(count, "camera")} added` : "No camera was added";
  const last = failures.at(-1);
  if (!last) return sentence(words);
  if (count && places > 1) return `${words}. ${many(failures.length, "step")} failed; see below.`;
  return sentence(`${words}${count ? ", but" : ""}: ${local(last.reason || last.text)}`);
}

function found(ids) {
  const links = ids.slice(0, LINKED).map((id) => ({ id, name: cameras.get(id)?.name || id, ip: cameras.get(id)?.ip }));
  const same = (name) => links.filter((one) => one.name === name).length > 1;
  return h("div", { class: "row" }, links.map(({ id, name, ip }) =>
    h("a", { class: "button primary", href: `#/camera/${encodeURIComponent(id)}`, text: `Open ${name}${same(name) ? ` (${ip})` : ""}` })));
}

function step(one, address) {
  const [sign, words] = SIGNS[one.state] ?? SIGNS.doing;
  return h("li", { data: { state: one.state } },
    h("i", { role: "img", "aria-label": words, text: sign }),
    h("div", {},
      h("p", { text: local(one.text) }),
      one.reason && h("p", { class: "reason", text: local(one.reason) }),
      one.help?.length > 0 && h("div", { class: "row" }, one.help.map((help) => helping(help, () => { if (one.state === "failed") again(asked); }, againAt)))));
}

// The login that was typed goes along to another port of the same camera.
function againAt(target) { again(target.replace("://", `://${/:\/\/([^/?#]*@)/.exec(asked)?.[1] ?? ""}`)); }

function again(target) {
  parts.field.value = target;
  drawn = "";
  parts.begin();
}
