"use strict";
// The address holds the view: every choice is stored after the #.

const Hash = {
  read() {
    return new URLSearchParams(location.hash.slice(1));
  },
  // The address with some parts changed; an empty list or null removes a part.
  with(changes) {
    const parts = Hash.read();
    for (const [name, value] of Object.entries(changes)) {
      parts.delete(name);
      for (const one of value === null ? [] : [].concat(value)) parts.append(name, one);
    }
    return `#${parts}`;
  },
  // Changes the address in place, without an entry in the history for every click on a filter.
  change(changes) {
    Hash.replace(Hash.with(changes));
    Hash.listeners.forEach((listener) => listener());
  },
  replace(address) {
    history.replaceState(null, "", address);
  },
  listeners: [],
};
window.addEventListener("hashchange", () => Hash.listeners.forEach((listener) => listener()));
