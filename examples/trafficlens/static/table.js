// The table: a row for each domain, drawn anew only when something about it has changed.

import { bars, legend, mix, sparkline } from "./chart.js";
import { h } from "./dom.js";
import { duration, exact, growth, share, short, span } from "./format.js";
import { plan, retryIn, settlesIn, standing, within } from "./words.js";

const PLANS = {
  cached: "Would come from the cache.", fetched: "Would be fetched.", waits: "Is being fetched; would be waited for.",
  held: "Would not be tried yet, after a failure.",
};

/** The columns; `of` is what rows are sorted by, and null is always last. */
export const COLUMNS = [
  { name: "domain", title: "Domain", of: ({ key }) => key, up: true },
  { name: "visits", title: "Visits", of: figure("visits"), show: (v) => h("b", { title: exact(v.visits) }, short(v.visits)) },
  { name: "growth", title: "Growth", of: figure("growth"), show: (v) => h("span", { class: "growth", "data-way": Math.sign(v.growth) }, growth(v.growth)) },
  { name: "history", title: "12 months", show: (v) => sparkline(v.history) },
  { name: "duration", title: "Duration", of: figure("duration"), show: (v) => duration(v.duration) },
  { name: "pages", title: "Pages", of: figure("pages"), show: (v) => v.pages.toFixed(1) },
  { name: "bounce", title: "Bounce", of: figure("bounce"), show: (v) => share(v.bounce) },
  { name: "sources", title: "Sources", show: (v) => mix(v.sources) },
];

function figure(name) {
  return ({ item }) => item?.value?.[name] ?? null;
}

/** Show a row as it stands; `retry` is called when its button is pressed. */
export function draw(row, { retry, dry, force }) {
  const { state, text: standingText, detail } = standing(row);
  const text = dry && row.item ? PLANS[plan(row, force)] : standingText;
  row.state = state;
  const value = row.item?.value;
  const has = value && value.visits !== null;
  const cells = has
    ? COLUMNS.slice(1).map(({ name, title, show }) => h("td", { role: "cell", class: name, "data-title": title }, show(value)))
    : [h("td", { role: "cell", class: "told", colspan: COLUMNS.length - 1 }, ...told(row, text, detail, retry))];
  const line = h("tr", { role: "row", class: "row", "data-state": state, "data-key": row.key }, domainCell(row, value, has), ...cells);
  const below = [];
  const noted = state !== "ready" || dry;
  if (has && noted) below.push(full("note", ...told(row, text, detail, retry)));
  if (has && row.wide) below.push(full("more", h("div", { class: "wide" }, bars(value.history), legend(value.sources), h("p", { class: "hint" }, facts(row), more(row)))));
  replace(row, [line, ...below.map((cell) => h("tr", { role: "row", class: "below", "data-state": state }, cell))]);
}

const full = (name, ...inside) => h("td", { role: "cell", class: name, colspan: COLUMNS.length }, ...inside);

function domainCell(row, value, has) {
  const letter = h("span", { class: "letter", "aria-hidden": "true" }, row.key.replace(/^xn--/, "").charAt(0).toUpperCase());
  letter.style.setProperty("--hue", hue(row.key));
  const name = h("span", { class: "name" }, h("span", { class: "host" }, row.key), value?.category ? h("span", { class: "category" }, value.category) : null);
  if (!has) return h("th", { role: "rowheader", scope: "row" }, h("span", { class: "who" }, letter, name));
  const toggle = h(
    "button", { type: "button", class: "who", "aria-expanded": String(!!row.wide), title: "Months and sources", onclick: () => row.toggle() },
    letter, name, h("span", { class: "chevron", "aria-hidden": "true" }),
  );
  return h("th", { role: "rowheader", scope: "row" }, toggle);
}

/** A sentence, when it may be tried again or when it settles, and a button for that. */
function told(row, text, detail, retry) {
  const sentence = h("span", { class: "sentence", title: detail && detail !== text ? detail : null }, text);
  const clock = h("span", { class: "clock" });
  const button = row.state === "failed" && !row.refused && retry
    ? h("button", { type: "button", class: "plain small", "aria-label": `Try again: ${row.key}`, onclick: () => retry(row) }, "Try again")
    : null;
  row.tick = () => {
    if (row.state === "waiting") clock.textContent = row.item ? within(settlesIn(row)) : "";
    const left = row.lost ? 0 : retryIn(row);
    if (!button) return row.state === "waiting";
    button.disabled = left > 0;
    clock.textContent = left > 0 ? `may be tried again in ${span(left)}` : "";
    return left > 0;
  };
  row.tick();
  const dots = row.state === "waiting" ? h("span", { class: "dots", "aria-hidden": "true" }) : null;
  return [h("span", { class: "line" }, dots, sentence, clock, button)];
}

function facts({ item, key }) {
  const { visits, basis } = item.value;
  return `${exact(visits)} visits in the last month of ${key}.${basis ? ` Figures ${basis}.` : ""}`;
}

/** What a narrow page has no column for. */
function more({ item: { value } }) {
  return h("span", { class: "unshown" }, ` A visit: ${duration(value.duration)} long, ${value.pages.toFixed(1)} pages, ${share(value.bounce)} leave at once.`);
}

/** Put the new lines where the old ones were, and the focus where it was. */
function replace(row, lines) {
  const held = row.lines?.some((line) => line.contains(document.activeElement));
  const which = held ? document.activeElement.className : null;
  const [first, ...others] = row.lines ?? [];
  if (first?.isConnected) first.replaceWith(...lines);
  for (const other of others) other.remove();
  row.lines = lines;
  if (held) (lines.flatMap((line) => [...line.querySelectorAll("button")]).find((button) => button.className === which) ?? lines[0].querySelector("button"))?.focus();
}

const hue = (text) => String([...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7));
