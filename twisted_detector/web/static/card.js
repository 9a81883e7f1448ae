// A camera goes in; its card comes out, and later only what changed of it is written again.

import { WeekBar } from "./bar.js";
import { h, s, setText, copyButton } from "./dom.js";
import { STATUS, ago, best, local, stamp, streamWords } from "./format.js";

export function lens() {
  return s("svg", { class: "lens", viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("circle", { cx: 16, cy: 16, r: 12 }), s("circle", { cx: 16, cy: 16, r: 5 }));
}

// small: as a card shows it.
export function pictureUrl(camera, small = false) {
  return `api/v1/cameras/${encodeURIComponent(camera.id)}/picture?v=${encodeURIComponent(camera.picture.version)}${small ? "&size=thumb" : ""}`;
}

// An image that appears when it is there, and a drawing of a lens until then.
export function showPicture(frame, camera, small = false) {
  const url = camera.picture ? pictureUrl(camera, small) : "";
  if (frame.dataset.url === url) return;
  frame.dataset.url = url;
  if (!url) { frame.querySelector("img")?.remove(); return; }
  const image = h("img", { alt: "", decoding: "async", draggable: "false" });
  image.onload = () => { for (const old of frame.querySelectorAll("img")) if (old !== image) old.remove(); image.classList.add("there"); };
  image.onerror = () => image.remove();
  image.src = url;
  frame.append(image);
}

// How old the picture is: a still must not pass for what is to be seen now.
export function showAge(frame, camera) {
  const at = camera.picture?.taken_at;
  const node = frame.querySelector(".age") ?? frame.appendChild(h("span", { class: "age" }));
  setText(node, at ? ago(at) : "");
  node.title = at ? `Picture taken at ${stamp(at)}` : "";
  node.hidden = !at;
}

export class Card {
  constructor(camera) {
    this.frame = h("div", { class: "picture" }, lens());
    this.status = h("span", { class: "status" });
    this.link = h("a", { class: "name", href: `#/camera/${encodeURIComponent(camera.id)}` });
    this.address = h("span", { class: "mono" });
    this.make = h("span", { class: "soft" });
    this.line = h("p", { class: "line" });
    this.moved = h("span", { class: "tag" });
    this.bar = new WeekBar(() => this.link.click());
    this.copy = copyButton(() => best(this.camera)?.url ?? "", `the stream of ${camera.name}`);
    this.give = h("a", { class: "button small", href: `#/camera/${encodeURIComponent(camera.id)}/login`, text: "Enter login" });
    this.node = h("div", { class: "card", role: "listitem", data: { id: camera.id } },
      this.frame,
      h("div", { class: "facts" },
        h("h3", {}, this.link),
        h("p", { class: "where" }, this.address, this.make),
        this.line,
        this.bar.node,
        h("p", { class: "foot" }, this.status, this.moved, this.copy, this.give)));
    this.update(camera);
  }

  update(camera) {
    showAge(this.frame, camera);
    this.bar.update(camera.week, camera.status);
    if (this.camera === camera) return;
    this.camera = camera;
    const stream = best(camera);
    if (this.node.dataset.status !== camera.status) this.node.dataset.status = camera.status;
    setText(this.link, camera.name);
    this.link.setAttribute("aria-label", `${camera.name}, ${STATUS[camera.status]}${camera.reason ? `: ${camera.reason}` : ""}`);
    setText(this.address, camera.ip);
    setText(this.make, [camera.manufacturer, camera.model].filter(Boolean).join(" "));
    setText(this.line, local(camera.reason) || (stream ? streamWords(stream) : "no stream is known"));
    this.line.title = local(camera.reason);
    setText(this.status, STATUS[camera.status] ?? camera.status);
    this.status.title = camera.since ? `since ${ago(camera.since)}` : "";
    setText(this.moved, camera.moves ? `moved ${camera.moves === 1 ? "once" : `${camera.moves}×`}` : "");
    this.moved.hidden = !camera.moves;
    this.give.hidden = camera.status !== "auth_required";
    this.give.setAttribute("aria-label", `Enter login for ${camera.name}`);
    this.copy.hidden = !stream || !this.give.hidden;
    showPicture(this.frame, camera, true);
  }
}
