// The table: a row for each domain, drawn anew only when something about it has changed.

import { bars, legend, mix, sparkline } from "./chart.js";
import { h } from "./dom.js";
import { duration, exact, growth, share, short, span } from "./format.js";
import { plan, retryIn, settlesIn, standing, within } from "./words.js";

const PLANS = {
  cached: "Would come from the cache.",
  fetched: "Would be fetched.",
  waits: "Is being fetched; would be waited for.",
  held: "Would not be tried yet, after a failure.",
};

/** The columns; `of` is what rows are sorted by, and null is always last. */
export const COLUMNS = [
  { name: "domain", title: "Domain", of: ({ key }) => key, up: true },
  { name: "visits", title: "Visits", of: figure("visits"), show: (v) => h("b", { title: exact(v.visits) }, short(v.visits)) },
  { name: "growth", title: "Growth", of: figure("growth"), show: change },
  { name: "history", title: "12 months", show: (v) => sparkline(v.history) },
  { name: "duration", title: "Duration", of: figure("duration"), show: (v) => duration(v.duration) },
  { name: "pages", title: "Pages", of: figure("pages"), show: (v) => v.pages.toFixed(1) },
  { name: "bounce", title: "Bounce", of: figure("bounce"), show: (v) => share(v.bounce) },
  { name: "sources", title: "Sources", show: (v) => mix(v.sources) },
];

function figure(name) {
  return ({ item }) => item?.value?.[name] ?? null;
}

function change(value) {
  return h("span", { class: "growth", "data-way": Math.sign(value.growth) }, growth(value.growth));
}

/** Draw a row as it stands, in `row.lines`; `retry` is called when its button is pressed. */
export function draw(row, { retry, dry, force }) {
  const { state, text, detail } = standing(row);
  row.state = state;
  row.tick = undefined;
  const value = row.item?.value;
  const has = value && value.visits !== null;
  const told = () => sentence(row, dry && row.item ? PLANS[plan(row, force)] : text, detail, retry);
  const cells = has
    ? COLUMNS.slice(1).map(({ name, show }) => h("td", { role: "cell", class: name }, show(value)))
    : [h("td", { role: "cell", class: "told", colspan: COLUMNS.length - 1 }, told())];
  const lines = [h("tr", { role: "row", class: "row", "data-state": state, "data-key": row.key }, head(row, value, has), ...cells)];
  if (has && (state !== "ready" || dry)) lines.push(below(state, "note", told()));
  if (has && row.wide) lines.push(below(state, "more", details(row)));
  replace(row, lines);
}

function below(state, name, inside) {
  const cell = h("td", { role: "cell", class: name, colspan: COLUMNS.length }, inside);
  return h("tr", { role: "row", class: "below", "data-state": state }, cell);
}

function head(row, value, has) {
  const letter = h("span", { class: "letter", "aria-hidden": "true" }, row.key.replace(/^xn--/, "").charAt(0).toUpperCase());
  letter.style.setProperty("--hue", hue(row.key));
  const category = value?.category ? h("span", { class: "category" }, value.category) : null;
  const name = h("span", { class: "name" }, h("span", { class: "host" }, row.key), category);
  const about = { type: "button", class: "who", "aria-expanded": String(!!row.wide), onclick: () => row.toggle() };
  const who = has
    ? h("button", about, letter, name, h("span", { class: "chevron", "aria-hidden": "true" }))
    : h("span", { class: "who" }, letter, name);
  return h("th", { role: "rowheader", scope: "row" }, who);
}

/** A sentence, when it may be tried again or when it settles, and a button for that. */
function sentence(row, text, detail, retry) {
  const clock = h("span", { class: "clock" });
  const button = row.state === "failed" && !row.refused && retry ? again(row, retry) : null;
  const dots = row.state === "waiting" ? h("span", { class: "dots", "aria-hidden": "true" }) : null;
  row.tick = () => {
    const left = row.lost ? 0 : retryIn(row);
    if (button) button.disabled = left > 0;
    if (row.state === "waiting") clock.textContent = row.item ? within(settlesIn(row)) : "";
    else if (button) clock.textContent = left > 0 ? `may be tried again in ${span(left)}` : "";
  };
  row.tick();
  const title = detail && detail !== text ? detail : null;
  return h("span", { class: "line" }, dots, h("span", { class: "sentence", title }, text), clock, button);
}

function again(row, retry) {
  const about = { type: "button", class: "plain small", "aria-label": `Try again: ${row.key}`, onclick: () => retry(row) };
  return h("button", about, "Try again");
}

function details({ item: { value }, key }) {
  const basis = value.basis ? ` Figures ${value.basis}.` : "";
  const visit = ` A visit: ${duration(value.duration)} long, ${value.pages.toFixed(1)} pages, ${share(value.bounce)} leave at once.`;
  const said = h("p", { class: "hint" }, `${exact(value.visits)} visits in the last month of ${key}.${basis}`);
  said.append(h("span", { class: "unshown" }, visit)); // what a narrow page has no column for
  return h("div", { class: "wide" }, bars(value.history), legend(value.sources), said);
}

/** Put the new lines where the old ones were, and the focus where it was. */
function replace(row, lines) {
  const old = row.lines ?? [];
  row.lines = lines;
  const held = old.some((line) => line.contains(document.activeElement)) && document.activeElement.className;
  if (old[0]?.isConnected) old[0].replaceWith(...lines);
  for (const line of old.slice(1)) line.remove();
  if (held === false) return;
  const buttons = lines.flatMap((line) => [...line.querySelectorAll("button")]);
  (buttons.find((button) => button.className === held) ?? buttons[0])?.focus();
}

const hue = (text) => String([...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7));
