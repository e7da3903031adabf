// The page: a list goes in, rows come out, and what can be done with them.

import { h } from "./dom.js";
import { save } from "./export.js";
import { span } from "./format.js";
import { lookUp } from "./lookup.js";
import { domainsIn, linkOf, listIn } from "./paste.js";
import { COLUMNS, draw } from "./table.js";
import { plan, retryIn, settlesIn } from "./words.js";

const $ = (id) => document.getElementById(id);
const STATES = { all: "All", ready: "Ready", waiting: "Waiting", failed: "Failed" };
const EXAMPLE = `https://www.github.com/explore, wikipedia.org; nytimes.com
BBC.co.uk | reddit.com	stackoverflow.com  amazon.de "booking.com"
github.com  slow.test flaky.test hangs.test busy.test broken.test
redesigned.test hungry.test empty.test half.test`;

let rows = []; //        in the order given
let known = new Map(); // the same, by domain
let dry = false;
let force = false;
let shown = { state: "all", words: "", column: null, down: true };
let leave = new AbortController(); // of the list that is on the page

// --- the list

function begin(keys, { refresh, remember = true }) {
  leave.abort();
  leave = new AbortController();
  [dry, force] = [$("dry").checked, refresh === "force"];
  rows = keys.map(rowOf);
  known = new Map(rows.map((row) => [row.key, row]));
  if (remember) history.replaceState(null, "", linkOf(keys));
  $("results").hidden = !keys.length;
  $("trouble").textContent = "";
  arrange();
  if (keys.length) ask(keys, dry ? "never" : refresh);
}

function rowOf(key) {
  const row = { key, item: null, heard: performance.now(), state: "waiting" };
  row.toggle = () => {
    row.wide = !row.wide;
    show(row);
  };
  return row;
}

const show = (row) => draw(row, { retry: dry ? null : retry, dry, force });

/** Look up some of the rows, until each has ended. */
async function ask(keys, refresh) {
  const { signal } = leave;
  const mine = keys.map((key) => known.get(key));
  const ending = await lookUp(keys, refresh, {
    signal,
    onItems(items) {
      if (signal.aborted) return;
      $("trouble").textContent = "";
      items.forEach((item, i) => take(mine[i], item));
      tally();
    },
    onTrouble({ why }) {
      if (!signal.aborted) $("trouble").textContent = `Contact lost (${why}), trying again.`;
    },
  });
  if (signal.aborted) return;
  $("trouble").textContent = "";
  if (ending.end !== "completed")
    for (const row of mine) {
      if (row.item?.settled && row.asked === false) continue;
      row.lost = ending.end === "denied" ? ending.message : `${ending.message} The work may have gone on.`.replace(/(The (task|work) may have gone on\. ?)+$/, "It may have been fetched all the same.");
      row.asked = false;
      show(row);
    }
  tally();
}

function take(row, item) {
  const before = JSON.stringify([row.item, row.lost], still);
  row.item = item.error ? null : item;
  row.refused = item.error ? item.error.message ?? item.error.detail : undefined;
  row.lost = undefined;
  row.asked = !item.error && !item.settled;
  row.heard = performance.now();
  if (!row.lines?.length || JSON.stringify([row.item, row.lost], still) !== before || row.refused) show(row);
}

/** What changes by itself is no change. */
const still = (name, value) => (["age", "settles_in", "retry_in", "retry_after"].includes(name) ? undefined : value);

function retry(...failed) {
  for (const row of failed) {
    [row.item, row.lost] = [row.item && { ...row.item, last_error: null, refreshing: true, settled: false, settles_in: 0 }, undefined];
    show(row);
  }
  tally();
  ask(failed.map(({ key }) => key), "auto");
}

const mayRetry = () => rows.filter((row) => row.state === "failed" && !row.refused && (row.lost || retryIn(row) <= 0));

// --- what is shown, and in which order

function wanted() {
  const words = shown.words.toLowerCase();
  const found = rows.filter((row) => (shown.state === "all" || row.state === shown.state) && `${row.key} ${row.item?.value?.category ?? ""}`.toLowerCase().includes(words));
  const column = COLUMNS.find(({ name }) => name === shown.column);
  if (!column) return found;
  const way = shown.down ? -1 : 1;
  const compare = (a, b) => (a === null) - (b === null) || way * (typeof a === "string" ? a.localeCompare(b) : a - b);
  return found.sort((a, b) => compare(column.of(a), column.of(b)));
}

function arrange() {
  for (const row of rows) if (!row.lines) show(row);
  const found = wanted();
  $("rows").replaceChildren(...found.flatMap(({ lines }) => lines));
  $("none").hidden = found.length > 0;
  heads();
  tally();
}

function heads() {
  $("heads").replaceChildren(
    ...COLUMNS.map(({ name, title, of }) => {
      const sorted = shown.column === name ? (shown.down ? "descending" : "ascending") : null;
      const inside = of ? h("button", { type: "button", class: "head", onclick: () => sortBy(name) }, title, h("span", { class: "arrow", "aria-hidden": "true" })) : title;
      return h("th", { role: "columnheader", scope: "col", class: name, "aria-sort": sorted }, inside);
    }),
  );
  $("sorting").value = shown.column ? `${shown.column} ${shown.down}` : "";
}

function sortBy(name) {
  const up = COLUMNS.find((column) => column.name === name).up ?? false;
  if (shown.column !== name) Object.assign(shown, { column: name, down: !up });
  else if (shown.down === !up) shown.down = up;
  else shown.column = null; // the third time: the order given
  arrange();
  document.querySelector(`#heads .${name} button`).focus();
}

/** Counts, how long it may still take, and which buttons make sense. */
function tally() {
  const of = (state) => rows.filter((row) => row.state === state);
  const [ready, waiting, failed] = ["ready", "waiting", "failed"].map(of);
  const most = Math.max(0, ...waiting.map(settlesIn));
  const parts = [`${ready.length} of ${rows.length} ready`];
  if (waiting.length) parts.push(`${waiting.length} to come${most ? `, in ${span(most)} at most` : ""}`);
  if (failed.length) parts.push(`${failed.length} failed`);
  if (dry) {
    const count = (what) => rows.filter((row) => row.item && plan(row, force) === what).length;
    parts.splice(0, 9, "Dry run: nothing is fetched", `${count("cached")} from the cache`, `${count("fetched")} would be fetched`);
    if (count("held")) parts.push(`${count("held")} not before their time`);
  }
  write($("tally"), parts.join(" · "));
  $("progress").value = rows.length ? 1 - waiting.length / rows.length : 0;
  $("retry-all").hidden = dry || !mayRetry().length || failed.length < 2;
  for (const button of $("states").children) {
    const { state } = button.dataset;
    write(button.lastChild, ` ${state === "all" ? rows.length : of(state).length}`);
    button.setAttribute("aria-pressed", String(shown.state === state));
  }
  document.title = waiting.length ? `(${rows.length - waiting.length}/${rows.length}) TrafficLens` : "TrafficLens";
}

const write = (node, text) => node.textContent === text || (node.textContent = text);

function tick() {
  for (const row of rows) row.tick?.();
  if (rows.some(({ state }) => state === "waiting" || state === "failed")) tally();
}

// --- what can be pressed

function count() {
  const { keys, twice, strange } = domainsIn($("domains").value);
  const parts = [`${keys.length} ${keys.length === 1 ? "domain" : "domains"}`];
  if (twice) parts.push(`${twice} given twice`);
  if (strange.length) parts.push(`not a domain: ${strange.slice(0, 3).join(", ")}${strange.length > 3 ? ` and ${strange.length - 3} more` : ""}`);
  $("count").textContent = keys.length || strange.length ? parts.join(" · ") : "";
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(domainsIn($("domains").value).keys, { refresh: $("bypass").checked ? "force" : "auto" });
});
$("domains").addEventListener("input", count);
$("domains").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) $("form").requestSubmit();
});
$("example").addEventListener("click", () => {
  $("domains").value = EXAMPLE;
  count();
  $("domains").focus();
});
$("retry-all").addEventListener("click", () => retry(...mayRetry()));
$("share").addEventListener("click", async ({ target }) => {
  const link = new URL(linkOf(rows.map(({ key }) => key)), location.href).href;
  const done = await navigator.clipboard?.writeText(link).then(() => true, () => false);
  target.textContent = done ? "Copied" : "The link is in the address bar";
  setTimeout(() => (target.textContent = "Copy link"), 2_000);
});
for (const button of document.querySelectorAll("[data-export]")) button.addEventListener("click", () => save(wanted(), button.dataset.export));
$("filter").addEventListener("input", ({ target }) => {
  shown.words = target.value.trim();
  arrange();
});
for (const [state, title] of Object.entries(STATES))
  $("states").append(h("button", { type: "button", class: "plain", "data-state": state, onclick: () => ((shown.state = state), arrange()) }, title, h("span", { class: "number" })));
$("sorting").append(
  h("option", { value: "" }, "as given"),
  ...COLUMNS.filter(({ of }) => of).flatMap(({ name, title, up }) => [h("option", { value: `${name} ${!up}` }, `${title}, ${up ? "A to Z" : "most first"}`), h("option", { value: `${name} ${!!up}` }, `${title}, ${up ? "Z to A" : "least first"}`)]),
);
$("sorting").addEventListener("change", ({ target }) => {
  const [column, down] = target.value.split(" ");
  Object.assign(shown, { column: column || null, down: down === "true" });
  arrange();
});
addEventListener("hashchange", () => open());
setInterval(tick, 1_000);

function open() {
  const keys = listIn(location.hash);
  if (!keys.length) return;
  $("domains").value = keys.join("\n");
  count();
  begin(keys, { refresh: "auto", remember: false }); // what was begun is only looked at; nothing is begun twice
}

fetch("about").then((answer) => answer.json()).then(({ basis }) => ($("basis").textContent = basis), () => {});
count();
open();
