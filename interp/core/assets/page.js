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

function pickable(gallery) {
  const entries = Array.from(gallery.querySelectorAll("figure"));
  const selects = Array.from(gallery.querySelectorAll("select"));
  const matches = (entry, upTo) => selects.slice(0, upTo).every((each) => entry.dataset[each.name] === each.value);
  const update = () => {
    // Where a network has no such method, the next choice falls to the first one it has.
    selects.forEach((select, place) => {
      const possible = new Set(entries.filter((entry) => matches(entry, place)).map((entry) => entry.dataset[select.name]));
      Array.from(select.options).forEach((option) => { option.disabled = !possible.has(option.value); });
      if (!possible.has(select.value)) select.value = possible.values().next().value;
    });
    entries.forEach((entry) => { entry.hidden = !matches(entry, selects.length); });
  };
  selects.forEach((select) => select.addEventListener("change", update));
  gallery.querySelector(".picker").hidden = false;
  update();
}

document.querySelectorAll("table").forEach(sortable);
showValues(document.getElementById("tip"));
document.querySelectorAll(".gallery").forEach(pickable);
