// Sorts a table by a click on a header and filters its rows by text. Without this script everything shows as it stands.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const first = [...body.rows];
  const value = (row, column) => {
    const text = (row.cells[column] || row.cells[0]).textContent.trim().replaceAll("−", "-").replaceAll(",", "");
    const number = text.match(/-?\d+(\.\d+)?(e-?\d+)?|∞/);
    const numeric = heads[column].classList.contains("n");
    return numeric ? (number ? (number[0] === "∞" ? Infinity : Number(number[0])) : NaN) : text;
  };
  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
    return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : a - b;
  };
  const sort = (column) => {
    const now = heads[column].getAttribute("aria-sort");
    const next = now === "ascending" ? "descending" : now === "descending" ? null : "ascending";
    for (const head of heads) head.removeAttribute("aria-sort");
    if (next) heads[column].setAttribute("aria-sort", next);
    let group = [];
    const put = () => {
      const missing = (row) => Number.isNaN(value(row, column)); // they stay last, whatever the direction
      if (next) group.sort((a, b) => compare(value(a, column), value(b, column)) * (next === "descending" && !missing(a) && !missing(b) ? -1 : 1));
      body.append(...group);
      group = [];
    };
    for (const row of first) {
      if (row.classList.contains("group")) { put(); body.append(row); } else group.push(row); // rows stay under their heading
    }
    put();
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
  });
  if (first.length < 8) continue;
  const label = document.createElement("label"), field = document.createElement("input"), count = document.createElement("output");
  field.type = "search";
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    let shown = 0;
    for (const row of first) {
      const heading = row.classList.contains("group");
      row.hidden = !heading && !row.textContent.toLowerCase().includes(wanted);
      shown += !heading && !row.hidden;
    }
    count.value = wanted ? ` ${shown} rows` : "";
  });
  label.className = "filter";
  label.append("Filter rows: ", field, count);
  (table.closest(".scroll") || table).before(label);
}
