// What is said of a row, and which of a few states it is in.

import { ago, span } from "./format.js";

const REASONS = {
  timeout: "The site took too long to answer.",
  worker_lost: "Reading the page was cut off: the process that read it ended.",
  never_started: "There was no time for it. It was never asked for.",
  interrupted: "A restart came in between.",
  cancelled: "It was stopped.",
  result_rejected: "The site’s answer could not be stored.",
};

/** `{state, text, detail}`; `state` is ready, waiting, failed or idle. */
export function standing(row) {
  const { item, lost } = row;
  if (row.refused) return { state: "failed", text: row.refused };
  if (lost && (!item || !item.settled)) return { state: "failed", text: lost };
  if (!item) return { state: "waiting", text: "Asking" };
  if (item.refreshing && !item.found) return { state: "waiting", text: "Fetching" };
  if (item.refreshing) return { state: "waiting", text: `Fetching anew; these figures are from ${ago(age(row))}` };
  if (item.last_error) {
    const [why, detail] = [inPlainWords(item.last_error), item.last_error.message];
    const text = item.found ? `Not fetched anew: ${lower(why)} From ${ago(age(row))}.` : why;
    return { state: "failed", text, detail };
  }
  if (item.found && item.value.visits === null) return { state: "ready", text: "The site has no data for this domain." };
  if (item.found) return { state: "ready", text: ago(age(row)) };
  return { state: "idle", text: "Not known yet" };
}

/** What a look-up that asks for nothing says would be done. */
export function plan({ item }, force) {
  if (item.refreshing) return "waits";
  if (force || !item.found || item.stale) return !force && item.last_error && item.retry_in > 0 ? "held" : "fetched";
  return "cached";
}

/** The message of a failure that was worded for people, else what its reason means. */
export function inPlainWords({ reason, message, type }) {
  const worded = reason === "exception" && /^(PublicError|TryLater)$/.test(type ?? "PublicError");
  if (worded && message) return message;
  if (/process ran out of memory/.test(message)) return "The page is too much: reading it took more memory than it may.";
  return REASONS[reason] ?? "Something went wrong while it was read.";
}

/** Seconds since the value was got, and until it may be tried again, by this page's clock. */
export const age = (row) => (row.item.age ?? 0) + passed(row);
export const retryIn = (row) => Math.max(0, (row.item?.retry_in ?? 0) - passed(row));
export const settlesIn = (row) => Math.max(0, (row.item?.settles_in ?? 0) - passed(row));
export const within = (seconds) => (seconds > 0.5 ? `, at most ${span(seconds)}` : "");

const passed = (row) => (performance.now() - row.heard) / 1_000;
const lower = (text) => text.charAt(0).toLowerCase() + text.slice(1);
