// The page comes to life: which view, how the line stands, who may look.

import { get, onLogin, onMissed } from "./api.js";
import * as cameras from "./cameras.js";
import * as detail from "./detail.js";
import { byId, h, setText, toast } from "./dom.js";
import { first, many, stamp } from "./format.js";
import * as live from "./live.js";
import { askToken, closeForm, isLink, session as readSession } from "./login.js";
import * as mqtt from "./mqtt.js";
import * as store from "./store.js";
import * as system from "./system.js";
import * as why from "./why.js";

const VIEWS = ["cameras", "mqtt", "why", "networks", "system", "add", "first-run", "notices", "sites"];
// Views that are rarely opened come when they are.
const LATER = { networks: () => import("./networks.js"), add: () => import("./add_camera.js"), "first-run": () => import("./first_run.js"), notices: () => import("./notices.js"), sites: () => import("./sites.js") };
let session = null;
let lostTimer = 0;
let lostWhy = "";
let lastHeard = null;

// --- views

function route() {
  const [, name = "", rest = "", part = ""] = location.hash.split("/");
  const view = name === "camera" ? "cameras" : VIEWS.includes(name) ? name : "cameras";
  for (const one of VIEWS) byId(one).hidden = one !== view;
  for (const link of document.querySelectorAll("nav.views a")) {
    if (link.dataset.view === (view === "add" ? "cameras" : view)) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  let word = "";
  try { word = decodeURIComponent(rest); } catch { /* a mangled address is none */ }
  if (name === "camera" && word) detail.show(word, part); else detail.close();
  if (view === "cameras") cameras.show();
  if (view === "mqtt") mqtt.show();
  if (view === "why") why.show(word);
  if (view === "system") system.show(session);
  LATER[view]?.().then((module) => module.show(word), unloaded);
}

// No browser asks a second time for a module that did not come.
function unloaded() {
  toast("camdetect does not answer", "bad");
  dispatchEvent(new Event("again"));
}

// --- the line

function line(state, why = "camdetect does not answer") {
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
  if (why !== lostWhy) { clearTimeout(lostTimer); lostTimer = 0; }
  lostWhy = why;
  // A line that is back at once is no news.
  lostTimer ||= setTimeout(() => {
    node.dataset.state = "lost";
    setText(node.lastChild, "Not connected");
    setText(byId("lost"), `${why}. This is how things stood at ${stamp(lastHeard)}; trying again.`);
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

// --- sites: only where several daemons share the cameras

function drawSites({ nodes }) { byId("sites-link").hidden = !nodes; }

// --- notices: how many last

function drawBell({ notices }) {
  const open = notices?.open ?? 0;
  const bell = byId("bell");
  bell.lastElementChild.hidden = !open;
  setText(bell.lastElementChild, open > 99 ? "99+" : String(open));
  bell.setAttribute("aria-label", open ? `Notices: ${open} open` : "Notices");
}

function noticed() {
  get("status").then(drawBell, () => {});
  if (!byId("notices").hidden) LATER.notices().then((module) => module.show(), () => {});
}

// What the page cannot do without. The line may be up where one of them was lost: that one is asked for again.
const NEEDED = [
  store.load,
  async () => store.setDiscovery(await get("discovery")),
  async () => { const answer = await get("status"); brokerNow(answer.mqtt); drawBell(answer); drawSites(answer); },
];
const missing = new Set();
let asking = 0;
let pause = 1000;

async function ask(wanted) {
  clearTimeout(asking);
  await Promise.all(wanted.map((one) => one().then(() => missing.delete(one), () => missing.add(one))));
  clearTimeout(asking);
  if (missing.size && !byId("login").open) asking = setTimeout(() => ask([...missing]), pause);
  pause = missing.size ? Math.min(30000, pause * 2) : 1000;
}

async function everything() {
  lastHeard = null;
  await ask(NEEDED);
  if (!byId("mqtt").hidden) mqtt.show();
  if (!byId("system").hidden) system.show(session);
}

// --- the token

function login(reason = "") {
  live.end();
  askToken((found) => { session = found; begin(); }, reason);
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
  if (["", "#/"].includes(location.hash)) firstRun();
}

// Where nothing was set up yet the page opens on that; asked once, for who leaves it has seen it.
let askedFirstRun = false;
async function firstRun() {
  if (askedFirstRun) return;
  askedFirstRun = true;
  try {
    const { open } = await get("first-run");
    if (open && ["", "#/"].includes(location.hash)) location.replace("#/first-run");
  } catch { /* a daemon without one */ }
}

async function enter() {
  let fault = "";
  for (let known = false; !known;) {
    try {
      ({ found: session, fault } = await readSession());
      known = true;
    } catch (error) {
      // A proxy that asks for a login of its own answers with a page.
      const refusal = error instanceof SyntaxError ? "what answers is not camdetect" : error.status && error.message;
      line("lost", refusal ? `The page cannot begin: ${refusal}` : undefined);
      await new Promise((then) => setTimeout(then, 2000));
    }
  }
  if (session?.needed && !session.given) { login(fault); return; }
  closeForm();
  begin();
}

async function start() {
  dispatchEvent(new Event("begun"));
  cameras.setUp();
  detail.setUp();
  system.setUp();
  byId("theme").addEventListener("click", theme);
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
  addEventListener("hashchange", () => (isLink() ? enter() : route()));
  live.on("reset", everything);
  live.on("hello", () => { lastHeard = null; ask([...missing]); });
  live.on("camera", store.put);
  live.on("gone", ({ id }) => store.drop(id));
  live.on("discovery", (found) => { store.setDiscovery(found); if (!byId("system").hidden) system.drawSweeps(found); });
  live.on("happened", system.happened);
  live.on("notice", noticed);
  live.on("mqtt", (sample) => { brokerNow(sample.now); mqtt.sampled(sample); });
  live.on("connection", (change) => { brokerNow(mqtt.after(broker, change)); mqtt.changed(change); });
  onLogin(() => login());
  onMissed((missed) => toast(`Not on every site: ${missed.join("; ")}`, "bad"));
  // What is summed up over seven days changes without an event, too.
  setInterval(() => { if (!document.hidden && !byId("cameras").hidden) store.load().catch(() => {}); }, 3600000);
  setInterval(() => { if (!document.hidden) cameras.show(); }, 15000); // "3 min ago" ages
  await enter();
}

start();
