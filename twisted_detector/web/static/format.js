// Facts go in; words come out.

export const STATUS = {
  online: "Online",
  offline: "Offline",
  auth_required: "Needs a login",
  stream_error: "No stream plays",
  busy: "Busy",
  sleeps: "Asleep",
};
// Whatever needs somebody first.
export const URGENCY = { stream_error: 0, auth_required: 1, offline: 2, busy: 3, sleeps: 4, online: 5 };

const DAY = 86400;

export function span(seconds) {
  if (seconds < 1) return "a moment";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / DAY)} days`;
}

export function ago(iso) {
  if (!iso) return "never";
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  return seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

export function stamp(iso) {
  if (!iso) return "never";
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return String(iso);
  const today = new Date().toDateString() === at.toDateString();
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return today ? time : `${at.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" })}, ${time}`;
}

// Stamps in a reason are UTC, for machines; a person has one zone, and the rest of the page is in it.
export function local(text) { return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (one) => stamp(one)); }

// A reason as the first words of a sentence.
export function first(text) { return text.charAt(0).toUpperCase() + text.slice(1); }

// A time of the last days, as one says it.
export function moment(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return String(iso);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 1000 / DAY);
  if (days === 0) return `today ${time}`;
  if (days === 1) return `yesterday ${time}`;
  const day = days > 0 && days < 7 ? { weekday: "short" } : { year: "numeric", month: "short", day: "numeric" };
  return `${at.toLocaleDateString([], day)} ${time}`;
}

// Rounded down: what was away for a moment was not there all the time.
export function percent(ratio) {
  return `${Math.floor(ratio * 1000) / 10} %`;
}

export function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : more}`;
}

export function streamWords(stream) {
  const words = [];
  if (stream.codec) words.push(stream.codec);
  if (stream.width) words.push(`${stream.width}×${stream.height}`);
  if (stream.fps) words.push(`${Math.round(stream.fps)} fps`);
  if (stream.audio) words.push(stream.audio);
  return words.join(" · ") || "not examined yet";
}

export function best(camera) {
  return camera.streams.find((stream) => stream.validated) ?? camera.streams[0] ?? null;
}

// An address as a key that sorts as people count.
export function addressKey(ip) {
  return ip.includes(":") ? `~${ip}` : ip.split(".").map((part) => part.padStart(3, "0")).join(".");
}

export function safeLink(url) {
  try {
    const { protocol, href } = new URL(url);
    return protocol === "http:" || protocol === "https:" ? href : null;
  } catch { return null; }
}
