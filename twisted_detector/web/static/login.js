// Who may look: a link that signs in once, or the form that asks for the token.

import { post, request } from "./api.js";
import { byId, h, setText } from "./dom.js";

let refuse = null; // of the form that is open
let code = ""; // of the link, until it is used

// The code of such a link, which from then on stands in no address bar, history or bookmark.
function takeCode() {
  const given = /^#login=([\w-]{1,64})$/.exec(location.hash)?.[1] ?? "";
  if (given) history.replaceState(null, "", "#/");
  return given;
}

// The session as it stands, after a link that signs in was used.
export async function session() {
  code = takeCode() || code;
  // Nothing is on the page before this: it does not wait long in silence.
  const found = await (await request("GET", "session", undefined, AbortSignal.timeout(10000))).json();
  const given = code;
  code = "";
  if (!given || !found.needed) return { found, fault: "" };
  try {
    return { found: await post("session", { code: given }), fault: "" };
  } catch (error) {
    return { found, fault: error.message };
  }
}

// Such a link was opened where the page is open already: only what follows "#" changed.
export const isLink = () => location.hash.startsWith("#login=");

export function closeForm() {
  refuse = null;
  byId("login").close();
}

export function askToken(then, reason = "") {
  if (refuse) { if (reason) refuse(reason); return; }
  const dialog = byId("login");
  const input = h("input", {
    type: "password", id: "token", name: "password", required: true, autocomplete: "current-password", "aria-describedby": "token-fault",
  });
  const fault = h("p", { class: "reason", role: "alert", id: "token-fault" });
  refuse = (text) => {
    setText(fault, text && `${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
    if (text) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
  };
  const form = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      refuse("");
      try {
        const found = await post("session", { token: input.value });
        closeForm();
        then(found);
      } catch (error) { refuse?.(error.message); input.select(); }
    },
  },
  // Password managers keep a password with a user; there is one here.
  h("label", { for: "user", text: "User" }),
  h("input", { type: "text", id: "user", name: "username", autocomplete: "username", value: "camdetect", readonly: true }),
  h("label", { for: "token", text: "Token" }), input, fault,
  h("div", { class: "row end" }, h("button", { class: "primary", text: "Sign in" })));
  dialog.replaceChildren(
    h("h2", { id: "login-title", text: "Sign in" }),
    h("p", {}, "On the machine that runs camdetect, ", h("code", { text: "camdetect page" }), " prints a sign-in link and says where the token is."),
    form);
  dialog.oncancel = (event) => event.preventDefault();
  if (!dialog.open) dialog.showModal();
  refuse(reason);
  input.focus();
}
