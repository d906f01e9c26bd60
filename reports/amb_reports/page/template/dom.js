"use strict";
// Elements from plain text: nothing in the data is ever read as HTML.

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
}

// Redraws a part of the page and keeps the keyboard's focus where it was.
function redraw(place, action) {
  const controls = () => [...place.querySelectorAll("a, button, input, select, summary, [tabindex]")];
  const index = controls().indexOf(document.activeElement);
  action();
  if (index >= 0) controls()[index]?.focus({ preventScroll: true });
}

function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const themeColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const DASH_ARRAYS = { solid: "", dash: "6 3", dot: "2 2", dashdot: "6 2 2 2" };

// A short piece of a solver's line, as it appears in every figure.
function swatch(solver) {
  return svg("svg", { class: "swatch", width: 22, height: 10, "aria-hidden": "true" }, svg("line", {
    x1: 1, x2: 21, y1: 5, y2: 5, "stroke-width": 3, "stroke-dasharray": DASH_ARRAYS[solver.dash],
    style: `stroke: var(--c${solver.colour})`,
  }));
}

// A link to another view; it keeps everything else that the address holds at the time of the click.
function hashLink(changes, attributes, ...children) {
  const link = h("a", { href: Hash.with(changes), ...attributes }, ...children);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    location.hash = Hash.with(changes).slice(1);
  });
  return link;
}

// A shell word, as Python's shlex.quote writes it.
const quote = (word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\"'\"'")}'`);

// A command with a button that copies it. Pages from a web server without TLS have no clipboard, and a reader may refuse it:
// the command is then selected, since what was copied before must not be pasted into a terminal for it.
function commandBox(words, command) {
  const code = h("code", { tabindex: 0 }, command);
  const copy = h("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      copy.textContent = document.execCommand("copy") ? "Copied" : "Selected: copy it with Ctrl-C";
    }
  });
  return h("div", {}, h("div", { class: "muted" }, words), h("div", { class: "command" }, code, copy));
}

// A part that opens on a click, and stays as the reader left it when the page is redrawn.
const opened = new Set();

function disclosure(id, summary, attributes, ...children) {
  const note = ({ target }) => { if (target.open) opened.add(id); else opened.delete(id); };
  return h("details", { open: opened.has(id), ...attributes, ontoggle: note }, h("summary", {}, summary), ...children);
}

const howTo = (id, ...words) => disclosure(`how ${id}`, "How to read this", { class: "how" }, h("p", {}, ...words));
