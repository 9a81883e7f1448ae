// What would help at an address goes in, as the daemon names it; a button that does it comes out.

import { post } from "./api.js";
import { h } from "./dom.js";
import { Answer, sending } from "./fields.js";

// done: called when it was done. useAt: asks for another target.
export function helping(help, done, useAt) {
  const { kind, text } = help;
  const key = { help: `${kind} ${help.address ?? help.network ?? help.camera_id}` };
  if (kind === "give-login" && help.camera_id) {
    return h("a", { class: "button small", href: `#/camera/${encodeURIComponent(help.camera_id)}/login`, text, data: key });
  }
  const answer = new Answer();
  const work = {
    "add-network": async () => { await post("networks", { action: "add", network: help.network }); answer.tell(`${help.network} is now searched.`, "good"); done(); },
    "adopt": async () => { await post(`cameras/${encodeURIComponent(help.camera_id)}/adopt`); answer.tell("Adopted.", "good"); done(); },
    "use-port": useAt && (async () => { answer.tell(""); useAt(help.target); }),
  }[kind];
  if (!work) return h("span", { class: "soft", text });
  const button = h("button", { type: "button", class: "small", text, data: key });
  button.addEventListener("click", sending({ fields: [], button, doing: `${text}…`, answer, work }));
  return [button, answer.node];
}
