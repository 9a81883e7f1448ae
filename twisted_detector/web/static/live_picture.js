// A camera goes in; what it sees now comes out, over its still picture, while somebody looks and no moment longer.

import { get, request } from "./api.js";
import { h, setText } from "./dom.js";
import { ago, first, local, stamp } from "./format.js";

const ANSWER = 40000; // milliseconds for one picture; the daemon answers before
const PROBE = 4000; // milliseconds until a player that does not answer this browser is passed over
const FIRST_RETRY = 2000; // doubled with each failure, up to the second figure
const LAST_RETRY = 30000;
// What the daemon would refuse, too, with the reason that stands in the drawer already.
const NONE = { offline: "No live picture: the camera is offline.", auth_required: "No live picture: the camera needs a login.", sleeps: "No live picture: the camera sleeps to save its battery." };
const PROGRAM = { go2rtc: "go2rtc", frigate: "Frigate" };

const pause = (wait, signal) => new Promise((done) => {
  const timer = setTimeout(done, wait);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

// A signal that comes with another one, and after a time in any case. (AbortSignal.any is too new for some phones.)
function within(milliseconds, signal) {
  const own = new AbortController();
  const timer = setTimeout(() => own.abort(), milliseconds);
  signal.addEventListener("abort", () => { clearTimeout(timer); own.abort(); }, { once: true, signal: own.signal });
  return own.signal;
}

export class LivePicture {
  // frame: the element of the still picture; node: what is told of the live one.
  constructor(frame, id, status) {
    this.frame = frame;
    this.status = status; // undefined while it is not known
    this.path = `cameras/${encodeURIComponent(id)}/live`;
    this.words = h("span", { role: "status" });
    this.other = h("button", { type: "button", class: "small", hidden: true, onclick: () => { this.pictures = !this.pictures; this.start(); } });
    this.node = h("div", { class: "now" }, this.words, this.other);
    this.pictures = false; // rather than a player
    this.run = new AbortController();
    // What nobody sees is asked of nobody.
    this.visibility = () => (document.hidden ? this.stop() : this.start());
    document.addEventListener("visibilitychange", this.visibility);
    this.start();
  }

  // The camera as it stands: when it is back there is a live picture at once.
  update(status) {
    if (this.status === status) return;
    const wasKnown = this.status !== undefined;
    this.status = status;
    if (wasKnown || NONE[status]) this.start();
  }

  end() {
    document.removeEventListener("visibilitychange", this.visibility);
    this.stop();
  }

  stop() {
    this.run.abort();
    clearInterval(this.aging);
    for (const one of this.frame.querySelectorAll(".live, .age.taken")) one.remove();
    this.say("");
  }

  async start() {
    this.stop();
    if (document.hidden) return;
    if (NONE[this.status]) { this.say(NONE[this.status]); return; }
    const { signal } = (this.run = new AbortController());
    this.say("Waiting for the live picture");
    const players = await get(this.path).then((answer) => answer.players, () => []);
    const player = await this.reachable(players, signal);
    if (signal.aborted) return;
    const name = PROGRAM[(player ?? players[0])?.program] ?? "";
    if (player && !this.pictures) this.play(player, name);
    else await this.follow(signal, player ? name : "", players.length && !player ? `${name} at ${new URL(players[0].url).origin} does not answer this browser` : "");
  }

  // The first whose page answers: a name that only the daemon knows, or http within https, would be an empty frame.
  async reachable(players, signal) {
    for (const player of players) {
      try {
        await fetch(player.url, { mode: "no-cors", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", signal: within(PROBE, signal) });
        return player;
      } catch { /* the next one, or pictures */ }
    }
    return null;
  }

  // Its own page in a frame: its websocket refuses scripts of any other.
  play(player, name) {
    this.frame.append(h("iframe", {
      class: `live ${player.program}`, src: player.url, title: `Live picture from ${name}`, referrerpolicy: "no-referrer",
      sandbox: "allow-scripts allow-same-origin allow-forms", allow: "autoplay; fullscreen; picture-in-picture",
    }));
    this.say(`Live from ${name}`, "Show pictures instead");
  }

  // A picture a second: each is asked for when the one before is shown.
  async follow(signal, name, reason) {
    let seen = "";
    let wait = 0;
    while (!signal.aborted) {
      try {
        const answer = await request("POST", `${this.path}?seen=${encodeURIComponent(seen)}`, undefined, within(ANSWER, signal));
        const picture = await createImageBitmap(await answer.blob());
        if (signal.aborted) return;
        this.paint(picture, answer.headers.get("X-Taken-At"));
        seen = (answer.headers.get("ETag") ?? "").replaceAll('"', "");
        wait = 0;
        this.say(`Live, a picture a second${reason && ` (${reason})`}`, name && `Show ${name}'s player`);
      } catch (error) {
        if (signal.aborted) return;
        this.frame.querySelector("canvas.live")?.classList.add("old");
        this.say(`${first(local(error instanceof DOMException ? "this picture cannot be shown" : error.message))}.`, name && `Show ${name}'s player`);
        if (error.status === 404) return; // there is no such camera, or no pictures are taken
        wait = Math.min(LAST_RETRY, wait * 2 || FIRST_RETRY);
        await pause(wait, signal);
      }
    }
  }

  paint(picture, takenAt) {
    let canvas = this.frame.querySelector("canvas.live");
    if (!canvas) {
      canvas = h("canvas", { class: "live", role: "img", "aria-label": "Live picture" });
      const age = h("span", { class: "age taken" });
      this.frame.append(canvas, age);
      this.aging = setInterval(() => setText(age, ago(this.takenAt)), 1000);
    }
    canvas.classList.remove("old");
    if (canvas.width !== picture.width || canvas.height !== picture.height) Object.assign(canvas, { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    canvas.dataset.pictures = Number(canvas.dataset.pictures ?? 0) + 1;
    this.takenAt = takenAt;
    const age = this.frame.querySelector(".age.taken");
    setText(age, ago(takenAt));
    age.title = `Picture taken at ${stamp(takenAt)}`;
  }

  say(text, other = "") {
    setText(this.words, text);
    setText(this.other, other);
    this.other.hidden = !other;
  }
}
