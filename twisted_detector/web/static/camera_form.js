// One camera goes in; a form for all that a person decides about it comes out: login, name, streams, who may see it.
//
// What was typed is never thrown away: not by news of the camera, not by a refusal, not by somebody who changed it too.

import { get, post } from "./api.js";
import { h, setText, sure } from "./dom.js";
import { Answer, Field, passwordField, sending, sentence } from "./fields.js";
import { local } from "./format.js";
import { cameras } from "./store.js";

// Where a value comes from, and why it cannot be changed here.
const FIXED = {
  environment: "Set in camdetect's environment, which overrides this page. Change it there.",
  file: "Set in a configuration or login file, which overrides this page. Change it there.",
};
const ADOPTED = {
  "no": "Not adopted: camdetect sends it no login.", "listed": "Adopted by the configuration. This can only be changed there.",
  "person": "Adopted by hand.", "first-run": "Adopted because it was found during the first run.",
  "seen": "Adopted because its MAC address was seen here (ADOPTION=all).",
};

export class CameraForm {
  // refresh: draws the rest of the camera's view anew; leave: closes the view.
  constructor(camera, { refresh, leave }) {
    this.refresh = refresh;
    this.leave = leave;
    this.path = `cameras/${encodeURIComponent(camera.id)}`;
    this.login = new LoginGroup(this, camera);
    this.groups = [this.login, new NameGroup(this), new StreamGroup(this)];
    this.manage = h("div", { class: "manage" });
    this.fault = new Answer();
    this.turn = 0; // of what was asked or taken over last
    this.node = h("section", { class: "settings", "aria-label": "Settings of this camera" }, this.fault.node, this.groups.map((one) => one.node), this.manage);
    // First what mends it: a login that is wanted, the address of streams that nobody found.
    const [, name, streams] = this.groups;
    const noStream = camera.status === "stream_error" && !camera.streams.length && !camera.reason_code;
    (camera.status === "auth_required" ? this.login : noStream ? streams : name).node.open = true;
    this.update(camera);
    this.load();
  }

  async load() {
    const turn = this.turn += 1;
    try {
      const decided = await get(`${this.path}/decided`);
      if (turn === this.turn) this.take(decided); // else it was overtaken
      this.fault.tell("");
    } catch (error) { this.fault.tell(sentence(error.message), "bad"); }
  }

  take(decided) {
    this.turn += 1;
    this.decided = decided;
    for (const one of this.groups) one.take(decided.values, decided.version);
    this.drawManage();
  }

  // News of the camera.
  update(camera) {
    this.camera = camera;
    for (const one of this.groups) one.update(camera);
    this.drawManage();
  }

  drawManage() {
    const { camera, path } = this;
    const told = JSON.stringify([camera.adopted, camera.adopted_at, camera.name, this.decided?.values.adopted]);
    if (told === this.drawn) return;
    this.drawn = told;
    const source = this.decided?.values.adopted?.source;
    const active = this.manage.contains(document.activeElement) ? document.activeElement.dataset.act : "";
    const answer = new Answer();
    const doing = (words, text, act, work, kind = "") => {
      const button = h("button", { type: "button", class: `small ${kind}`, text, data: { act } });
      button.addEventListener("click", sending({ fields: [], button, doing: `${text}…`, answer, work }));
      return h("li", {}, h("span", { text: words }), button);
    };
    const asked = async (title, text, yes, work) => { answer.tell(""); if (await sure(title, text, yes)) await work(); answer.tell(""); };
    const adopt = async () => { await post(`${path}/adopt`); await this.refresh(); };
    const mayLeave = ["person", "first-run", "seen"].includes(camera.adopted) && !FIXED[source];
    this.manage.replaceChildren(h("ul", {},
      camera.adopted === "no" ? doing(camera.adopted_at ? `Node ${camera.adopted_at} says that it is adopted there. It is not adopted here: this camdetect sends it no login. If it is yours, adopt it here, too.` : ADOPTED.no, camera.adopted_at ? "Adopt here" : "Adopt", "adopt", adopt, "primary") : h("li", {}, h("span", { text: camera.adopted === "listed" && source === "page" ? "Adopted because its network, or a login for it, was added on this page." : ADOPTED[camera.adopted] ?? "" })),
      ["first-run", "seen"].includes(camera.adopted) && doing("Confirm that it is yours. Only then may it be sent a password in clear text, where the configuration allows that.", "Trust", "adopt", adopt),
      mayLeave && doing("Stop using logins for it, in camdetect, Frigate and go2rtc.", "Unadopt", "unadopt", () =>
        asked(`Unadopt ${camera.name}?`, "camdetect, Frigate and go2rtc will no longer use a login for it.", "Unadopt", async () => { await post(`${path}/unadopt`); await this.refresh(); })),
      doing("Not yours, or not wanted? A hidden camera is left alone and not shown.", "Hide", "block", () =>
        asked(`Hide ${camera.name}?`, `${camera.name} will be forgotten, left alone and never shown again, whatever its address. You can bring it back on the Networks page.`, "Hide it", async () => { await post(`${path}/block`); this.leave(`${camera.name} is hidden`); })),
      doing("Gone for good? Remove it and its history.", "Forget", "forget", () =>
        asked(`Forget ${camera.name}?`, `${camera.name} and its history will be removed, from Home Assistant and Frigate too. If it is still on the network, it will be found again as a new camera.`, "Forget it", async () => { await post(`${path}/forget`); this.leave(`${camera.name} is forgotten`); }))),
    answer.node);
    if (active) (this.manage.querySelector(`[data-act="${active}"]`) ?? this.manage.querySelector("button")).focus();
  }
}

// --- what is saved as it stands: name, area, note, network; streams

class ValueGroup {
  constructor(form, command, title, fields, words) {
    this.form = form;
    this.command = command;
    this.fields = fields;
    this.base = {}; // what stood in each field when it was last taken over from the daemon
    this.answer = new Answer();
    this.clash = h("div", { hidden: true });
    this.summary = h("span");
    const button = h("button", { class: "primary", text: "Save", data: { act: `save-${command}` } });
    this.save = sending({ fields, button, doing: "Saving…", answer: this.answer, work: () => this.send() });
    this.node = h("details", { data: { group: command } },
      h("summary", {}, h("b", { text: title }), this.summary),
      h("form", { class: "form", novalidate: true, onsubmit: this.save }, fields.map((one) => one.node), words && h("p", { class: "hint", text: words }), this.clash,
        h("div", { class: "row" }, button), this.answer.node));
  }

  update() {}

  changed() { return this.fields.filter((one) => !one.input.readOnly && one.name in this.base && one.value !== this.base[one.name]); }

  take(values, version) {
    let overtaken = false; // what is being typed was changed by somebody else: that version was not seen
    for (const field of this.fields) {
      const { value = "", source = "" } = values[field.name] ?? {};
      const own = source === "page" || source in FIXED ? value ?? "" : "";
      const known = field.name in this.base; // else it is the first time, and something may be typed already
      const typed = field.value !== (this.base[field.name] ?? "");
      field.input.readOnly = source in FIXED;
      overtaken ||= known && typed && own !== this.base[field.name] && own !== field.value;
      if (!typed || source in FIXED) field.value = own;
      if (!typed || source in FIXED || !known) this.base[field.name] = own;
      field.input.placeholder = (source !== "page" && value) || field.example || "";
      field.tell(FIXED[source] ?? this.origin(field, source, value));
    }
    if (!overtaken) this.version = version;
    setText(this.summary, this.told(values));
  }

  origin(field, source, value) {
    if (source === "page") return `${field.hint} Set on this page; clear it to undo that.`.trim();
    if (source === "camera" && value) return `${field.hint} ${this.fromCamera}`.trim();
    return field.hint;
  }

  async send(version = this.version) {
    const changed = this.changed();
    if (!changed.length) { this.answer.tell("Nothing to save."); return; }
    const body = Object.fromEntries(changed.map((one) => [one.name, one.value]));
    if (version !== undefined) body.version = version;
    let decided;
    try {
      decided = await post(`${this.form.path}/${this.command}`, body);
    } catch (error) {
      if (!error.message.startsWith("version:")) throw error;
      await this.meet(changed);
      return;
    }
    this.settle(changed);
    this.form.take(decided);
    this.answer.tell(["Saved.", this.remark?.()].filter(Boolean).join(" "), "good");
    await this.form.refresh();
  }

  settle(fields) {
    for (const field of fields) this.base[field.name] = field.value;
    this.clash.replaceChildren();
    this.clash.hidden = true;
  }

  // Somebody else changed this camera after it was read: the person chooses, where both changed the same.
  async meet(changed) {
    const now = await get(`${this.form.path}/decided`);
    const theirs = (field) => { const one = now.values[field.name] ?? {}; return one.source === "page" ? one.value ?? "" : ""; };
    const both = changed.filter((one) => theirs(one) !== this.base[one.name] && theirs(one) !== one.value);
    if (!both.length) { this.form.take(now); await this.send(now.version); return; }
    this.answer.tell("");
    const mine = h("button", { type: "button", text: "Save mine", data: { act: "mine" } });
    mine.addEventListener("click", sending({ fields: this.fields, button: mine, doing: "Saving…", answer: this.answer, work: () => this.send(now.version) }));
    const keep = h("button", { type: "button", text: "Keep theirs", data: { act: "theirs" }, onclick: () => {
      for (const field of both) { field.value = theirs(field); field.refuse(""); }
      this.settle(both);
      this.form.take(now);
      this.answer.tell("Their change was kept.");
      this.fields[0].input.focus();
    } });
    this.clash.className = "clash";
    this.clash.setAttribute("role", "alert");
    this.clash.replaceChildren(
      h("p", {}, h("b", { text: "Someone else changed this in the meantime." })),
      h("dl", {}, both.map((one) => [h("dt", { text: one.node.querySelector("label").textContent }),
        h("dd", {}, h("span", { text: `yours: ${one.value || "(empty)"}` }), h("br"), h("span", { text: `theirs: ${theirs(one) || "(empty)"}` }))])),
      h("div", { class: "row" }, mine, keep));
    this.clash.hidden = false;
    mine.focus();
  }
}

class NameGroup extends ValueGroup {
  constructor(form) {
    const name = new Field("name", "Name", { dir: "auto" });
    const area = new Field("area", "Area", { dir: "auto", hint: "Where it is installed. Home Assistant suggests this area." });
    const note = new Field("note", "Note", { dir: "auto", kind: "area" });
    const network = new Field("network", "Expected network", { inputmode: "url", hint: "Where the camera belongs. Outside this network it is sent no login." });
    area.example = "Yard";
    network.example = "192.168.1.0/24";
    super(form, "name", "Name and place", [name, area, note, network]);
    this.fromCamera = "This is the camera's own name. A name you enter here replaces it everywhere; the id stays the same.";
    name.input.addEventListener("input", () => name.tell(this.remark() || this.hintOf(name)));
    this.name = name;
  }

  hintOf(field) { const one = this.form.decided?.values[field.name] ?? {}; return this.origin(field, one.source, one.value); }

  told(values) { return [values.name?.value, values.area?.value].filter(Boolean).join(" · "); }

  // Two cameras may have one name; who did not mean it sees it here.
  remark() {
    const wanted = this.name.value.trim().toLowerCase();
    const other = wanted && [...cameras.values()].find((one) => one.id !== this.form.camera.id && one.name.toLowerCase() === wanted);
    return other ? `The camera at ${other.ip} has the same name. That is allowed.` : "";
  }
}

class StreamGroup extends ValueGroup {
  constructor(form) {
    const main = new Field("main", "Main stream", { class: "mono", inputmode: "url" });
    const sub = new Field("sub", "Smaller stream", { class: "mono", inputmode: "url" });
    super(form, "stream", "Stream addresses", [main, sub],
      "Leave these empty to let camdetect find the streams. A user name and password in a URL are removed from it and saved as this camera's login.");
    this.found = {};
  }

  update(camera) {
    const main = camera.primary_rtsp_url;
    this.found = { main, sub: camera.streams.find((one) => one.url !== main && one.validated)?.url };
    for (const field of this.fields) field.example = `rtsp://${camera.ip.includes(":") ? `[${camera.ip}]` : camera.ip}:554/…`;
  }

  origin(field, source, value) {
    const found = this.found[field.name];
    return source === "" && found ? `Found by camdetect: ${found}` : super.origin(field, source, value);
  }

  told(values) { return ["main", "sub"].some((name) => values[name]?.source === "page") ? "set here" : this.found.main || this.found.sub ? "found by camdetect" : "none found"; }
}

// --- the login, which is tried at once

// "network 10.0.0.0/24", as a camera's login is kept for it.
function keptWords(kept) {
  const [kind, ...rest] = kept.split(" ");
  const whom = { camera: "this camera", network: `all cameras on ${rest.join(" ")}`, vendor: `all cameras by ${rest.join(" ")}`, all: "all adopted cameras" };
  return whom[kind] ?? kept;
}

class LoginGroup {
  constructor(form, camera) {
    this.form = form;
    this.user = new Field("user", "User");
    this.password = passwordField("Password");
    const fields = [this.user, this.password];
    this.keepField = new Field("keep", "Keep it for", { make: (props) => h("select", props) });
    this.keep = this.keepField.input;
    this.adopt = h("p", { class: "hint", text: "This camera is not adopted yet. Entering a login adopts it, so only do this if it is yours." });
    this.answer = new Answer();
    this.origin = h("p", { class: "hint" });
    this.summary = h("span");
    const all = [...fields, this.keepField];
    const button = h("button", { class: "primary", text: "Try", data: { act: "try" } });
    const save = h("button", { type: "button", text: "Save without trying", data: { act: "save-login" } });
    this.again = h("button", { type: "button", text: "Ask again", data: { act: "retry" }, hidden: true, title: "Try the logins that this camera refused once more" });
    this.clear = h("button", { type: "button", class: "quiet", text: "Remove", data: { act: "clear" }, hidden: true });
    const form_ = { fields: all, answer: this.answer };
    save.addEventListener("click", sending({ ...form_, button: save, doing: "Saving…", work: () => this.keepIt() }));
    this.again.addEventListener("click", sending({ ...form_, button: this.again, doing: "Asking…", work: () => this.retry() }));
    this.clear.addEventListener("click", sending({ ...form_, button: this.clear, doing: "Removing…", work: () => this.remove() }));
    this.node = h("details", { data: { group: "login" } },
      h("summary", {}, h("b", { text: "Login" }), this.summary),
      h("form", { class: "form", novalidate: true, onsubmit: sending({ ...form_, button, doing: "Trying…", work: () => this.try() }) },
        this.origin, fields.map((one) => one.node), this.keepField.node, this.adopt,
        h("div", { class: "row" }, button, save, this.again, this.clear), this.answer.node));
    this.all = all;
    this.choices(camera);
  }

  choices(camera) {
    const maker = camera.manufacturer;
    const options = [
      ["camera", "this camera only"], ["network", "all cameras on its network"], maker && ["vendor", `all cameras by ${maker}`],
      ["all", "all adopted cameras"], ["no", "nothing: only try it"],
    ].filter(Boolean);
    const before = this.keep.value;
    this.keep.replaceChildren(...options.map(([value, text]) => h("option", { value, text })));
    this.keep.value = before || "camera";
  }

  update(camera) {
    if (this.maker !== camera.manufacturer) { this.maker = camera.manufacturer; this.choices(camera); }
    this.adopt.hidden = camera.adopted !== "no";
    this.again.hidden = camera.status !== "auth_required" || !this.known;
  }

  take(values) {
    const { source = "" } = values.login ?? {};
    const user = values.login?.value?.user ?? "";
    this.known = user;
    setText(this.summary, user ? `user ${user}` : "none");
    setText(this.origin, !user ? "" : FIXED[source] ?? `The login of user ${user} was set on this page.`);
    this.origin.hidden = !user;
    this.clear.hidden = source !== "page";
    this.update(this.form.camera);
  }

  // Opened and ready to type.
  show() {
    this.node.open = true;
    this.user.input.focus();
    this.node.scrollIntoView({ block: "start" });
  }

  // What no camera has, told before anything is asked.
  typed() {
    if (this.user.value) return { user: this.user.value, password: this.password.value };
    this.user.refuse("enter a user name");
    this.user.input.focus();
    this.answer.tell("");
    return null;
  }

  async try() {
    const login = this.typed();
    if (!login) return;
    const said = await post(`${this.form.path}/login`, { action: "try", ...login, keep: this.keep.value });
    const good = said.outcome === "accepted" || said.outcome === "not-needed";
    const left = !good && said.left !== undefined && said.left !== null ? `${said.left} of ${said.of} attempts left.` : "";
    const kept = good && (said.kept ? `Kept for ${keptWords(said.kept)}.` : this.keep.value !== "no" ? "" : "Not kept.");
    this.answer.tell([sentence(local(said.text)), left, kept].filter(Boolean).join(" "), good ? "good" : "bad");
    if (said.outcome === "refused") { this.password.input.focus(); this.password.input.select(); }
    if (good) await this.done();
  }

  async keepIt() {
    const login = this.typed();
    if (!login) return;
    if (this.keep.value === "no") { this.keepField.refuse("choose what to keep it for"); this.answer.tell(""); return; }
    const said = await post(`${this.form.path}/login`, { action: "save", ...login, keep: this.keep.value });
    this.answer.tell(`Kept for ${keptWords(said.kept)}. It will be used at the next check of the camera.`, "good");
    await this.done();
  }

  async retry() {
    const said = await post(`${this.form.path}/login`, { action: "retry" });
    this.answer.tell(said.waits ? sentence(local(said.waits)) : "Checking it again now.", said.waits ? "" : "good");
  }

  async remove() {
    const said = await post(`${this.form.path}/login`, { action: "clear" });
    this.answer.tell(sentence(said.text), "good");
    await this.done();
  }

  async done() {
    this.password.value = "";
    await this.form.load();
    await this.form.refresh();
  }
}
