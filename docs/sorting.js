// A click on a heading sorts a table; what is typed above a long one says which rows are shown.
for (const table of document.querySelectorAll("article table")) {
  const rows = [...table.tBodies[0].rows];
  const text = (row, column) => row.cells[column].textContent.trim();
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const numbers = rows.map(row => Number(text(row, column).replaceAll(",", "")));
    const compare = numbers.every(Number.isFinite)
      ? (a, b) => numbers[rows.indexOf(a)] - numbers[rows.indexOf(b)]
      : (a, b) => text(a, column).localeCompare(text(b, column), "en", { numeric: true });
    const button = document.createElement("button");
    button.style.cssText = "all: inherit; padding: 0; cursor: pointer; display: inline";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.ariaSort === "ascending";
      for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
      head.ariaSort = down ? "descending" : "ascending";
      table.tBodies[0].append(...rows.toSorted((a, b) => (down ? compare(b, a) : compare(a, b))));
    });
  });
  if (rows.length < 20) continue;
  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = filter.ariaLabel = "Filter rows";
  filter.style.cssText = "border: 1px solid; border-radius: .2rem; padding: .3rem .6rem";
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    for (const row of rows)
      row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
  });
  table.before(filter);
}
