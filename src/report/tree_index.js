// tree_index.js - sorts the table by a column: a click on its head, or the list that small screens have instead.
"use strict";

const body = document.querySelector("tbody");
const heads = [...document.querySelectorAll("thead th")];

function key(row, column) {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : cell.dataset.value === "" ? -Infinity : Number(cell.dataset.value);
}

function sort(column, descending) {
    const compare = heads[column].hasAttribute("data-number") ? (a, b) => a - b || 0 : (a, b) => a.localeCompare(b);
    const rows = [...body.rows].map(row => [key(row, column), row]);
    rows.sort((a, b) => compare(a[0], b[0]) * (descending ? -1 : 1)); // stable: equal rows keep their order
    body.append(...rows.map(pair => pair[1]));
    for (const [i, head] of heads.entries())
        if (i === column)
            head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        else
            head.removeAttribute("aria-sort");
}

const list = document.createElement("select");
for (const [column, head] of heads.entries()) {
    const button = document.createElement("button"), option = document.createElement("option");
    button.textContent = head.textContent;
    option.textContent = head.textContent === "#" ? "Number" : head.textContent;
    option.value = column;
    list.append(option);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
        const numeric = head.hasAttribute("data-number"), now = head.getAttribute("aria-sort");
        sort(column, now ? now === "ascending" : numeric && column > 0); // numbers begin with the highest
        list.value = column;
    });
}
list.addEventListener("change", () => sort(Number(list.value), heads[list.value].hasAttribute("data-number") && list.value !== "0"));
const label = document.createElement("label");
label.append("Sort by ", list);
document.querySelector("header").append(label);
heads[0].setAttribute("aria-sort", "ascending");
