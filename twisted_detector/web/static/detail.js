// One camera goes in; all that is known of it comes out in a drawer, with what can be done about it.

import { get, post } from "./api.js";
import { pastPart } from "./bar.js";
import { lens, showAge, showPicture } from "./card.js";
import { byId, copyButton, h, setText, toast } from "./dom.js";
import { STATUS, ago, local, safeLink, span, stamp, streamWords } from "./format.js";
import { LivePicture } from "./live_picture.js";
import { cameras, subscribe } from "./store.js";

let open = null; // { id, frame, live, top, settings, rest, form, lost }
let timer = 0;

export function setUp() {
  const dialog = byId("detail");
  dialog.addEventListener("close", () => { open?.live.end(); open = null; if (location.hash.startsWith("#/camera/")) history.replaceState(null, "", "#/"); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  subscribe((ids) => {
    if (!open || !ids.has(open.id)) return;
    clearTimeout(timer);
    // Of one that is gone nothing is asked: the answer would be an error in the browser's console.
    open.lost = !cameras.has(open.id);
    if (open.lost) lost(); else timer = setTimeout(refresh, 30);
  });
}

export function close() { if (byId("detail").open) byId("detail").close(); }

// part: "login" for the form of the login, opened.
export async function show(id, part = "") {
  const dialog = byId("detail");
  if (open?.id !== id) {
    const known = cameras.get(id);
    const stack = () => h("div", { class: "stack" });
    open?.live.end();
    const frame = h("div", { class: "picture big" }, lens());
    open = { id, frame, live: new LivePicture(frame, id, known?.status), top: stack(), settings: stack(), rest: stack(), part };
    open.top.append(h("p", { class: "soft", text: "One moment." }));
    dialog.replaceChildren(head(known?.name ?? "One moment"), open.frame, open.live.node, h("div", { class: "body" }, open.top, open.settings, open.rest));
    if (!dialog.open) dialog.showModal();
    await refresh();
  } else if (part === "login") open.form?.login.show();
}

// What a person types in stands apart from what is drawn anew with each news of the camera.
async function settings(camera) {
  const mine = open;
  if (!mine.form) {
    const { CameraForm } = await import("./camera_form.js");
    if (mine !== open || mine.form || mine.lost) return;
    mine.form = new CameraForm(camera, { refresh, leave: (text) => { close(); toast(text); } });
    mine.settings.append(mine.form.node);
    if (mine.part === "login") mine.form.login.show();
    return;
  }
  mine.form.update(camera);
  await mine.form.load();
}

async function refresh() {
  if (!open) return;
  const { id } = open;
  try {
    const path = `cameras/${encodeURIComponent(id)}`;
    const [camera, past] = await Promise.all([get(path), get(`${path}/history`).catch(() => null)]);
    // Drawn anew only when it differs: a button must not go away under a finger.
    const told = JSON.stringify([{ ...camera, week: null }, past?.segments.map((one) => [one.from, one.reason])]);
    if (open?.id !== id || open.lost || open.told === told) return;
    open.told = told;
    draw(camera, past);
    await settings(camera);
  } catch (error) {
    if (open?.id !== id) return;
    if (error.status === 404) lost();
    else open.top.replaceChildren(h("p", { class: "reason", text: error.message }));
  }
}

function lost() {
  open.told = "";
  open.live.end();
  open.top.replaceChildren(h("p", { class: "reason", text: "This camera is no longer known." }));
  open.settings.replaceChildren();
  open.rest.replaceChildren();
}

function head(name) {
  return h("header", {},
    h("h2", { id: "detail-title", text: name }),
    h("button", { type: "button", class: "icon", "aria-label": "Close", text: "✕", onclick: close }));
}

function draw(camera, past) {
  const dialog = byId("detail");
  setText(byId("detail-title"), camera.name);
  dialog.dataset.status = camera.status;
  showPicture(open.frame, camera);
  showAge(open.frame, camera);
  open.live.update(camera.status);
  const active = document.activeElement?.dataset?.act;
  const scrolled = dialog.scrollTop;
  const asksLogin = camera.status === "auth_required"; // then the form of the login comes first
  open.top.replaceChildren(
    h("div", { class: "verdict", data: { status: camera.status } },
      h("span", { class: "status", text: STATUS[camera.status] }),
      h("span", { class: "soft", text: camera.since ? `for ${span((Date.now() - Date.parse(camera.since)) / 1000)}` : "" }),
      camera.reason && h("p", { class: "reason", text: local(camera.reason) }),
      camera.status === "sleeps" && h("p", { class: "soft", text: `Last awake ${ago(camera.last_seen_iso)}.` }),
      elsewhere(camera),
      remarks(camera).map((text) => h("p", { class: "remark", text }))),
    ...(asksLogin ? [] : [actions(camera)]));
  open.rest.replaceChildren(...[
    asksLogin && actions(camera),
    part("Streams", camera.streams.length ? camera.streams.map(stream) : h("p", { class: "soft", text: "No stream is known." })),
    past && part("Last seven days", ...pastPart(past, camera)),
    part("Addresses", whereabouts(camera)),
    part("Details", facts(camera)),
    part("Recent activity", camera.activity.length
      ? h("ol", { class: "happened" }, camera.activity.map((one) => h("li", {}, h("time", { datetime: one.at, text: stamp(one.at) }), h("span", { text: local(one.text) }))))
      : h("p", { class: "soft", text: "Nothing since camdetect started." })),
    part("Identifiers", h("ul", { class: "evidence" }, camera.evidence.map((one) =>
      h("li", {}, h("b", { text: one.kind.replaceAll("_", " ") }), " ", h("span", { class: "mono", text: one.value }), h("span", { class: "soft", text: ` by ${one.source}` }))))),
  ].filter(Boolean));
  dialog.scrollTop = scrolled;
  if (active) dialog.querySelector(`[data-act="${CSS.escape(active)}"]`)?.focus();
}

// Another site has the voice for it: commands go there, and what is seen here may differ from what is published.
function elsewhere({ owner, owner_page: page }) {
  const link = safeLink(page);
  return owner !== "" && h("p", { class: "remark" }, `Node ${owner} publishes this camera. `,
    link && h("a", { href: link, rel: "noreferrer", text: `Open the page of ${owner}` }));
}

// What a camera says of itself and its owner should know, though its picture comes.
const REMARKS = {
  "no-password-set": "It says that no password is set: anybody can look. Set one on its web page, then enter that login here.",
  "default-state": "It says that it is as it left the factory. Set it up with its manufacturer's app or tool.",
  "managed-by": "It says that a console manages it.",
};
function remarks(camera) {
  return (camera.conditions ?? []).filter((one) => REMARKS[one] && one !== camera.reason_code)
    .map((one) => (one === "managed-by" && camera.managed_by ? `It says that ${camera.managed_by} manages it.` : REMARKS[one]));
}

function part(title, ...content) { return h("section", {}, h("h3", { text: title }), ...content); }

function stream(one) {
  return h("div", { class: "stream", data: { good: String(one.validated) } },
    h("div", {},
      h("b", { text: one.name || "stream" }), " ", h("span", { text: streamWords(one) }),
      !one.validated && one.reason && h("p", { class: "reason", text: local(one.reason) }),
      h("code", { class: "url", text: one.url })),
    copyButton(() => one.url, `the URL of ${one.name || "this stream"}`));
}

function whereabouts(camera) {
  const places = [...camera.addresses].reverse();
  if (!places.length) return h("p", { class: "mono", text: camera.ip });
  return h("ol", { class: "places" }, places.map((place, n) =>
    h("li", {}, h("span", { class: "mono", text: place.ip }), h("span", { class: "soft", text: `${n ? "from" : "since"} ${stamp(place.since)}` }))));
}

function facts(camera) {
  const web = safeLink(camera.http_url);
  const rows = [
    ["Maker", [camera.manufacturer, camera.model].filter(Boolean).join(" ")],
    ["Firmware", camera.firmware_version], ["Serial number", camera.serial_number],
    ["Known by", camera.unconfirmed ? "its own word: no inspection has found a camera there" : ""],
    ["MAC", camera.mac], ["Id", camera.id], ["Channel", camera.channel > 1 ? String(camera.channel) : ""],
    ["ONVIF", camera.onvif_url],
    ["Camera's web page", web && h("a", { href: web, target: "_blank", rel: "noopener noreferrer", text: web })],
    ["Found by", camera.discovery_methods.join(", ")],
    ["ONVIF services", Object.keys(camera.capabilities).join(", ")],
    ["First seen", stamp(camera.first_seen_iso)], ["Last seen", stamp(camera.last_seen_iso)], ["Stream last checked", stamp(camera.last_validated_iso)],
  ];
  return h("dl", {}, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", { text: name }), h("dd", {}, value)]));
}

function actions(camera) {
  const id = encodeURIComponent(camera.id);
  const doing = (text, act, work, extra = {}) => h("button", {
    type: "button", text, data: { act }, ...extra,
    onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      try { await work(); } catch (error) { toast(error.message, "bad"); } finally { button.disabled = false; }
    },
  });
  return h("div", { class: "row" },
    doing("Check now", "check", async () => { await post(`cameras/${id}/check`); toast("Checking…"); }, { class: "primary" }),
    doing("New picture", "picture", async () => { await post(`cameras/${id}/picture`); await refresh(); toast("Here is a new picture"); }),
    h("a", { class: "button", href: `#/why/${encodeURIComponent(camera.ip)}`, text: "Explain" }));
}
