"use strict";
// Images: parts of sheets that are decoded once.

const addresses = new Map();

function addressOf(sheet) {
  if (!addresses.has(sheet)) addresses.set(sheet, URL.createObjectURL(new Blob([bytesOf(sheet.webp)], { type: "image/webp" })));
  return addresses.get(sheet);
}

function showCell(element, sheet, cell) {
  const x = cell % sheet.across, y = Math.floor(cell / sheet.across);
  element.style.backgroundImage = `url(${addressOf(sheet)})`;
  element.style.backgroundSize = `${100 * sheet.across}% ${100 * sheet.down}%`;
  element.style.backgroundPosition = `${sheet.across > 1 ? (100 * x) / (sheet.across - 1) : 0}% ${sheet.down > 1 ? (100 * y) / (sheet.down - 1) : 0}%`;
}

const showInput = (element, data, i) => showCell(element, data.sheets[data.of.sheet[i]], data.of.cell[i]);

function describe(data, i) {
  const { of } = data;
  const words = [`activation ${shown(of.activation[i])}`];
  if (!Number.isNaN(of.percentile[i])) words.push(of.percentile[i] >= 100 ? "above all natural images" : `above ${percent(of.percentile[i])} of natural images`);
  if (of.class[i] !== NONE) words.push(`seen as ${className(data, of.class[i])} (${inPercent(of.probability[i])})`);
  if (of.natural_class[i] !== NONE) words.push(`prefers ${className(data, of.natural_class[i])}`);
  return words.join(", ");
}

function tile(data, i, most) {
  const { of } = data;
  const share = most > 0 ? Math.max(0, of.activation[i] / most) : 0;
  const element = h("button", {
    type: "button", class: `tile image${of.activation[i] > 0 ? "" : " weak"}`, "data-input": i, tabindex: -1,
    "aria-label": `${unitName(data, i)}: ${describe(data, i)}`,
  }, h("span", { class: "share", style: `width:${(100 * share).toFixed(1)}%` }));
  showInput(element, data, i);
  return element;
}

const SORTS = [
  ["unit", "unit", (data) => (a, b) => data.of.unit[a] - data.of.unit[b]],
  ["activation", "activation", ({ of }) => (a, b) => of.activation[b] - of.activation[a]],
  ["selectivity", "selectivity", ({ of }) => (a, b) => (of.selectivity[b] || 0) - (of.selectivity[a] || 0)],
  ["class", "class seen", ({ of }) => (a, b) => of.class[a] - of.class[b] || of.probability[b] - of.probability[a]],
  ["preferred", "preferred class", ({ of }) => (a, b) => of.natural_class[a] - of.natural_class[b] || (of.selectivity[b] || 0) - (of.selectivity[a] || 0)],
];
