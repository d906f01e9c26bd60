"use strict";
// Reads the data, then draws the view that the address describes, and redraws when it changes.

const THEMES = [["", "as the system"], ["light", "light"], ["dark", "dark"]];

function applyTheme() {
  const asked = Hash.read().get("theme") ?? "";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = ["light", "dark"].includes(asked) ? asked : system;
  const changed = document.documentElement.dataset.theme !== theme;
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").setAttribute("aria-label", `Colours: ${THEMES.find(([name]) => name === asked)?.[1] ?? "as the system"}`);
  return changed;
}
applyTheme();

// Parts of the address that select nothing: a change of these alone computes no statistics.
const VIEW_ONLY = ["rows", "of", "on", "by", "sort", "columns", "row", "pairs", "ert", "a", "b", "problems", "section", "theme"];

const page = { data: null, result: null, drawnFor: "", section: null, row: null, milliseconds: NaN };

function draw() {
  const began = performance.now();
  const { data } = page;
  const recoloured = applyTheme();
  const parts = Hash.read();
  for (const name of VIEW_ONLY) parts.delete(name);
  const filtered = !page.result || page.drawnFor !== parts.toString();
  if (filtered) {
    page.drawnFor = parts.toString();
    const selection = readSelection(data);
    page.result = compute(data, selection);
    drawVerdict(page.result);
    redraw(document.getElementById("strip"), () => drawStrip(page.result));
    redraw(document.getElementById("filters"), () => drawFilters(data, selection));
  }
  redraw(document.getElementById("ranking"), () => drawRanking(page.result));
  whenFree("pairs", () => drawPairs(page.result));
  whenFree("runtimes", () => drawRuntimes(page.result));
  if (filtered || recoloured) drawFigures(page.result);
  if (filtered) whenFree("gallery", () => drawGallery(page.result));
  whenFree("compare", () => drawCompare(page.result));
  redraw(document.getElementById("rows"), () => drawRows(page.result));
  const section = Hash.read().get("section");
  if (section !== page.section) {
    page.section = section;
    drawLater();
    const place = document.getElementById(section ?? "");
    if (place?.matches("section, figure")) {
      place.scrollIntoView();
      place.focus({ preventScroll: true });
    }
  }
  const row = Hash.read().get("row");
  if (row !== page.row) {
    page.row = row;
    document.querySelector("#ranking-table .marked")?.scrollIntoView({ block: "center" });
  }
  page.milliseconds = performance.now() - began;
}

const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) target.inSight = isIntersecting;
});

// Draws a section now if it is visible, else after the visible ones have been painted.
const later = new Map();

function whenFree(id, action) {
  const place = document.getElementById(id);
  watch.observe(place);
  if (place.inSight) {
    redraw(place, action);
    return;
  }
  if (!later.size) requestAnimationFrame(() => setTimeout(drawLater, 50));
  later.set(id, () => redraw(place, action));
}

function drawLater() {
  const actions = [...later.values()];
  later.clear();
  actions.forEach((action) => action());
}

async function start() {
  page.data = await readData();
  if (document.getElementById(location.hash.slice(1))?.tagName === "SECTION") Hash.replace(`#section=${location.hash.slice(1)}`);
  document.getElementById("theme").addEventListener("click", () => {
    const now = THEMES.findIndex(([name]) => name === (Hash.read().get("theme") ?? ""));
    const [next] = THEMES[(now + 1) % THEMES.length];
    Hash.change({ theme: next || null });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  for (const link of document.querySelectorAll("nav a, .skip")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      page.section = null;
      Hash.change({ section: link.hash.slice(1) });
    });
  }
  document.getElementById("rows").addEventListener("close", () => {
    if (Hash.read().has("rows")) Hash.change({ rows: null, of: null, on: null });
  });
  makeFigures(document.getElementById("figures"));
  drawEnvironment(page.data);
  drawSubmit(page);
  Hash.listeners.push(draw);
  draw();
  drawLater();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
}
start();
