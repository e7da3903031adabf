/* {"title": "settled, held", "package": "settled", "setup": "waitForTask; grace: 2, patience: 5", "face": "held", "gives_up": 12} */
import { waitForTask } from "/waiter.js";

export function start(url, report, { grace, patience }) {
  const leave = new AbortController();
  waitForTask(url, { grace, patience, signal: leave.signal }).then(({ end, message }) => report(end, message));
  return () => leave.abort();
}
