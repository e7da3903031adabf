// The list on the page: its rows in the order given, and the look-ups that bring them to an end.

import { lookUp } from "../tasks/latest.js";
import { draw } from "./table.js";
import { retryIn } from "./words.js";

export const list = { rows: [], dry: false, force: false };

let known = new Map(); // the rows, by domain
let leave = new AbortController(); // of the list that is on the page
let tell = { changed() {}, trouble() {} };

/** Have `changed()` called when rows have changed, and `trouble(why)` while nobody answers. */
export function listen(listener) {
  tell = listener;
}

/** Replace the list and look it up; `refresh` is auto, or force to fetch all anew, or never for a `dry` run. */
export function begin(keys, { force = false, dry = false } = {}) {
  leave.abort();
  leave = new AbortController();
  Object.assign(list, { rows: keys.map(rowOf), dry, force });
  known = new Map(list.rows.map((row) => [row.key, row]));
  list.rows.forEach(show);
  tell.trouble("");
  if (keys.length) ask(keys, dry ? "never" : force ? "force" : "auto");
}

/** Try rows again that have failed, as far as it is allowed. */
export function retry(...failed) {
  for (const row of failed) {
    if (row.item) Object.assign(row.item, { last_error: null, refreshing: true, settled: false, settles_in: 0 });
    row.lost = undefined;
    show(row);
  }
  tell.changed();
  ask(failed.map(({ key }) => key), "auto");
}

/** The failed rows that may be tried again now. */
export const mayRetry = () => list.rows.filter((row) => row.state === "failed" && !row.refused && (row.lost || retryIn(row) <= 0));

function rowOf(key) {
  const row = { key, item: null, heard: performance.now(), state: "waiting" };
  row.toggle = () => {
    row.wide = !row.wide;
    show(row);
  };
  return row;
}

const show = (row) => draw(row, { retry: list.dry ? null : retry, dry: list.dry, force: list.force });

async function ask(keys, refresh) {
  const { signal } = leave;
  const mine = keys.map((key) => known.get(key));
  const open = new Set(mine);
  const { end, message } = await lookUp("latest/traffic", keys, {
    refresh,
    signal,
    patience: 20,
    onItems(items) {
      if (signal.aborted) return;
      items.forEach((item, i) => {
        take(mine[i], item);
        if (item.error || item.settled) open.delete(mine[i]);
      });
      tell.trouble("");
      tell.changed();
    },
    onTrouble: ({ why }) => signal.aborted || tell.trouble(why),
  });
  if (signal.aborted) return;
  for (const row of end === "completed" ? [] : open) {
    row.lost = message;
    show(row);
  }
  tell.trouble("");
  tell.changed();
}

function take(row, item) {
  const before = gist(row);
  row.item = item.error ? null : item;
  row.refused = item.error && item.error.detail;
  row.lost = undefined;
  row.heard = performance.now();
  if (gist(row) !== before) show(row);
}

/** What of a row is worth drawing it anew; what changes with the time alone is not. */
function gist({ item, refused, lost }) {
  const passing = ["age", "settles_in", "retry_in", "retry_after"];
  return JSON.stringify([item, refused, lost], (name, value) => (passing.includes(name) ? undefined : value));
}
