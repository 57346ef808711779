"use strict";
// Without this script every table, curve and picture of the page can be read; with it tables are sorted, values shown, pictures picked.

function sortable(table) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const rows = Array.from(body.rows).map((row) => ({ row, text: row.cells[column].textContent }));
      rows.sort((a, b) => compare(a.text, b.text) * (rising ? 1 : -1));
      body.append(...rows.map((entry) => entry.row));
    });
  });
}

// Numbers by value, words by the alphabet, and what is no number after all numbers.
function compare(a, b) {
  const [x, y] = [parseFloat(a), parseFloat(b)];
  if (Number.isNaN(x) && Number.isNaN(y)) return a.localeCompare(b);
  if (Number.isNaN(x)) return 1;
  if (Number.isNaN(y)) return -1;
  return x - y;
}

function showValues(tip) {
  const show = (mark) => {
    const box = mark.getBoundingClientRect();
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    tip.style.left = `${box.left + window.scrollX + 12}px`;
    tip.style.top = `${box.top + window.scrollY - 28}px`;
    const chosen = mark.closest("g");
    chosen.parentNode.querySelectorAll("g.line").forEach((line) => line.classList.toggle("dimmed", line !== chosen));
  };
  const hide = (mark) => {
    tip.hidden = true;
    mark.closest("svg").querySelectorAll(".dimmed").forEach((line) => line.classList.remove("dimmed"));
  };
  document.querySelectorAll("svg.curves .mark").forEach((mark) => {
    // The browser's own tooltip would come on top of ours.
    mark.querySelector("title").remove();
    mark.addEventListener("pointerenter", () => show(mark));
    mark.addEventListener("focus", () => show(mark));
    mark.addEventListener("pointerleave", () => hide(mark));
    mark.addEventListener("blur", () => hide(mark));
  });
}

// `networks` says which of them are shown, and whether they are two that are compared; it calls `update` of each gallery.
function pickable(gallery, networks) {
  const entries = Array.from(gallery.querySelectorAll("figure"));
  const selects = Array.from(gallery.querySelectorAll("select"));
  const byNetwork = selects.some((each) => each.name === "network");
  const picks = (select, entry) => select.name === "network" && networks.pair ? true : entry.dataset[select.name] === select.value;
  const shown = (entry) => !byNetwork || networks.shows(entry.dataset.network);
  const matches = (entry, upTo) => shown(entry) && selects.slice(0, upTo).every((each) => picks(each, entry));
  const update = () => {
    gallery.classList.toggle("pair", byNetwork && networks.pair);
    // Where a network has no such method, the next choice falls to the first one it has.
    selects.forEach((select, place) => {
      const possible = new Set(entries.filter((entry) => matches(entry, place)).map((entry) => entry.dataset[select.name]));
      select.disabled = select.name === "network" && networks.pair;
      Array.from(select.options).forEach((option) => { option.disabled = !possible.has(option.value); });
      if (possible.size && !possible.has(select.value)) select.value = possible.values().next().value;
    });
    entries.forEach((entry) => { entry.hidden = !matches(entry, selects.length); });
  };
  selects.forEach((select) => select.addEventListener("change", update));
  gallery.querySelector(".picker").hidden = false;
  networks.galleries.push(update);
  update();
}

// Rows, curves and pictures of the networks whose names hold all words that are looked for, or of the two that are compared.
function choosable(tools) {
  const networks = { pair: false, galleries: [], shows: () => true };
  tools.hidden = false;
  if (!tools.elements.find) return networks;
  const rows = Array.from(document.querySelectorAll("table")).filter((table) => table.tHead.rows[0].cells[0].textContent === "network")
    .flatMap((table) => Array.from(table.tBodies[0].rows)).map((row) => ({ element: row, name: row.cells[0].textContent }));
  const others = Array.from(document.querySelectorAll("[data-network]")).map((element) => ({ element, name: element.dataset.network }));
  const parts = [...rows, ...others.filter(({ element }) => !element.closest(".gallery"))];
  const names = Array.from(new Set([...rows, ...others].map(({ name }) => name).filter(Boolean))).sort();
  const [find, first, second, found] = ["find", "first", "second", "found"].map((name) => tools.elements[name]);
  [first, second].forEach((select) => select.append(...names.map((name) => new Option(name))));
  const update = () => {
    const pair = [first.value, second.value].filter(Boolean);
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    networks.pair = pair.length === 2 && pair[0] !== pair[1];
    networks.shows = (name) => pair.length ? pair.includes(name) : words.every((word) => name.toLowerCase().includes(word));
    parts.forEach(({ element, name }) => element.classList.toggle("away", !networks.shows(name)));
    networks.galleries.forEach((each) => each());
    found.value = `${names.filter(networks.shows).length} of ${names.length} networks`;
  };
  tools.addEventListener("input", update);
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("reset", () => setTimeout(update));
  update();
  return networks;
}

function themed(button) {
  const preferred = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const show = (dark) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", dark);
  };
  button.addEventListener("click", () => show(document.documentElement.dataset.theme !== "dark"));
  show(preferred);
}

{
  const tools = document.querySelector(".tools");
  const networks = choosable(tools);
  themed(tools.elements.theme);
  document.querySelectorAll(".gallery").forEach((gallery) => pickable(gallery, networks));
  document.querySelectorAll("table").forEach(sortable);
  showValues(document.getElementById("tip"));
}
