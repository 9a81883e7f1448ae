// The page comes to life: which view, how the line stands, who may look.

import { get, onLogin, post } from "./api.js";
import * as cameras from "./cameras.js";
import * as detail from "./detail.js";
import { byId, h, setText } from "./dom.js";
import { first, many, stamp } from "./format.js";
import * as live from "./live.js";
import * as mqtt from "./mqtt.js";
import * as store from "./store.js";
import * as system from "./system.js";
import * as why from "./why.js";

const VIEWS = ["cameras", "mqtt", "why", "system"];
let session = null;
let lostTimer = 0;
let lastHeard = null;

// --- views

function route() {
  const [, name = "", rest = ""] = location.hash.split("/");
  const view = name === "camera" ? "cameras" : VIEWS.includes(name) ? name : "cameras";
  for (const one of VIEWS) byId(one).hidden = one !== view;
  for (const link of document.querySelectorAll("nav.views a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  let word = "";
  try { word = decodeURIComponent(rest); } catch { /* a mangled address is none */ }
  if (name === "camera" && word) detail.show(word); else detail.close();
  if (view === "cameras") cameras.show();
  if (view === "mqtt") mqtt.show();
  if (view === "why") why.show(word);
  if (view === "system") system.show(session);
}

// --- the line

function line(state) {
  if (state === "login") { login(); return; }
  const node = byId("live");
  if (state === "live") {
    clearTimeout(lostTimer);
    lostTimer = 0;
    byId("lost").hidden = true;
    document.body.classList.remove("stale");
    drawTrouble();
    return;
  }
  lastHeard ??= new Date().toISOString();
  // A line that is back at once is no news.
  lostTimer ||= setTimeout(() => {
    node.dataset.state = "lost";
    setText(node.lastChild, "Not connected");
    setText(byId("lost"), `camdetect does not answer. This is how things stood at ${stamp(lastHeard)}; trying again.`);
    byId("lost").hidden = false;
    byId("trouble").hidden = true;
    document.body.classList.add("stale");
  }, 1500);
}

// --- MQTT: where it is away, nothing on the page may pass for all being well

let broker = null;
function drawTrouble() {
  const away = broker && broker.state !== "connected" && broker.reason;
  const node = byId("live");
  if (!document.body.classList.contains("stale")) {
    node.dataset.state = away ? "trouble" : "live";
    setText(node.lastChild, away ? "MQTT is down" : "Live");
  }
  const bar = byId("trouble");
  bar.hidden = !away;
  if (!away) return;
  const waiting = Object.values(broker.queue_depth ?? {}).reduce((sum, one) => sum + one, 0);
  setText(bar.firstElementChild, [`MQTT is not connected: ${broker.reason}.`, broker.advice && `${first(broker.advice)}.`,
    waiting && `${many(waiting, "message")} waiting.`].filter(Boolean).join(" "));
}

function brokerNow(now) { broker = now; if (byId("lost").hidden) drawTrouble(); }

async function everything() {
  lastHeard = null;
  const tries = [
    store.load().catch(() => {}),
    get("discovery").then(store.setDiscovery, () => {}),
    get("status").then((answer) => brokerNow(answer.mqtt), () => {}),
  ];
  await Promise.all(tries);
  if (!byId("mqtt").hidden) mqtt.show();
  if (!byId("system").hidden) system.show(session);
}

// --- the token

let asking = false;
function login() {
  if (asking) return;
  asking = true;
  live.end();
  const dialog = byId("login");
  const input = h("input", { type: "password", id: "token", name: "token", required: true, autocomplete: "current-password" });
  const fault = h("p", { class: "reason", role: "alert" });
  dialog.replaceChildren(
    h("h2", { id: "login-title", text: "Sign in" }),
    h("p", { text: "Enter the token: the daemon's setting WEB_TOKEN." }),
    h("form", {
      onsubmit: async (event) => {
        event.preventDefault();
        try {
          session = await post("session", { token: input.value });
          asking = false;
          dialog.close();
          begin();
        } catch (error) { setText(fault, error.message); input.select(); }
      },
    }, h("label", { for: "token", text: "Token" }), input, fault, h("div", { class: "row end" }, h("button", { class: "primary", text: "Sign in" }))));
  dialog.oncancel = (event) => event.preventDefault();
  dialog.showModal();
  input.focus();
}

// --- the beginning

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("camdetect-theme", root.dataset.theme); } catch { /* then only until the page is left */ }
}

function begin() {
  const name = session?.node_id ?? "";
  setText(byId("node"), name);
  document.title = name ? `camdetect · ${name}` : "camdetect";
  live.start(line);
  route();
}

async function start() {
  cameras.setUp();
  detail.setUp();
  system.setUp();
  byId("theme").addEventListener("click", theme);
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
  addEventListener("hashchange", route);
  live.on("reset", everything);
  live.on("hello", () => { lastHeard = null; });
  live.on("camera", store.put);
  live.on("gone", ({ id }) => store.drop(id));
  live.on("discovery", (found) => { store.setDiscovery(found); if (!byId("system").hidden) system.drawSweeps(found); });
  live.on("happened", system.happened);
  live.on("mqtt", (sample) => { brokerNow(sample.now); mqtt.sampled(sample); });
  live.on("connection", (change) => { brokerNow({ ...broker, advice: "", ...change }); mqtt.changed(change); });
  onLogin(login);
  // What is summed up over seven days changes without an event, too.
  setInterval(() => { if (!document.hidden && !byId("cameras").hidden) store.load().catch(() => {}); }, 3600000);
  setInterval(() => { if (!document.hidden) cameras.show(); }, 15000); // "3 min ago" ages
  try {
    session = await get("session");
  } catch { line("lost"); }
  if (session?.needed && !session.given) login(); else begin();
}

start();
