"use strict";
// The most exciting inputs, and how each evolved: a slider moves all of them from the first success to the recommended one.

const PAGE = 12;
const gallery = { shown: PAGE, frame: null, timer: null };

function drawGallery(result) {
  const { data, selection } = result;
  const ranking = [...result.ranking, ...result.aside];
  const place = document.getElementById("gallery");
  const wanted = new Set(selection.problems), solvers = new Map(ranking.map((row, i) => [row.number, i]));
  const sheets = data.gallery.filter((sheet) => wanted.has(sheet.problem));
  if (!data.gallery.length) {
    place.replaceChildren(h("h2", {}, "Most exciting inputs"), h("p", { class: "muted" }, "There are no images: the problems could not be loaded where the page was written, or no run recommended anything."));
    return;
  }
  const frames = data.gallery[0].frames;
  gallery.frame ??= frames - 1;
  const slider = h("input", { type: "range", min: 0, max: frames - 1, value: gallery.frame, "aria-label": "From the first candidate to the recommended one", id: "frame", oninput: (event) => showFrame(Number(event.target.value)) });
  const play = h("button", { type: "button", id: "play", onclick: () => playFrames(frames) }, "Play");
  const rows = sheets.slice(0, gallery.shown).map((sheet) => galleryRow(result, sheet, solvers));
  const more = sheets.length > gallery.shown ? h("button", { type: "button", onclick: () => { gallery.shown += PAGE; redraw(place, () => drawGallery(result)); } }, `Show ${Math.min(PAGE, sheets.length - gallery.shown)} more of ${sheets.length} problems`) : null;
  place.replaceChildren(
    h("h2", {}, "Most exciting inputs"),
    h("p", { class: "muted" }, "The best run of each solver on each problem, with its activation and the query that first reached it."),
    howTo("gallery", "Of a solver's runs on a problem, at their full budget, the one with the highest activation is shown, and of equal ones the one that "
      + "reached it first. The slider goes from the run's first candidate through its improvements to the recommended one. A frame marks the best image of a problem."),
    h("div", { class: "tools" }, play, slider, h("span", { id: "frame-words", class: "muted" })),
    roving(h("div", { class: "images" }, rows), imageRows), h("div", { class: "tools" }, more),
  );
  showFrame(gallery.frame);
}

const imageRows = (place) => [...place.querySelectorAll(".row")].map((row) => [...row.querySelectorAll(FOCUSABLE)]);

function galleryRow(result, sheet, solvers) {
  const { data } = result;
  const problem = data.problems[sheet.problem];
  const cells = sheet.cells.map((cell, row) => ({ ...cell, row })).filter((cell) => solvers.has(cell.solver))
    .sort((a, b) => solvers.get(a.solver) - solvers.get(b.solver));
  const best = Math.max(...cells.map((cell) => cell.activations.at(-1)));
  return h("div", {}, h("h3", {}, problem.label, " ", h("span", { class: "muted" }, problem.label === problem.id ? "" : problem.id)),
    h("div", { class: "row" }, cells.map((cell) => {
      const image = frameOf(sheet, cell.row, null);
      const value = h("span", { class: "value" });
      const element = hashLink({ of: data.solvers[cell.solver].name, on: problem.id, rows: "1" }, {
        class: `cell${cell.activations.at(-1) >= best - 1e-9 ? " best" : ""}`,
      }, image, h("span", { class: "name" }, data.solvers[cell.solver].name), value);
      element.frames = { image, value, cell, count: sheet.frames };
      return element;
    })));
}

function showFrame(frame) {
  gallery.frame = frame;
  for (const { frames: { image, value, cell, count } } of document.querySelectorAll("#gallery .cell")) {
    image.style.backgroundPositionX = `${count > 1 ? 100 * frame / (count - 1) : 0}%`;
    value.textContent = `${activation(cell.activations[frame])} ${frame === count - 1 ? "first at" : "at"} query ${thousands(cell.queries[frame])}`;
  }
  const slider = document.getElementById("frame");
  if (slider) {
    slider.value = frame;
    document.getElementById("frame-words").textContent = frame === Number(slider.max) ? "recommended candidate" : `improvement ${frame + 1} of ${Number(slider.max) + 1}`;
  }
}

function playFrames(frames) {
  clearInterval(gallery.timer);
  showFrame(0);
  gallery.timer = setInterval(() => {
    showFrame(Math.min(gallery.frame + 1, frames - 1));
    if (gallery.frame === frames - 1) clearInterval(gallery.timer);
  }, 450);
}
