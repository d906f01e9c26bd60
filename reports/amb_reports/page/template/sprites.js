"use strict";
// Images as parts of sprite sheets. A sheet is decoded once, though many places show a part of it.

const sheetAddresses = new Map();

function addressOf(sheet) {
  if (!sheetAddresses.has(sheet)) {
    sheetAddresses.set(sheet, URL.createObjectURL(new Blob([bytesOf(sheet.sheet)], { type: "image/webp" })));
  }
  return sheetAddresses.get(sheet);
}

// The part in a column and row of a sheet of so many columns and rows; label: what it shows, null if the text beside it says so.
function spriteOf(sheet, [column, row], [columns, rows], label) {
  const share = (place, count) => (count > 1 ? `${100 * place / (count - 1)}%` : "0%");
  return h("span", {
    class: "image", ...(label ? { role: "img", "aria-label": label, title: label } : {}),
    style: `background-image:url(${addressOf(sheet)});background-size:${100 * columns}% ${100 * rows}%;background-position:${share(column, columns)} ${share(row, rows)}`,
  });
}

// The image of a solver's best run on the sheet of a problem: the last frame unless another is asked for.
const frameOf = (sheet, row, label, frame = sheet.frames - 1) => spriteOf(sheet, [frame, row], [sheet.frames, sheet.cells.length], label);

// An image that the found ones are seen next to, by its number.
const landmarkOf = ({ landmarks }, number, label) => spriteOf(
  landmarks, [number % landmarks.across, Math.floor(number / landmarks.across)],
  [Math.min(landmarks.across, landmarks.count), Math.ceil(landmarks.count / landmarks.across)], label,
);
