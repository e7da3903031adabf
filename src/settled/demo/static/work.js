// Real work: every address is a task, every task a row.

import { waitForTask } from "/tasks/settled.js";
import { el, showState, size, startClock, stateOf, stopClock, submit } from "./dom.js";
import { forget, recall, remember } from "./memory.js";

const MOST = 40;
const form = document.querySelector("#work-form");
const field = document.querySelector("#addresses");
const list = document.querySelector("#work-rows");
const tally = document.querySelector("#work-tally");
const ends = new Map(); // row -> how its wait ended, or null while it is open

class Row {
  constructor(address) {
    this.state = el("span", { class: "state" });
    this.title = el("span", { class: "title told" }, "…");
    this.code = el("span", { class: "number code" });
    this.size = el("span", { class: "number size" });
    this.links = el("span", { class: "number links" });
    this.clock = el("span", { class: "clock" });
    this.progress = el("progress", { max: 1, value: 0, "aria-label": `Progress of ${address}` });
    const link = el("a", { class: "address", href: address, rel: "noreferrer", target: "_blank" }, address);
    const what = el("span", { class: "what" }, this.title, link);
    const numbers = el("span", { class: "numbers" }, this.code, this.size, this.links);
    this.node = el("li", {}, this.state, what, numbers, this.clock, this.progress);
    list.append(this.node);
    ends.set(this, null);
    this.show("open", "pending");
  }

  show(state, word) {
    this.node.dataset.state = state;
    showState(this.state, state, word);
  }

  update(task) {
    if (task.settled) return;
    this.show("open", task.status);
    this.progress.value = task.progress?.fraction ?? 0;
    this.title.textContent = task.progress?.message || "…";
  }

  end({ end, result, message, measured }) {
    stopClock(this.clock, measured);
    this.show(stateOf(end), end);
    this.title.textContent = this.title.title = result ? result.title || "A page without a title" : message;
    this.title.classList.toggle("told", !result);
    this.code.textContent = result?.status ?? "";
    this.size.textContent = result ? size(result.bytes) : "";
    this.links.textContent = result ? `${result.links} links` : "";
    ends.set(this, end);
    count();
  }
}

function count() {
  const done = [...ends.values()].filter(Boolean);
  const good = done.filter((end) => end === "completed").length;
  tally.setAttribute("aria-busy", String(done.length < ends.size)); // announced once, at the end
  tally.textContent = ends.size ? `${done.length} of ${ends.size} settled: ${good} completed, ${done.length - good} failed` : "";
}

async function follow(row, key, entry) {
  startClock(row.clock, entry.at);
  const { end, result, message } = await waitForTask(entry.url, { onUpdate: (task) => row.update(task) });
  const ending = { end, result, message, measured: (Date.now() - entry.at) / 1000 };
  remember("work", key, { ...entry, ending });
  row.end(ending);
}

async function begin(address, number) {
  const row = new Row(address);
  const at = Date.now();
  const key = `${at}-${number}`;
  try {
    const url = await submit("/demo/pages", { url: address });
    remember("work", key, { url, address, at });
    await follow(row, key, { url, address, at });
  } catch (error) {
    row.end({ end: "failed", message: error.message });
  }
}

function addresses() {
  const lines = field.value.split(/\s+/).filter(Boolean);
  return lines.slice(0, MOST).map((line) => (/^[a-z][a-z0-9+.-]*:/i.test(line) ? line : `https://${line}`));
}

function clear() {
  list.replaceChildren();
  ends.clear();
  forget("work");
  count();
}

/** Fill the form with the pages of the local site, and find the rows of before a reload again. */
export async function start() {
  const site = await fetch("/demo/pages").then((response) => response.json());
  field.defaultValue = site.addresses.join("\n");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clear();
    addresses().forEach(begin);
    count();
  });
  form.addEventListener("reset", clear);
  for (const [key, entry] of Object.entries(recall("work"))) {
    const row = new Row(entry.address);
    if (entry.ending) row.end(entry.ending);
    else follow(row, key, entry);
  }
  count();
}
