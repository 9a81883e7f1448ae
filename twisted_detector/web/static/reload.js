// Configuration and login files were edited by hand: a button has them read again; what that changed comes out.

import { post } from "./api.js";
import { h } from "./dom.js";
import { Answer, sending, sentence } from "./fields.js";

export function reloadPanel() {
  const answer = new Answer();
  const told = h("ul", { class: "findings" });
  const button = h("button", { type: "button", class: "small", text: "Reload", data: { act: "reload" } });
  const restart = h("button", { type: "button", class: "small", text: "Restart now", data: { act: "restart" }, hidden: true });
  const read = async (body) => {
    const said = await post("reload", body);
    restart.hidden = !said.restart.length || said.restarting;
    const row = (level, text) => h("li", { data: { level } }, h("i", { role: "img", "aria-label": { OK: "changed", WARN: "waits", FAIL: "fault" }[level] }), h("span", { text: sentence(text) }));
    told.replaceChildren(...said.changed.map((one) => row("OK", one)),
      ...said.restart.map((one) => row("WARN", `${one}: takes effect after a restart`)), ...said.faults.map((one) => row("FAIL", one)));
    if (said.restarting) answer.tell("camdetect is restarting. This takes a few seconds.");
    else if (said.faults.length) answer.tell("There is a mistake; the part that it is in stays as it was.", "bad");
    else answer.tell(said.changed.length || said.restart.length ? "Reloaded." : "Nothing has changed.", "good");
  };
  button.addEventListener("click", sending({ fields: [], button, doing: "Reloading…", answer, work: () => read({}) }));
  restart.addEventListener("click", sending({ fields: [], button: restart, doing: "Restarting…", answer, work: () => read({ restart: true }) }));
  return h("section", { class: "panel" }, h("h3", { text: "Configuration" }),
    h("p", { class: "soft", text: "For when you have edited the configuration file, a login file or STATE_DIR/overrides by hand." }),
    h("div", { class: "row" }, button, restart), told, answer.node);
}
