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

const page = { data: null, result: null, drawnFor: "", section: null, milliseconds: NaN };

function draw() {
  const began = performance.now();
  const { data } = page;
  const recoloured = applyTheme();
  const parts = Hash.read();
  for (const name of ["rows", "of", "on", "by", "sort", "pairs", "ert", "section", "theme"]) parts.delete(name);
  const filtered = !page.result || page.drawnFor !== parts.toString();
  if (filtered) {
    page.drawnFor = parts.toString();
    const selection = readSelection(data);
    page.result = compute(data, selection);
    document.getElementById("verdict").textContent = verdictOf(page.result);
    document.getElementById("basis").textContent = basisWords(page.result);
    redraw(document.getElementById("filters"), () => drawFilters(data, selection));
  }
  redraw(document.getElementById("ranking"), () => drawRanking(page.result));
  whenFree("pairs", () => drawPairs(page.result));
  whenFree("runtimes", () => drawRuntimes(page.result));
  if (filtered || recoloured) drawFigures(page.result);
  if (filtered) whenSeen("gallery", () => drawGallery(page.result));
  redraw(document.getElementById("rows"), () => drawRows(page.result));
  const section = Hash.read().get("section");
  if (section !== page.section) {
    page.section = section;
    drawLater();
    const place = document.getElementById(section ?? "");
    if (place?.tagName === "SECTION") {
      if (place.matches("#figures ~ section")) drawEverything();  // a section has its final place only once all above it is drawn
      place.scrollIntoView();
      place.focus({ preventScroll: true });
    }
  }
  page.milliseconds = performance.now() - began;
}

// Draws a section now if it is visible, else when it becomes visible.
const waiting = new Map();
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.inSight = isIntersecting;
    if (isIntersecting && waiting.has(target.id)) {
      waiting.get(target.id)();
      waiting.delete(target.id);
    }
  }
});

function whenSeen(id, action) {
  const place = document.getElementById(id);
  watch.observe(place);
  if (place.inSight) action();
  else waiting.set(id, action);
}

function drawEverything() {
  drawStale(true);
  for (const action of waiting.values()) action();
  waiting.clear();
}

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
      Hash.change({ section: new URLSearchParams(link.hash.slice(1)).get("section") });
    });
  }
  document.getElementById("rows").addEventListener("close", () => {
    if (Hash.read().has("rows")) Hash.change({ rows: null, of: null, on: null });
  });
  makeFigures(document.getElementById("figures"));
  drawEnvironment(page.data);
  Hash.listeners.push(draw);
  draw();
  drawLater();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
}
start();
