// A name and a label go in; a field with room for a hint, for where its value comes from, and for a refusal comes out.

import { h, setText } from "./dom.js";

let count = 0;

export class Field {
  // props: of the input; kind "area" is a text of several lines; make: another control than an input.
  constructor(name, label, { hint = "", kind = "text", make, ...props } = {}) {
    this.name = name;
    const id = `field-${name}-${count += 1}`;
    this.told = h("p", { class: "hint", id: `${id}-hint`, text: hint });
    this.fault = h("p", { class: "fault", id: `${id}-fault`, role: "alert" });
    const common = { id, name, autocomplete: "off", "aria-describedby": `${id}-hint ${id}-fault`, oninput: () => this.refuse(""), ...props };
    if (make) this.input = make(common);
    else if (kind === "area") this.input = h("textarea", { rows: 3, ...common });
    else this.input = h("input", { type: kind, spellcheck: "false", autocapitalize: "off", ...common });
    this.row = h("div", { class: "control" }, this.input);
    this.node = h("div", { class: "field" }, h("label", { for: id, text: label }), this.row, this.told, this.fault);
    this.hint = hint;
  }

  get value() { return this.input.value; }
  set value(value) { this.input.value = value; }

  tell(text) { setText(this.told, text || this.hint); }

  // What is wrong with what stands there; "": nothing.
  refuse(text) {
    setText(this.fault, text);
    if (text) this.input.setAttribute("aria-invalid", "true"); else this.input.removeAttribute("aria-invalid");
  }
}

// A password, with a button that shows what was typed.
export function passwordField(label, hint) {
  const field = new Field("password", label, { hint, kind: "password", autocomplete: "new-password" });
  const show = h("button", { type: "button", class: "small", text: "Show", "aria-pressed": "false", onclick: () => {
    const hidden = field.input.type === "password";
    field.input.type = hidden ? "text" : "password";
    show.setAttribute("aria-pressed", String(hidden));
    setText(show, hidden ? "Hide" : "Show");
  } });
  show.setAttribute("aria-label", "Show the password");
  field.row.append(show);
  return field;
}

// "name: at most 64 characters" goes to the field of that name; false when the refusal names none of them.
export function refuseAt(fields, error) {
  const [, name, words] = /^(\w+): ([^]*)$/.exec(error.message) ?? [];
  let field = fields.find((one) => one.name === name);
  // What is too long for any request names no field: it is the longest.
  if (!field && error.status === 413) [field] = [...fields].sort((a, b) => b.value.length - a.value.length);
  if (!field) return false;
  field.refuse(error.status === 413 ? "too long" : words);
  field.input.focus();
  return true;
}

// One line under a form that says how it went; an assistive technology reads it out.
export class Answer {
  constructor() { this.node = h("p", { class: "answered", role: "status" }); }
  tell(text, kind = "") {
    this.node.dataset.kind = kind;
    setText(this.node, text);
  }
}

// A form that is sent at most once at a time. work() may throw: what was typed stays, and the refusal stands at its field.
export function sending({ fields, button, doing, answer, work }) {
  const words = button.textContent;
  let busy = false;
  return async (event) => {
    event?.preventDefault();
    if (busy) return;
    busy = true;
    for (const field of fields) field.refuse("");
    setText(button, doing);
    button.setAttribute("aria-disabled", "true");
    answer.tell(`${doing}`, "busy");
    try {
      await work();
    } catch (error) {
      answer.tell(refuseAt(fields, error) ? "" : sentence(error.message), "bad");
    } finally {
      busy = false;
      setText(button, words);
      button.removeAttribute("aria-disabled");
    }
  };
}

export function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
