// Names, facts and handlers go in; elements come out. Text only ever becomes text: nothing here makes markup of it.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return element;
}

export const h = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);
export const s = (tag, props, ...kids) => fill(document.createElementNS(SVG, tag), props, kids);
export const byId = (id) => document.getElementById(id);

// Writes only what differs: a node that is left alone costs no layout.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// In the dialog that is open: what stands beside one is covered by it, and not read out.
let region = null;
export function toast(text, kind = "good") {
  const node = h("p", { class: `toast ${kind}`, text });
  region ??= byId("toasts");
  const host = document.querySelector("dialog[open]") ?? document.body;
  if (region.parentNode !== host) host.append(region);
  while (region.children.length > 3) region.firstChild.remove();
  region.append(node);
  setTimeout(() => node.remove(), kind === "bad" ? 9000 : 4000);
}

// The clipboard API is there on https and localhost only; on a LAN's http the old way still works.
export async function copy(text, what) {
  try {
    if (navigator.clipboard && window.isSecureContext) await navigator.clipboard.writeText(text);
    else copyByHand(text);
    toast(`${what} copied`);
  } catch {
    try { copyByHand(text); toast(`${what} copied`); } catch { toast(`${what} could not be copied`, "bad"); }
  }
}

function copyByHand(text) {
  const before = document.activeElement;
  const area = h("textarea", { class: "offscreen", readonly: true, "aria-hidden": "true" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus?.();
  if (!done) throw new Error("refused");
}

export function copyButton(text, what, label = "Copy") {
  return h("button", {
    class: "small", type: "button", "aria-label": `${label} ${what}`, title: `${label} ${what}`, text: label,
    onclick: (event) => { event.stopPropagation(); event.preventDefault(); copy(text(), what); },
  });
}

// A question that must be answered before something is lost.
export function sure(title, text, yes) {
  const dialog = byId("ask");
  return new Promise((answer) => {
    const close = (value) => { dialog.close(); answer(value); };
    dialog.replaceChildren(
      h("h2", { id: "ask-title", text: title }),
      h("p", { text }),
      h("div", { class: "row end" },
        h("button", { type: "button", text: "Keep it", autofocus: true, onclick: () => close(false) }),
        h("button", { type: "button", class: "danger", text: yes, onclick: () => close(true) })),
    );
    dialog.oncancel = () => answer(false);
    dialog.showModal();
  });
}
