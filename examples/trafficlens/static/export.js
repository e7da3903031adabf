// What is shown, as a file.

import { standing } from "./words.js";

const FIGURES = ["visits", "growth", "duration", "pages", "bounce"];

/** Hand a file of the rows to the browser: `csv`, `tsv` or `json`. */
export function save(rows, format) {
  const json = () => `${JSON.stringify(rows.map(asObject), null, 2)}\n`;
  const text = format === "json" ? json() : table(rows, format === "csv" ? "," : "\t");
  const type = { csv: "text/csv", tsv: "text/tab-separated-values", json: "application/json" }[format];
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `traffic.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function asObject(row) {
  const { item, key } = row;
  const { state, text } = standing(row);
  const value = item?.value ?? {};
  const names = [...FIGURES, "category", "sources", "history", "basis"];
  const figures = Object.fromEntries(names.map((name) => [name, value[name] ?? null]));
  return { domain: key, state, ...figures, got_at: item?.got_at ?? null, error: state === "failed" ? text : null };
}

/** A line for each row; sources and months are columns. */
export function table(rows, comma) {
  const objects = rows.map(asObject);
  const of = (pick) => [...new Set(objects.flatMap(pick))];
  const sources = of(({ sources }) => Object.keys(sources ?? {}));
  const months = of(({ history }) => (history ?? []).map(([month]) => month)).sort();
  const heads = ["domain", "state", ...FIGURES, "category", ...sources, ...months, "got_at", "error", "basis"];
  const lines = objects.map(({ sources: parts, history, ...rest }) => ({
    ...rest, ...parts, ...Object.fromEntries(history ?? []),
  }));
  const cells = [heads, ...lines.map((line) => heads.map((head) => line[head] ?? ""))];
  return cells.map((line) => `${line.map((cell) => quoted(cell, comma)).join(comma)}\r\n`).join("");
}

function quoted(value, comma) {
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@]/.test(text)) text = `'${text}`; // no spreadsheet shall take it for a formula
  if (comma === "\t") return text.replace(/\s+/g, " ");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
