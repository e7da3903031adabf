// What was submitted from this tab, so that a page that is reloaded in the middle finds its rows again.

const KEY = "settled-demo";

function all() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is forbidden, or not ours: then nothing is remembered
  }
}

/** The entries of one half of the page, by key. */
export const recall = (half) => all()[half] ?? {};

/** Keep an entry, or forget it (`undefined`). */
export function remember(half, key, entry) {
  const memory = all();
  memory[half] = { ...memory[half], [key]: entry };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // full or forbidden: the page works, it only forgets
  }
}

/** Forget everything of one half. */
export function forget(half) {
  for (const key of Object.keys(recall(half))) remember(half, key, undefined);
}
