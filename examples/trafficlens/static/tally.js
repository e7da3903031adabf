// What is said of the whole list: counts, how long it may still take, and which buttons make sense.

import { span } from "./format.js";
import { list, mayRetry } from "./list.js";
import { shown } from "./shown.js";
import { plan, settlesIn } from "./words.js";

const $ = (id) => document.getElementById(id);

export function tally() {
  const { rows, dry } = list;
  const of = (state) => rows.filter((row) => row.state === state);
  const [waiting, failed] = [of("waiting"), of("failed")];
  say($("tally"), (dry ? planned() : counted(of("ready").length, waiting, failed.length)).join(" · "));
  $("progress").value = rows.length ? 1 - waiting.length / rows.length : 0;
  $("retry-all").hidden = dry || failed.length < 2 || !mayRetry().length;
  for (const button of $("states").children) {
    const { state } = button.dataset;
    say(button.lastChild, ` ${state === "all" ? rows.length : of(state).length}`);
    button.setAttribute("aria-pressed", String(shown.state === state));
  }
  document.title = waiting.length ? `(${rows.length - waiting.length}/${rows.length}) TrafficLens` : "TrafficLens";
}

function counted(ready, waiting, failed) {
  const most = Math.max(0, ...waiting.map(settlesIn));
  return [
    `${ready} of ${list.rows.length} ready`,
    ...(waiting.length ? [`${waiting.length} to come${most ? `, in ${span(most)} at most` : ""}`] : []),
    ...(failed ? [`${failed} failed`] : []),
  ];
}

function planned() {
  const count = (what) => list.rows.filter((row) => row.item && plan(row, list.force) === what).length;
  const held = count("held");
  return [
    "Dry run: nothing is fetched", `${count("cached")} from the cache`, `${count("fetched")} would be fetched`,
    ...(held ? [`${held} not before their time`] : []),
  ];
}

/** Say it only if it is new: a live region repeats what is set again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
