// Everything that can go wrong: every fault has a button, and beside it what came of it.

import { waitForTask } from "/tasks/settled.js";
import { el, icon, showState, startClock, stateOf, stopClock, submit } from "./dom.js";
import { recall, remember } from "./memory.js";

const AT_ONCE = 4; // a browser keeps six connections to a server: two stay free for submits
const LONGEST = 2_000; // characters of a result that are shown
const UNFOLDABLE = { "aria-expanded": "false", role: "button", tabindex: "0" };
const all = document.querySelector("#run-all");
const tally = document.querySelector("#fault-tally");
const bar = document.querySelector("#fault-progress");
const rows = [];
let goal = 0; // so many are to settle, while all are run

class Row {
  constructor(fault) {
    this.fault = fault;
    this.ending = null;
    this.open = false;
    this.button = el("button", { class: "run", type: "button", "aria-label": `${fault.title}, ${fault.isolation}` });
    this.button.append(icon("ready"), fault.isolation === "none" ? "ask for it" : fault.isolation);
    this.button.addEventListener("click", () => this.cause());
    this.clock = el("span", { class: "clock" });
    this.state = el("span", { class: "state" });
    this.reason = el("span", { class: "reason" });
    this.unlike = el("span", { class: "unlike" });
    this.message = el("p", { class: "message" });
    this.message.addEventListener("click", () => this.unfold());
    this.message.addEventListener("keydown", (event) => event.key === "Enter" && this.unfold());
    const line = el("div", { class: "line" }, this.state, this.reason, this.unlike);
    const brief = fault.status === "completed" || fault.reason === "exception"; // one line says it
    this.node = el("li", { class: brief ? "run-row brief" : "run-row", "data-fault": fault.name }, this.button, this.clock, el("div", { class: "outcome" }, line, this.message));
    this.rest();
  }

  rest() {
    this.ending = null;
    stopClock(this.clock);
    this.unlike.textContent = "";
    const { status, reason, within } = this.fault;
    this.state.replaceChildren();
    this.state.dataset.state = "ready";
    this.reason.textContent = "";
    this.message.textContent = `Should end within ${within} s: ${reason ? `${status}, ${reason}` : status}`;
    this.node.classList.add("resting");
  }

  async cause() {
    if (this.open) return;
    const at = Date.now();
    this.begin(at);
    try {
      const url = await submit(`/demo/faults/${this.fault.name}`);
      remember("faults", this.fault.name, { url, at });
      await this.follow({ url, at });
    } catch (error) {
      this.end({ end: "unreachable", message: error.message, measured: (Date.now() - at) / 1000 });
    }
  }

  resume(entry) {
    this.begin(entry.at);
    this.follow(entry);
  }

  begin(at) {
    this.node.classList.remove("resting");
    this.open = true;
    this.ending = null;
    this.button.disabled = true;
    this.unlike.textContent = this.reason.textContent = this.message.textContent = "";
    for (const name of ["aria-expanded", "role", "tabindex"]) this.message.removeAttribute(name);
    showState(this.state, "open", "pending");
    startClock(this.clock, at);
    count();
  }

  async follow({ url, at }) {
    const { end, result, reason, message } = await waitForTask(url, { onUpdate: (task) => this.update(task) });
    const said = end === "completed" ? `result: ${JSON.stringify(result)}`.slice(0, LONGEST) : message;
    const ending = { end, reason, message: said, measured: (Date.now() - at) / 1000 };
    remember("faults", this.fault.name, { url, at, ending });
    this.end(ending);
  }

  update(task) {
    if (task.settled) return;
    const attempt = task.max_attempts > 1 && task.attempt > 0 ? `attempt ${task.attempt} of ${task.max_attempts}` : "";
    showState(this.state, "open", task.status);
    this.reason.textContent = attempt;
    this.message.textContent = task.progress?.message ?? "";
  }

  end({ end, reason, message, measured }) {
    const { fault } = this;
    this.node.classList.remove("resting");
    this.open = false;
    this.ending = end;
    this.measured = measured;
    this.button.disabled = false;
    stopClock(this.clock, measured);
    showState(this.state, stateOf(end), end);
    this.reason.textContent = reason ?? "";
    this.asExpected = end === fault.status && (reason ?? null) === fault.reason;
    this.unlike.textContent = this.asExpected ? "" : `expected ${fault.reason ?? fault.status}`;
    this.message.textContent = message;
    if (this.message.scrollHeight > this.message.clientHeight + 2) {
      for (const [name, value] of Object.entries(UNFOLDABLE)) this.message.setAttribute(name, value);
    }
    count();
  }

  unfold() {
    const unfolded = this.message.getAttribute("aria-expanded");
    if (unfolded) this.message.setAttribute("aria-expanded", String(unfolded === "false"));
  }
}

function count() {
  const pressed = rows.filter((row) => row.open || row.ending);
  const settled = rows.filter((row) => row.ending);
  const total = Math.max(goal, pressed.length);
  const slowest = Math.max(0, ...settled.map((row) => row.measured ?? 0));
  const alike = settled.filter((row) => row.asExpected).length;
  bar.value = total ? settled.length / total : 0;
  tally.setAttribute("aria-busy", String(settled.length < total)); // announced once, at the end
  tally.textContent = pressed.length
    ? `${settled.length} of ${total} settled, ${alike} as expected, the slowest in ${slowest.toFixed(1)} s`
    : `${rows.length} faults, each of which must settle`;
}

async function causeAll() {
  all.disabled = true;
  const queue = rows.filter((row) => !row.open);
  for (const row of queue) row.rest();
  goal = rows.length;
  const runner = async () => {
    for (let row = queue.shift(); row; row = queue.shift()) await row.cause();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
  all.disabled = false;
  goal = 0;
}

function draw(faults) {
  const groups = groupBy(faults, "group");
  return [...groups].map(([title, members]) => {
    const group = el("section", { class: "group", "aria-label": title }, el("h3", {}, title));
    for (const kin of groupBy(members, "kind").values()) {
      const about = el("div", { class: "about" }, el("h4", {}, kin[0].title), el("p", {}, kin[0].what));
      const runs = el("ul", { class: "runs" });
      for (const fault of kin) {
        const row = new Row(fault);
        rows.push(row);
        runs.append(row.node);
      }
      group.append(el("article", { class: "fault beside" }, about, runs));
    }
    return group;
  });
}

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(item[key], [...(groups.get(item[key]) ?? []), item]);
  return groups;
}

/** Draw a row for each fault that the server knows, and find those of before a reload again. */
export async function start() {
  const faults = await fetch("/demo/faults").then((response) => response.json());
  document.querySelector("#fault-groups").append(...draw(faults));
  all.addEventListener("click", causeAll);
  for (const [name, entry] of Object.entries(recall("faults"))) {
    const row = rows.find((row) => row.fault.name === name);
    if (!row) continue;
    if (entry.ending) row.end(entry.ending);
    else row.resume(entry);
  }
  count();
}
