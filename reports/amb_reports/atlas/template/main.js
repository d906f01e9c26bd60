"use strict";
// The page: layers at the side, inputs in a grid, one unit in a sheet; the address holds the view.

const page = { data: null, order: [] };
const THEMES = [["", "as the system"], ["light", "light"], ["dark", "dark"]];

const generatorNow = () => Math.max(0, page.data.generators.indexOf(Hash.read().get("generator") ?? ""));
const sortNow = () => SORTS.find(([name]) => name === Hash.read().get("sort")) ?? SORTS[0];

function drawTheme() {
  const wanted = Hash.read().get("theme") ?? "";
  const dark = wanted ? wanted === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").setAttribute("aria-label", `Colours: ${THEMES.find(([name]) => name === wanted)?.[1] ?? "as the system"}`);
}

function drawLayers(rows, most) {
  const { data } = page, place = document.getElementById("layers");
  place.replaceChildren(...data.layers.map((layer, number) => {
    const own = rows.filter((i) => data.of.layer[i] === number);
    const mean = own.reduce((sum, i) => sum + data.of.activation[i], 0) / (own.length || 1);
    return h("a", { href: `#layer=${encodeURIComponent(layer)}`, "data-layer": number, title: `mean activation ${shown(mean)}`, onclick: (event) => {
      event.preventDefault();
      const section = document.querySelector(`.layer[data-layer="${number}"]`);
      section.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
      section.querySelector(".tile")?.focus({ preventScroll: true });
    } }, layer, h("span", { class: "units" }, own.length < data.sizes[number] ? `${own.length} of ${data.sizes[number]}` : String(own.length)),
    h("span", { class: "track" }, h("i", { style: `width:${most > 0 ? Math.max(0, (100 * mean) / most) : 0}%` })));
  }));
}

function drawGrid() {
  const { data } = page, rows = bestInputs(data, generatorNow()), [, , compare] = sortNow();
  const most = Math.max(0, ...rows.map((i) => data.of.activation[i]));
  page.order = [];
  const sections = data.layers.map((layer, number) => {
    const own = rows.filter((i) => data.of.layer[i] === number).sort(compare(data));
    page.order.push(...own);
    const summary = data.summaries.find((one) => one.layer === layer && one.generator === data.generators[generatorNow()]);
    const words = [`${own.length} unit${own.length === 1 ? "" : "s"}`, `mean activation ${shown(summary?.activation)}`];
    if (summary?.entropy !== null && summary?.entropy !== undefined) words.push(`entropy ${shown(summary.entropy, 2)}`);
    if (summary?.selectivity !== null && summary?.selectivity !== undefined) words.push(`selectivity ${shown(summary.selectivity, 2)}`);
    if (summary?.silent) words.push(`${summary.silent} silent`);
    if (summary?.saturated) words.push(`${summary.saturated} saturated`);
    return h("section", { class: "layer", "data-layer": number, "aria-label": `Layer ${layer}` }, h("h2", {}, layer), h("p", {}, words.join(" · ")),
      h("div", { class: "tiles" }, own.map((i) => tile(data, i, most))));
  });
  document.getElementById("grid").replaceChildren(...sections);
  document.querySelector(".tile")?.setAttribute("tabindex", "0");
  drawLayers(rows, most);
}

function drawSummary() {
  const { data } = page, units = new Set(page.order.map((i) => unitKey(data, i))).size;
  const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  document.getElementById("summary").replaceChildren(
    "Each image is the one that excites a unit of ", h("b", {}, data.network), " most, of all that ", data.alike ? "" : "one or more of ", h("b", {}, data.solvers.join(", ")), ` showed it in ${data.queries}: `,
    h("b", {}, plural(units, "unit")), ` of ${plural(data.layers.length, "layer")}, images by `, h("b", {}, data.generators.join(" and ")), ". Bars show activations. Click an image, or walk with the arrow keys and press Enter, for the unit's sheet.");
}

function showUnit(i) {
  Hash.change({ input: String(i) });
}

function draw() {
  drawTheme();
  const wanted = JSON.stringify([generatorNow(), sortNow()[0]]);
  if (page.drawn !== wanted) {
    page.drawn = wanted;
    drawGrid();
    drawSummary();
  }
  document.getElementById("generator").value = page.data.generators[generatorNow()];
  document.getElementById("sort").value = sortNow()[0];
  const input = Hash.read().get("input"), place = document.getElementById("sheet");
  if (input !== null && Number(input) < page.data.count) {
    if (sheetState.input !== Number(input) || !place.open) openSheet(page.data, Number(input), page.order);
  } else if (place.open) place.close();
}

// Arrow keys walk through the grid as it stands on the screen.
function walk(event) {
  const tiles = [...document.querySelectorAll(".tile")], at = tiles.indexOf(document.activeElement);
  if (at < 0) return;
  const across = getComputedStyle(tiles[at].parentElement).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = tiles[Math.min(tiles.length - 1, Math.max(0, at + step))];
  tiles[at].setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}

function hoverTiles() {
  const tip = document.getElementById("tip");
  document.addEventListener("pointermove", (event) => {
    const over = event.pointerType === "mouse" ? event.target.closest?.(".tile") : null;
    tip.hidden = !over;
    if (!over) return;
    const i = Number(over.dataset.input);
    tip.replaceChildren(h("b", {}, unitName(page.data, i)), h("br"), describe(page.data, i));
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
  });
}

function followLayers() {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      document.querySelector(`nav a[data-layer="${target.dataset.layer}"]`)?.classList.toggle("current", isIntersecting);
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll(".layer").forEach((section) => seen.observe(section));
}

async function start() {
  page.data = await readData();
  const { data } = page, sheet = document.getElementById("sheet");
  const generators = document.getElementById("generator"), sorts = document.getElementById("sort"), size = document.getElementById("size");
  generators.append(...data.generators.map((name) => h("option", { value: name }, name)));
  document.getElementById("generator-choice").hidden = data.generators.length < 2;
  const knows = { selectivity: data.measured.length, preferred: data.measured.length, class: data.classes.length };
  sorts.append(...SORTS.filter(([name]) => knows[name] !== 0).map(([name, words]) => h("option", { value: name }, words)));
  generators.addEventListener("change", () => Hash.change({ generator: generators.value, input: null }));
  sorts.addEventListener("change", () => Hash.change({ sort: sorts.value }));
  size.addEventListener("input", () => document.documentElement.style.setProperty("--tile", `${size.value}px`));
  document.getElementById("theme").addEventListener("click", () => {
    const now = THEMES.findIndex(([name]) => name === (Hash.read().get("theme") ?? ""));
    Hash.change({ theme: THEMES[(now + 1) % THEMES.length][0] || null });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTheme);
  document.getElementById("grid").addEventListener("click", (event) => {
    const over = event.target.closest(".tile");
    if (over) showUnit(Number(over.dataset.input));
  });
  document.getElementById("grid").addEventListener("keydown", walk);
  sheet.addEventListener("close", () => {
    clearInterval(sheetState.timer);
    const last = sheetState.input;
    sheetState.input = null;
    Hash.change({ input: null });
    document.querySelector(`.tile[data-input="${last}"]`)?.focus();
  });
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  sheet.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return;
    const button = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (button) document.getElementById(button).click();
  });
  hoverTiles();
  drawFigures(data);
  Hash.listeners.push(draw);
  draw();
  followLayers();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
}
start();
