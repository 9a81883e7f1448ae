// The daemon's stream of events comes in; handlers are called, and how the line stands is told.

import { get } from "./api.js";

const handlers = new Map();
export function on(event, handler) { handlers.set(event, handler); }

// A thousand cameras may change at once, and a browser hands all of it over in one task: it is read in slices, so that
// the page answers a finger in between.
const SLICE = 8; // milliseconds
let queue = [];
const slice = new MessageChannel();
slice.port2.onmessage = () => {
  const end = performance.now() + SLICE;
  let at = 0;
  while (at < queue.length && performance.now() < end) {
    handlers.get(queue[at])?.(JSON.parse(queue[at + 1]));
    at += 2;
  }
  queue = queue.slice(at);
  if (queue.length) slice.port1.postMessage(0);
};

// Milliseconds until a line is open: a browser waits minutes for a host that is gone, and does not ask anew when that
// is back. And those of silence on one that is: the daemon says something every 15 seconds.
const OPENING = 15000;
const SILENCE = 35000;

let source = null;
let lastId = "";
let wait = 1000;
let timer = 0;
let rest = 0;
let watch = 0;
let begun = false;
let wanted = false;
let tell = () => {};

export function start(onState) {
  tell = onState;
  wanted = true;
  open();
  if (begun) return;
  begun = true;
  // A browser has six connections for one host, and each open page holds one: a page that nobody sees gives its up.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(rest);
    if (document.hidden) rest = setTimeout(stop, 20000);
    // A phone that was asleep finds a dead line: do not wait for its time-out.
    else if (source?.readyState !== EventSource.OPEN) open();
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  addEventListener("online", open);
}

export function stop() {
  clearTimeout(timer);
  clearTimeout(watch);
  source?.close();
  source = null;
}

// No line until it is started again: a token is needed.
export function end() {
  wanted = false;
  stop();
}

function expect(milliseconds) {
  clearTimeout(watch);
  watch = setTimeout(() => { tell("lost"); open(); }, milliseconds);
}

function open() {
  stop();
  if (!wanted) return;
  expect(OPENING);
  source = new EventSource(`api/v1/events${lastId ? `?last_event_id=${encodeURIComponent(lastId)}` : ""}`);
  source.onopen = () => { wait = 1000; expect(SILENCE); tell("live"); };
  source.onerror = () => {
    tell("lost");
    expect(OPENING);
    if (source?.readyState !== EventSource.CLOSED) return;
    clearTimeout(watch);
    // Refused, and the browser will not try again by itself: no room, a token is needed, or nobody is there.
    get("session").then((session) => { if (session.needed && !session.given) { end(); tell("login"); } }, () => {});
    clearTimeout(timer);
    timer = setTimeout(open, wait);
    wait = Math.min(15000, wait * 2);
  };
  source.addEventListener("beat", () => expect(SILENCE));
  for (const name of ["hello", "reset", "camera", "gone", "happened", "discovery", "mqtt", "connection", "notice"]) {
    source.addEventListener(name, (event) => {
      expect(SILENCE);
      lastId = event.lastEventId || lastId;
      queue.push(name, event.data);
      if (queue.length === 2) slice.port1.postMessage(0);
    });
  }
}
