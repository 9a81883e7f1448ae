// Lists and deltas go in; the cameras as they stand, and word of what changed, come out: once a frame at most.

import { get } from "./api.js";

export const cameras = new Map();
export const state = { loaded: false, error: "", discovery: null };

const listeners = new Set();
let dirty = new Set();
let scheduled = false;
// What was told while a list was on its way is newer than the list.
let toldMeanwhile = null;

export function subscribe(listener) { listeners.add(listener); }

function changed(id) {
  dirty.add(id);
  if (scheduled) return;
  scheduled = true;
  // A page in the background gets no frames; it must not gather changes for ever either.
  const wait = document.hidden ? (f) => setTimeout(f, 500) : requestAnimationFrame;
  wait(() => {
    scheduled = false;
    const ids = dirty;
    dirty = new Set();
    for (const listener of listeners) listener(ids);
  });
}

export function put(camera) {
  toldMeanwhile?.add(camera.id);
  cameras.set(camera.id, camera);
  changed(camera.id);
}

export function drop(id) {
  toldMeanwhile?.add(id);
  if (cameras.delete(id)) changed(id);
}

export function setDiscovery(discovery) {
  state.discovery = discovery;
  changed("");
}

// Some at a time, so that neither side works long at a stretch.
export async function load() {
  const told = (toldMeanwhile = new Set());
  const seen = new Set();
  try {
    let after = "";
    do {
      const answer = await get(`cameras?fields=brief&limit=250${after ? `&after=${encodeURIComponent(after)}` : ""}`);
      for (const camera of answer.cameras) {
        seen.add(camera.id);
        if (!told.has(camera.id)) { cameras.set(camera.id, camera); changed(camera.id); }
      }
      after = answer.next;
    } while (after);
    for (const id of [...cameras.keys()]) if (!seen.has(id) && !told.has(id)) { cameras.delete(id); changed(id); }
    state.loaded = true;
    state.error = "";
  } catch (error) {
    state.error = error.message;
    throw error;
  } finally {
    if (toldMeanwhile === told) toldMeanwhile = null;
    changed("");
  }
}
