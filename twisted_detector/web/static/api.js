// A path goes in; the daemon's answer, or an error in plain words, comes out.

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let needsLogin = () => {};
export function onLogin(handler) { needsLogin = handler; }

export async function request(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-Camdetect"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`api/v1/${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin",
      signal: signal ?? AbortSignal.timeout(40000),
    });
  } catch {
    throw new Refused(0, "camdetect does not answer");
  }
  if (answer.ok) return answer;
  let detail = `it answered ${answer.status}`;
  try { detail = (await answer.json()).detail ?? detail; } catch { /* no problem document: the status must do */ }
  if (answer.status === 401 && path !== "session") needsLogin();
  throw new Refused(answer.status, detail);
}

export const get = async (path) => (await request("GET", path)).json();
export const getText = async (path) => (await request("GET", path)).text();
// What other nodes that know a camera did not do, though the one that publishes it did.
let tellMissed = () => {};
export function onMissed(handler) { tellMissed = handler; }
export const post = async (path, body) => {
  const said = await (await request("POST", path, body)).json();
  if (said.missed) tellMissed(said.missed);
  return said;
};
export const del = async (path) => (await request("DELETE", path)).json();
