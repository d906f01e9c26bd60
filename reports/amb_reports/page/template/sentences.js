"use strict";
// Fills the sentence templates of amb.stats.sentences, which come with the data, by the same two rules:
// {name} is a text as it is, a whole number with commas, or a list as "a, b and c"; {name|one|many} chooses by the count.

const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

function fill(template, values) {
  return template.replace(/{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?}/g, (_, name, one, many) => {
    const value = values[name];
    if (one !== undefined) return (typeof value === "number" ? value : value.length) === 1 ? one : many;
    return Array.isArray(value) ? listed(value) : typeof value === "number" ? thousands(value) : value;
  });
}

let templates = {};
const sentence = (name, values = {}) => fill(templates[name], values);
const plural = (n, noun) => fill(`{n} {n|${noun}|${noun}s}`, { n });
