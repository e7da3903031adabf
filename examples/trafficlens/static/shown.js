// Which rows are shown, and in which order.

import { h } from "./dom.js";
import { list } from "./list.js";
import { COLUMNS } from "./table.js";

export const STATES = { all: "All", ready: "Ready", waiting: "Waiting", failed: "Failed" };
export const shown = { state: "all", words: "", column: null, down: true };

const $ = (id) => document.getElementById(id);

/** The rows to be shown, in their order. */
export function wanted() {
  const words = shown.words.toLowerCase();
  const named = ({ key, item }) => `${key} ${item?.value?.category ?? ""}`.toLowerCase().includes(words);
  const found = list.rows.filter((row) => (shown.state === "all" || row.state === shown.state) && named(row));
  const column = COLUMNS.find(({ name }) => name === shown.column);
  if (!column) return found;
  const way = shown.down ? -1 : 1;
  const compare = (a, b) => (a === null) - (b === null) || way * (typeof a === "string" ? a.localeCompare(b) : a - b);
  return found.sort((a, b) => compare(column.of(a), column.of(b)));
}

/** Put them on the page; whatever had the focus keeps it. */
export function arrange() {
  const lines = wanted().flatMap((row) => row.lines);
  const there = $("rows").children;
  if (lines.length !== there.length || lines.some((line, i) => line !== there[i])) {
    const held = document.activeElement;
    $("rows").replaceChildren(...lines);
    if (held?.isConnected) held.focus({ preventScroll: true });
  }
  $("none").hidden = lines.length > 0;
  heads();
}

/** The same when rows have changed: in the order given, and with all of them shown, each is in its place already. */
export function keepArranged() {
  if (shown.column || shown.state !== "all" || shown.words) arrange();
}

function heads() {
  const sorting = shown.column ? `${shown.column} ${shown.down}` : "";
  if ($("heads").childElementCount && $("heads").dataset.sorting === sorting) return;
  $("heads").dataset.sorting = $("sorting").value = sorting;
  $("heads").replaceChildren(
    ...COLUMNS.map(({ name, title, of }) => {
      const sorted = shown.column === name ? (shown.down ? "descending" : "ascending") : null;
      const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
      const inside = of ? h("button", { type: "button", class: "head", onclick: () => sortBy(name) }, title, arrow) : title;
      return h("th", { role: "columnheader", scope: "col", class: name, "aria-sort": sorted }, inside);
    }),
  );
}

/** One way, then the other, then as given. */
function sortBy(name) {
  const { up = false } = COLUMNS.find((column) => column.name === name);
  if (shown.column !== name) Object.assign(shown, { column: name, down: !up });
  else if (shown.down === !up) shown.down = up;
  else shown.column = null;
  arrange();
  document.querySelector(`#heads .${name} button`).focus();
}

/** Fill in the controls, once. */
export function control(changed) {
  for (const [state, title] of Object.entries(STATES)) {
    const choose = () => {
      shown.state = state;
      arrange();
      changed();
    };
    const number = h("span", { class: "number" });
    $("states").append(h("button", { type: "button", class: "plain", "data-state": state, onclick: choose }, title, number));
  }
  const option = (value, text) => h("option", { value }, text);
  $("sorting").append(
    option("", "as given"),
    ...COLUMNS.filter(({ of }) => of).flatMap(({ name, title, up = false }) => [
      option(`${name} ${!up}`, `${title}, ${up ? "A to Z" : "most first"}`),
      option(`${name} ${up}`, `${title}, ${up ? "Z to A" : "least first"}`),
    ]),
  );
  $("sorting").addEventListener("change", ({ target }) => {
    const [column, down] = target.value.split(" ");
    Object.assign(shown, { column: column || null, down: down === "true" });
    arrange();
  });
  $("filter").addEventListener("input", ({ target }) => {
    shown.words = target.value.trim();
    arrange();
  });
}
