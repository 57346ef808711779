"use strict";
// Without this script every table can be read; with it the head of each column is a button that sorts the table by it.

function sortable(table) {
  const [body] = table.tBodies;
  table.querySelectorAll("thead th").forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const rows = Array.from(body.rows).map((row) => ({ row, text: row.cells[column].textContent.trim() }));
      rows.sort((a, b) => compare(a.text, b.text, rising));
      body.append(...rows.map((entry) => entry.row));
    });
  });
}

// Numbers by value, 8/255 too, words by the alphabet, and what is no number after all numbers.
function compare(a, b, rising) {
  const [x, y] = [value(a), value(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (Number.isNaN(x) && Number.isNaN(y)) return a.localeCompare(b) * (rising ? 1 : -1);
    return Number.isNaN(x) ? 1 : -1;
  }
  return (x - y) * (rising ? 1 : -1);
}

function value(text) {
  const fraction = text.match(/^(\d+)\/(\d+)$/);
  if (fraction) return fraction[1] / fraction[2];
  return /^[-+]?\d*\.?\d+(?=$|[\s,(])/.test(text) ? parseFloat(text) : NaN;
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("article table").forEach(sortable));
