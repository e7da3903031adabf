// One look-up: asks once, then only looks, with one request for all rows, until every row has ended or nobody answers.

import { waitForTask } from "../tasks/waiter.js";

let lookups = 0;

/**
 * Resolves with how it ended, as `waitForTask` does, and like it never rejects and never hangs: when to ask again,
 * what to bear and when to give up is that machine's to say. `onItems` hears of each answer.
 */
export function lookUp(keys, refresh, { onItems, onTrouble, signal }) {
  let how = refresh;
  async function ask(_, { headers, ...rest }) {
    const body = JSON.stringify({ keys, refresh: how });
    const answer = await fetch("latest/traffic", {
      ...rest, method: "POST", body, headers: { ...headers, "Content-Type": "application/json" },
    });
    if (!answer.ok) return answer;
    const { items, settled, settles_in, retry_after } = await answer.json();
    how = "never"; // whoever waits starts nothing
    onItems(items);
    const ended = items.filter((item) => item.error || item.settled).length;
    const status = settled ? "completed" : "running";
    const told = { settled, status, settles_in, retry_after, progress: { fraction: ended / items.length } };
    return new Response(JSON.stringify(told), { headers: answer.headers });
  }
  return waitForTask(`latest/traffic?lookup=${++lookups}`, { fetch: ask, onTrouble, signal, patience: 20 });
}
