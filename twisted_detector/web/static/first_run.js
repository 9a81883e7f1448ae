// A new installation goes in; cameras that are somebody's, with logins, a broker and who else gets them, come out.
//
// Everything is on one page, in the order in which it is needed, and nothing of it must be done now.

import { get, post } from "./api.js";
import { lens, showPicture } from "./card.js";
import { byId, h, setText, toast } from "./dom.js";
import { Answer, Field, passwordField, refuseAt, sending, sentence } from "./fields.js";
import { STATUS, local, many } from "./format.js";
import { cameras, subscribe } from "./store.js";

// Logins that are tried at one time: each is a conversation with a camera.
const AT_ONCE = 4;
const TITLES = { homeassistant: "Home Assistant", frigate: "Frigate", go2rtc: "go2rtc" };
let parts = null;

export async function show() {
  parts ??= build();
  await parts.styled;
  parts.cameras.update();
  parts.logins.update();
  parts.setUp.load();
}

function build() {
  const styled = new Promise((done) => {
    document.head.append(h("link", { rel: "stylesheet", href: "assets/first_run.css", onload: done, onerror: done }));
  });
  const mine = new Mine();
  const logins = new Logins();
  const setUp = new SetUp();
  subscribe(() => { if (!byId("first-run").hidden) { mine.update(); logins.update(); } });
  const skip = h("button", { type: "button", text: "Skip", data: { act: "skip" }, onclick: async () => {
    try { await post("first-run", { action: "skip" }); leave(); } catch (error) { toast(error.message, "bad"); }
  } });
  byId("first-run").replaceChildren(
    h("div", { class: "lead" },
      h("div", {}, h("h1", { id: "first-run-title", text: "Set up camdetect" }),
        h("p", { class: "under", text: "Four short steps. You can leave any of them for later: the System page brings you back here." })), skip),
    h("div", { class: "first" }, mine.node, logins.node, setUp.node));
  return { cameras: mine, logins, setUp, styled };
}

function leave() { location.hash = "#/cameras"; }

// A request that is sent again while camdetect starts again, or while it is asked too often.
async function patient(work, tries = 20) {
  for (;;) {
    try { return await work(); } catch (error) {
      if (![0, 429].includes(error.status) || (tries -= 1) < 0) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
  }
}

// --- which cameras are mine

class Mine {
  constructor() {
    this.tiles = new Map();
    this.list = h("ul", { class: "mine" });
    this.none = h("p", { class: "soft", text: "No camera has been found yet. The first ones appear within seconds; leave this page open." });
    this.answer = new Answer();
    this.button = h("button", { class: "primary", text: "These are mine", data: { act: "mine" } });
    const form = h("form", { novalidate: true }, this.none, this.list, h("div", { class: "row" }, this.button), this.answer.node);
    const send = sending({ fields: [], button: this.button, doing: "Adopting…", answer: this.answer, work: () => this.adopt() });
    form.addEventListener("submit", (event) => send(event).then(() => this.count()));
    this.node = h("section", { class: "panel", "aria-labelledby": "first-mine" }, h("h2", { id: "first-mine", text: "1. Which of these are yours?" }),
      h("p", { class: "soft", text: "Only your own cameras are sent a login. Untick any that are not yours." }), form);
  }

  update() {
    for (const [id, tile] of this.tiles) if (!cameras.has(id)) { tile.node.remove(); this.tiles.delete(id); }
    for (const camera of cameras.values()) {
      let tile = this.tiles.get(camera.id);
      if (!tile) {
        tile = { tick: h("input", { type: "checkbox", checked: true, onchange: () => this.count() }), frame: h("span", { class: "picture" }, lens()), name: h("b"), where: h("span", { class: "mono" }), state: h("span", { class: "status" }) };
        tile.node = h("li", {}, h("label", {}, tile.frame, h("span", { class: "told" }, h("span", { class: "choose" }, tile.tick, tile.name), tile.where, tile.state)));
        this.tiles.set(camera.id, tile);
        this.list.append(tile.node);
      }
      showPicture(tile.frame, camera);
      setText(tile.name, camera.name);
      setText(tile.where, camera.ip);
      setText(tile.state, `${STATUS[camera.status]}${camera.adopted === "person" ? " · yours" : ""}`);
      tile.node.dataset.status = camera.status;
    }
    this.none.hidden = this.tiles.size > 0;
    this.count();
  }

  chosen(ticked) { return [...this.tiles].filter(([, tile]) => tile.tick.checked === ticked).map(([id]) => id); }

  count() {
    const count = this.chosen(true).length;
    this.button.disabled = !count;
    if (!this.button.hasAttribute("aria-disabled")) setText(this.button, count === 1 ? "This one is mine" : `These ${count || ""} are mine`.replace("  ", " "));
  }

  async adopt() {
    const { count } = await post("adopt", { camera_ids: this.chosen(true) });
    for (const id of this.chosen(false)) {
      if (["first-run", "seen"].includes(cameras.get(id)?.adopted)) await patient(() => post(`cameras/${encodeURIComponent(id)}/unadopt`));
    }
    this.answer.tell(`${many(count, "camera")} adopted.`, "good");
  }
}

// --- their logins

class Logins {
  constructor() {
    this.done = new Set(); // accepted, and not online yet
    this.left = new Set(); // unticked
    this.told = new Map();
    this.user = new Field("user", "User", { autocapitalize: "off" });
    this.password = passwordField("Password");
    this.words = h("p", { class: "soft" });
    this.some = h("ul", { class: "some" });
    this.pick = h("details", {}, h("summary", { text: "Only for some of them" }), this.some);
    this.results = h("ul", { class: "results", "aria-live": "polite" });
    this.answer = new Answer();
    this.button = h("button", { class: "primary", text: "Try", data: { act: "try" } });
    const fields = [this.user, this.password];
    this.form = h("form", { class: "form", novalidate: true }, this.user.node, this.password.node, this.pick, h("div", { class: "row" }, this.button));
    const send = sending({ fields, button: this.button, doing: "Trying…", answer: this.answer, work: () => this.attempt() });
    this.form.addEventListener("submit", (event) => send(event).then(() => this.update()));
    this.node = h("section", { class: "panel", "aria-labelledby": "first-login" }, this.title = h("h2", { id: "first-login", text: "2. Camera login", tabindex: -1 }), this.words, this.form, this.answer.node, this.results);
  }

  wanting() { return [...cameras.values()].filter((one) => one.status === "auth_required" && one.adopted !== "no" && !this.done.has(one.id)); }

  chosen() { return this.wanting().filter((one) => !this.left.has(one.id)); }

  update() {
    const wanting = this.wanting();
    const typing = this.form.contains(document.activeElement);
    this.form.hidden = !wanting.length;
    // Who typed there goes on from here, not from the top of the page.
    if (typing && this.form.hidden) this.title.focus({ preventScroll: true });
    const words = [...cameras.values()].some((one) => one.status === "auth_required" && one.adopted === "no")
      ? "Some cameras need a login. First confirm above that they are yours." : "None of your cameras needs a login right now.";
    setText(this.words, wanting.length ? `${many(wanting.length, "camera needs", "cameras need")} a user name and a password. The login is tried once on each; a camera that refuses two is left alone for half an hour.` : words);
    const drawn = JSON.stringify(wanting.map((one) => [one.id, one.name, one.ip]));
    // Drawn anew only when it differs: a box must not go away under a finger.
    if (drawn !== this.drawn) this.some.replaceChildren(...wanting.map((one) => h("li", {}, h("label", { class: "choose" },
      h("input", { type: "checkbox", value: one.id, checked: !this.left.has(one.id), onchange: (event) => { if (event.target.checked) this.left.delete(one.id); else this.left.add(one.id); this.count(); } }),
      h("span", {}, one.name, " ", h("span", { class: "mono", text: one.ip }))))));
    this.drawn = drawn;
    this.pick.hidden = wanting.length < 2;
    this.count();
  }

  count() {
    const count = this.chosen().length;
    this.button.disabled = !count;
    if (!this.button.hasAttribute("aria-disabled")) setText(this.button, `Try on ${many(count, "camera")}`);
  }

  async attempt() {
    const { user, password } = this;
    if (!user.value) { user.refuse("enter a user name"); user.input.focus(); this.answer.tell(""); return; }
    const all = this.chosen();
    const waiting = [...all];
    const login = { action: "try", user: user.value, password: password.value, keep: "camera" };
    let accepted = 0;
    const work = async () => {
      for (let camera = waiting.shift(); camera; camera = waiting.shift()) {
        this.tell(camera, "Trying…", "busy");
        let answer;
        try { answer = await patient(() => post(`cameras/${encodeURIComponent(camera.id)}/login`, login)); } catch (error) {
          this.tell(camera, sentence(error.message), "bad");
          if (/^(user|password):/.test(error.message)) { waiting.length = 0; throw error; }
          continue;
        }
        const good = ["accepted", "not-needed"].includes(answer.outcome);
        if (good) { this.done.add(camera.id); accepted += 1; }
        const left = answer.outcome === "refused" && answer.left !== undefined ? ` ${answer.left} of ${answer.of} attempts left.` : "";
        this.tell(camera, `${sentence(answer.text || answer.outcome)}${left}`, good ? "good" : "bad");
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    password.value = "";
    this.answer.tell(accepted === all.length ? `Accepted by ${many(all.length, "camera")}.` : accepted ? `Accepted by ${accepted} of ${many(all.length, "camera")}. Try another login on the rest.` : "No camera accepted it.", accepted ? "good" : "bad");
  }

  tell(camera, text, kind) {
    let line = this.told.get(camera.id);
    if (!line) { line = h("li", {}, h("b", { text: camera.name }), " ", h("span", { class: "mono", text: camera.ip }), " ", h("span", { class: "said" })); this.told.set(camera.id, line); this.results.append(line); }
    line.dataset.kind = kind;
    setText(line.lastChild, local(text));
  }
}

// --- the broker, and who else gets the cameras; saved together, for both are used from the next start of the parts on

const BROKER = ["MQTT_BROKER", "MQTT_PORT", "MQTT_TLS", "TLS_CA_PATH", "MQTT_USERNAME", "MQTT_PASSWORD"];

class SetUp {
  constructor() {
    this.known = {};
    this.broker = new Broker(this);
    this.consumers = new Consumers(this);
    this.answer = new Answer();
    this.button = h("button", { class: "primary", text: "Finish", data: { act: "finish" } });
    this.button.addEventListener("click", sending({ fields: [], button: this.button, doing: "Saving…", answer: this.answer, work: () => this.finish() }));
    this.node = h("div", { class: "first" }, this.broker.node, this.consumers.node, h("div", { class: "row" }, this.button), this.answer.node);
  }

  async load() {
    if (this.loading || this.loaded) return;
    this.loading = true;
    try {
      const found = await get("settings");
      this.known = found.settings;
      if (found.fault) this.answer.tell(sentence(found.fault), "bad");
      this.broker.take();
      this.consumers.take([]);
      const searched = await post("consumers");
      this.broker.found(searched.brokers);
      this.consumers.take(searched.consumers, true);
      this.loaded = true;
    } catch (error) { this.answer.tell(sentence(error.message), "bad"); this.consumers.take([], true); } finally { this.loading = false; }
  }

  value(name) { const one = this.known[name]; return one && one.source !== "default" ? one.value : ""; }
  fixed(name) { return this.known[name]?.fixed ?? ""; }

  // Only what differs, and may be changed here.
  changed(values) {
    return Object.fromEntries(Object.entries(values).filter(([name, value]) => !this.fixed(name) && value !== this.value(name)));
  }

  async finish() {
    const changes = this.changed({ ...this.broker.values(), ...this.consumers.values() });
    const fields = [...this.broker.fields, ...this.consumers.fields];
    for (const field of fields) field.refuse("");
    let dropped = [];
    if (Object.keys(changes).length) {
      try { ({ dropped } = await patient(() => post("settings", changes))); } catch (error) {
        if (!refuseAt(fields, error)) throw error;
        this.answer.tell("One of the settings above was not accepted.", "bad");
        return;
      }
    }
    this.loaded = false;
    if (dropped.length) {
      // A password goes only where it was given for.
      await patient(() => this.load());
      this.answer.tell(`Saved, but enter ${dropped.join(" and ")} again: the saved value was for another address.`, "bad");
      return;
    }
    await patient(() => post("first-run", { action: "finish" }));
    toast(Object.keys(changes).length ? "Saved; camdetect is restarting with the new settings" : "Setup finished");
    leave();
  }
}

class Broker {
  constructor(all) {
    this.all = all;
    const one = (name, label, props) => new Field(name, label, props);
    this.host = one("MQTT_BROKER", "Address", { inputmode: "url", placeholder: "192.168.1.5", hint: "A host name or an IP address." });
    this.port = one("MQTT_PORT", "Port", { inputmode: "numeric", placeholder: "1883", hint: "If empty: 1883, or 8883 with TLS." });
    this.tls = h("input", { type: "checkbox" });
    this.ca = one("TLS_CA_PATH", "CA file", { placeholder: "/etc/ssl/broker-ca.pem", hint: "A path on the machine that runs camdetect; leave it empty to use the system's CAs." });
    this.user = one("MQTT_USERNAME", "User", { hint: "Leave it empty if the broker needs none." });
    this.password = passwordField("Password");
    this.password.name = "MQTT_PASSWORD";
    this.fields = [this.host, this.port, this.ca, this.user, this.password];
    this.kinds = h("div", { class: "kinds", role: "radiogroup", "aria-label": "Broker" });
    this.caRow = h("div", { hidden: true }, this.ca.node);
    this.tls.addEventListener("change", () => { this.caRow.hidden = !this.tls.checked; });
    this.place = h("div", { class: "form", hidden: true }, this.host.node, this.port.node, h("label", { class: "choose" }, this.tls, h("span", { text: "TLS" })), this.caRow);
    this.login = h("div", { class: "form", hidden: true }, this.user.node, this.password.node);
    this.answer = new Answer();
    this.button = h("button", { text: "Test", data: { act: "test" } });
    this.form = h("form", { class: "form", novalidate: true, hidden: true }, this.place, this.login, h("div", { class: "row" }, this.button), this.answer.node);
    this.form.addEventListener("submit", sending({ fields: this.fields, button: this.button, doing: "Connecting…", answer: this.answer, work: () => this.test() }));
    this.note = h("p", { class: "hint" });
    this.local = null;
    this.node = h("section", { class: "panel", "aria-labelledby": "first-broker" }, h("h2", { id: "first-broker", text: "3. The MQTT broker" }), this.note, this.kinds, this.form);
  }

  take() {
    const { all } = this;
    this.kind = all.value("MQTT_BROKER") ? "other" : "own";
    for (const field of this.fields) {
      if (field === this.password) continue;
      field.value = all.value(field.name);
      field.input.readOnly = Boolean(all.fixed(field.name));
      field.tell(sentenceOr(all.fixed(field.name)));
    }
    this.password.tell(all.fixed("MQTT_PASSWORD") ? sentence(all.fixed("MQTT_PASSWORD")) : all.value("MQTT_PASSWORD") ? "A password is saved; leave this empty to keep it." : "");
    this.password.input.readOnly = Boolean(all.fixed("MQTT_PASSWORD"));
    this.tls.checked = all.value("MQTT_TLS") === "true";
    this.tls.disabled = Boolean(all.fixed("MQTT_TLS"));
    this.caRow.hidden = !this.tls.checked;
    this.password.value = "";
    this.answer.tell("");
    setText(this.note, sentenceOr(all.fixed("MQTT_BROKER")));
    this.draw();
  }

  found(brokers) {
    [this.local = null] = brokers;
    this.draw();
  }

  draw() {
    const here = this.local && `${this.local.host}:${this.local.port}`;
    const choices = [["own", this.local?.used ? `The broker of this machine, which is used now (${here})` : "A broker of this machine that wants no login, else camdetect's own"]];
    if (this.local && !this.local.used) choices.push(["local", `The broker found on this machine (${here})`]);
    choices.push(["other", "A broker at another address"]);
    const fixed = Boolean(this.all.fixed("MQTT_BROKER"));
    this.kinds.replaceChildren(...choices.map(([value, text]) => h("label", { class: "choose" },
      h("input", { type: "radio", name: "broker", value, checked: value === this.kind, disabled: fixed, onchange: () => { this.kind = value; this.answer.tell(""); this.fold(); } }), h("span", { text }))));
    this.fold();
  }

  fold() {
    this.place.hidden = this.kind !== "other";
    this.login.hidden = !(this.kind === "other" || (this.kind === "local" && this.local?.login));
    this.form.hidden = this.kind === "own";
  }

  values() {
    const password = this.password.value ? { MQTT_PASSWORD: this.password.value } : {};
    if (this.kind === "own") return Object.fromEntries(BROKER.map((name) => [name, ""]));
    if (this.kind === "local") {
      const login = this.local.login ? { MQTT_USERNAME: this.user.value.trim(), ...password } : { MQTT_USERNAME: "", MQTT_PASSWORD: "" };
      return { MQTT_BROKER: this.local.host, MQTT_PORT: "", MQTT_TLS: "", TLS_CA_PATH: "", ...login };
    }
    const tls = this.tls.checked;
    return { MQTT_BROKER: this.host.value.trim(), MQTT_PORT: this.port.value.trim(), MQTT_TLS: tls ? "true" : "", TLS_CA_PATH: tls ? this.ca.value.trim() : "",
      MQTT_USERNAME: this.user.value.trim(), ...(this.user.value.trim() ? password : { MQTT_PASSWORD: "" }) };
  }

  async test() {
    if (this.kind === "other" && !this.host.value.trim()) { this.host.refuse("enter an address"); this.host.input.focus(); this.answer.tell(""); return; }
    const answer = await post("broker/test", this.all.changed(this.values()));
    this.answer.tell(sentence([answer.text, answer.advice].filter(Boolean).join("; ")), answer.ok ? "good" : "bad");
    if (!answer.ok) this.fields.find((one) => one.name === answer.setting && one.node.offsetParent)?.refuse(sentence(answer.advice));
  }
}

function sentenceOr(text) { return text ? sentence(text) : ""; }

class Consumers {
  constructor(all) {
    this.all = all;
    this.rows = [];
    this.list = h("ul", { class: "consumers" });
    this.state = h("p", { class: "soft", role: "status", text: "Searching this machine and its networks…" });
    this.node = h("section", { class: "panel", "aria-labelledby": "first-consumers" }, h("h2", { id: "first-consumers", text: "4. Which programs get the cameras?" }),
      h("p", { class: "soft", text: "Frigate and go2rtc receive the streams with the cameras' logins. Only switch on programs of your own." }), this.state, this.list);
  }

  get fields() { return this.rows.flatMap((row) => row.fields); }

  // What was found, beside what is used already; a row that is there stays as a finger left it.
  take(programs, searched = false) {
    const used = ["frigate", "go2rtc"].map((program) => ({ program, url: this.all.value(`${program.toUpperCase()}_URL`), settings: {} })).filter((one) => one.url);
    const wanted = [{ program: "homeassistant", url: "", ...programs.find((one) => one.program === "homeassistant") }];
    for (const one of [...programs, ...used]) {
      if (one.program !== "homeassistant" && !wanted.some((other) => other.url === one.url && other.program === one.program)) wanted.push(one);
    }
    this.rows = wanted.map((one) => this.rows.find((row) => row.key === `${one.program} ${one.url}`) ?? new Consumer(this, one));
    this.list.replaceChildren(...this.rows.map((row) => row.node));
    if (!searched) return;
    const missing = ["frigate", "go2rtc"].filter((program) => !wanted.some((one) => one.program === program));
    setText(this.state, missing.length ? `${missing.map((program) => TITLES[program]).join(" and ")} ${missing.length > 1 ? "were" : "was"} not found on this machine or its networks; ${missing.map((program) => `${program.toUpperCase()}_URL`).join(" and ")} can point to one elsewhere.` : "");
  }

  // One of a kind: another that is switched on takes its place.
  switched(row) { for (const one of this.rows) if (one !== row && one.program === row.program && row.on.checked) one.set(false); }

  values() { return Object.assign({}, ...this.rows.filter((row) => !row.on.checked).map((row) => row.values()), ...this.rows.filter((row) => row.on.checked).map((row) => row.values())); }
}

class Consumer {
  constructor(list, found) {
    const { all } = list;
    this.all = all;
    this.found = found;
    this.program = found.program;
    this.key = `${found.program} ${found.url}`;
    const upper = found.program.toUpperCase();
    this.name = found.program === "homeassistant" ? "HOMEASSISTANT_ENABLED" : `${upper}_URL`;
    const fixed = all.fixed(this.name);
    const on = found.program === "homeassistant" ? all.value(this.name) !== "false" : all.value(this.name) === found.url;
    this.on = h("input", { type: "checkbox", role: "switch", disabled: Boolean(fixed), onchange: () => { list.switched(this); this.fold(); }, data: { switch: found.program } });
    this.user = new Field(`${upper}_USER`, "User");
    this.password = passwordField("Password");
    this.password.name = `${upper}_PASSWORD`;
    this.fields = found.login ? [this.user, this.password] : [];
    this.login = h("div", { class: "form" }, this.fields.map((one) => one.node));
    const words = [found.version, found.url && `at ${found.url}`].filter(Boolean).join(" ");
    this.node = h("li", {}, h("label", { class: "choose" }, this.on, h("span", {}, h("b", { text: TITLES[found.program] }), " ", h("span", { class: "soft", text: words || "not found; it learns of the cameras over MQTT" }))),
      found.program === "homeassistant" && found.url && h("p", { class: "hint", text: "It must use the same MQTT broker." }),
      found.clear && h("p", { class: "hint", text: "It is on another machine and without TLS: the cameras' passwords will cross the network in clear text." }),
      fixed && h("p", { class: "hint", text: sentence(fixed) }), this.login);
    this.set(on);
  }

  set(on) { this.on.checked = on; this.fold(); }
  fold() { this.login.hidden = !this.on.checked || !this.fields.length; }

  values() {
    if (this.program === "homeassistant") return { [this.name]: this.on.checked ? "" : "false" };
    const upper = this.program.toUpperCase();
    if (!this.on.checked) {
      const names = ["URL", "USER", "PASSWORD", ...(this.program === "frigate" ? ["TLS_INSECURE"] : [])].map((one) => `${upper}_${one}`);
      return this.all.value(this.name) === this.found.url ? Object.fromEntries(names.map((name) => [name, ""])) : {};
    }
    const login = this.fields.length && this.user.value ? { [`${upper}_USER`]: this.user.value, [`${upper}_PASSWORD`]: this.password.value } : {};
    return this.all.value(this.name) === this.found.url ? login : { ...this.found.settings, ...login };
  }
}
