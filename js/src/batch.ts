/** `<settled-batch>`: a batch with a row for each task, all of them by one wait; what a server says is only ever set as text. */

import own from "./batch.css";
import { words } from "./batch-words.ts";
import { Base, fill, make, say, shown } from "./parts.ts";
import css from "./style.css";
import { waitForTask } from "./wait.ts";
import { parsed, text, type End, type Ending, type Task } from "./wire.ts";

export { words } from "./batch-words.ts";

/** A batch as the server tells it: what a wait counts on, and some of its tasks. */
export interface Batch extends Task<null> {
  total: number;
  counts: Record<"pending" | "running" | "completed" | "failed", number>;
  failures: { reason: string; message: string; count: number }[];
  tasks: Task[];
  next: string | null;
  cursor: string;
  more: boolean;
}

const PAGE = 1_000; //   tasks that are asked for at once
const SLICE = 200; //    rows that are made before the page may draw
const GROUP = 100; //    rows that are laid out together, and only if they are near
const ANSWER = 15_000; // ms that a page of rows may take
const TRIES = 5;

const pause = (ms: number) => new Promise<void>((go) => setTimeout(go, ms));

/**
 * `<settled-batch src="/batches/…" cancellable retryable only="failed">`. Tells `settled-update` (the batch),
 * `settled-rows` (tasks that have changed) and `settled-end` (the ending). Slots: one for each state. Parts: see `#build`.
 */
export class SettledBatch extends Base {
  static observedAttributes = ["src", "cancellable", "retryable"];
  /** The newest answer. */
  batch: Batch | null = null;
  /** How the wait ended. */
  ending: Ending | null = null;
  /** Another fetch, for example one that adds a token. */
  fetch: typeof fetch | undefined;
  /** What the rows are called, in the order submitted: what a task was called with does not cross the wire. */
  items: readonly unknown[] = [];
  /** What to say of a task in its row; its result, or why there is none, if this says nothing. */
  describe: ((task: Task, item: unknown) => string | Node | null | undefined) | undefined;
  /** Every task that is known, by id, in the order submitted once all are. */
  readonly tasks = new Map<string, Task>();
  #rows = new Map<string, HTMLElement>();
  #parts: Record<string, HTMLElement> = {};
  #aborter: AbortController | null = null;
  #cursor = "";
  #after: string | null = null;
  #ended = 0;
  #following = false;
  #busy = false;
  #changed = 0;
  #lost = "";
  #partly = false;
  #problem = "";

  connectedCallback() {
    if (!this.shadowRoot) this.#build();
    this.#start();
  }

  disconnectedCallback() {
    this.#aborter?.abort();
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null) {
    if (!this.isConnected || !this.shadowRoot || before === value) return;
    if (name === "src") this.#start();
    else this.#render();
  }

  #build() {
    const title = make("div", "status", {}, make("span", "title"), make("span", "message", { dir: "auto" }));
    const head = make("div", "head", {}, make("span", "mark"), title, make("span", "numbers"));
    const role = { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" };
    const progress = make("div", "progress", role, make("div", "good"), make("div", "bad"));
    const table = make("div", "table", { role: "table", tabindex: "0" });
    const buttons = make("div", "buttons");
    for (const name of ["retry", "cancel", "check"] as const) {
      const button = make("button", name, { type: "button", class: "button " + name, part: "button " + name });
      button.addEventListener("click", () => this.#act(name));
      buttons.append((this.#parts[name] = button));
    }
    const foot = make("div", "foot", {}, make("span", "note", { dir: "auto" }), buttons);
    const live = make("div", "live", { role: "status" });
    const card = make("div", "card", { tabindex: "-1" }, head, progress, make("slot", "slot"), make("ul", "failures"), table, foot, live);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [css, own].map((text) => {
      const sheet = new CSSStyleSheet(); // not a <style>: a strict content security policy allows this one
      sheet.replaceSync(text);
      return sheet;
    });
    root.append(card);
    for (const part of root.querySelectorAll<HTMLElement>("[part]")) this.#parts[part.className] ??= part;
  }

  #start() {
    this.#aborter?.abort();
    this.batch = this.ending = null;
    [this.#cursor, this.#after, this.#ended] = ["", null, 0];
    [this.#lost, this.#problem, this.#partly, this.#following] = ["", "", false, false];
    this.tasks.clear();
    this.#rows.clear();
    const table = this.#parts.table!;
    const cells = words.columns.map((said, i) => {
      const cell = make("div", ["cell", "stand", "cell outcome"][i]!, { role: "columnheader" });
      cell.textContent = said;
      return cell;
    });
    const names = make("div", "row names", { role: "row", part: "names" }, ...cells);
    table.replaceChildren(make("div", "head-group", { role: "rowgroup" }, names));
    const src = this.getAttribute("src");
    if (src) this.#watch(src, (this.#aborter = new AbortController()).signal);
    this.#render();
  }

  /** The one wait: each look asks for what has changed since the one before. */
  async #watch(src: string, signal: AbortSignal) {
    const since: typeof fetch = (url, init) => this.#ask(url as string, this.#cursor ? { changed_since: this.#cursor } : {}, init);
    const onUpdate = (task: Task) => {
      const batch = task as Batch;
      const first = !this.#cursor;
      [this.batch, this.#lost, this.#cursor] = [batch, "", batch.cursor];
      if (first) this.#after = batch.next;
      this.#take(batch.tasks ?? [], first, signal).then(() => this.#follow(src, signal));
      if (!batch.settled) this.#render(); // else the ending does, which follows at once
      this.#emit("settled-update", batch);
    };
    const onTrouble = () => {
      this.#lost = words.lost;
      this.#render();
    };
    const ending = await waitForTask(src, { signal, fetch: since, onTrouble, onUpdate });
    if (signal.aborted) return;
    this.ending = ending;
    this.#render();
    this.#emit("settled-end", ending);
  }

  #ask(url: string, query: Record<string, string>, init?: RequestInit) {
    const to = new URL(url, document.baseURI);
    for (const [name, value] of Object.entries({ limit: `${PAGE}`, ...query })) to.searchParams.set(name, value);
    return (this.fetch ?? globalThis.fetch)(to.href, init);
  }

  /** Fetch what one answer did not hold: further pages, further changes, or all anew where the numbers do not agree. */
  async #follow(src: string, signal: AbortSignal) {
    if (this.#following) return;
    this.#following = true;
    let [tries, rounds] = [0, 0];
    while (!signal.aborted && this.batch && tries < TRIES) {
      const { counts, more, total } = this.batch;
      if (this.#after === null && !more) {
        if (this.#rows.size >= total && this.#ended >= counts.completed + counts.failed) break;
        if (rounds++ > 1) break; // it is behind: the next look tells, or the button
        this.#after = "";
      }
      const paging = this.#after !== null;
      const query = paging ? { after: this.#after! } : { changed_since: this.#cursor };
      const init = { headers: { Accept: "application/json" }, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER)]) };
      const part: Batch | null = await this.#ask(src, query, init)
        .then((answer) => answer.text())
        .then(parsed, () => null);
      if (signal.aborted) break;
      if (!Array.isArray(part?.tasks)) {
        await pause(500 * 2 ** tries++);
        continue;
      }
      tries = 0;
      if (paging) this.#after = part.next;
      else [this.#cursor, this.batch.more] = [part.cursor, part.more];
      await this.#take(part.tasks, paging, signal);
    }
    if (signal.aborted) return;
    this.#following = false;
    this.#partly = !!this.batch?.settled && this.#rows.size < this.batch.total;
    this.#render();
  }

  /** Note tasks as they are; a `page` of them makes their rows, in slices, so that the page goes on drawing. */
  async #take(tasks: Task[], page: boolean, signal: AbortSignal) {
    const news: Task[] = [];
    for (let i = 0; i < tasks.length; i++) {
      if (i % SLICE === SLICE - 1) await pause(0);
      if (signal.aborted) return;
      const [task, id] = [tasks[i]!, tasks[i]!.id!];
      const before = this.tasks.get(id);
      const newer = !before || (!before.settled && JSON.stringify(before) !== JSON.stringify(task));
      if (newer) {
        this.tasks.set(id, task);
        this.#ended += +task.settled;
        news.push(task);
      }
      if (page && !this.#rows.has(id)) this.#add(id);
      if (newer) this.#fill(id);
    }
    if (news.length) this.#emit("settled-rows", news);
  }

  #add(id: string) {
    const place = this.#rows.size;
    const table = this.#parts.table!;
    if (place % GROUP === 0) table.append(make("div", "rows", { role: "rowgroup" }));
    const cells = ["cell", "stand", "cell outcome"].map((name) => make("div", name, { role: "cell", dir: "auto" }));
    const row = make("div", "row", { role: "row", "aria-rowindex": `${place + 2}` }, ...cells);
    this.#rows.set(id, row);
    table.lastElementChild!.append(row);
    const item = this.items[place];
    cells[0]!.textContent = item === undefined ? `#${place + 1}` : shown(item);
    cells[0]!.title = cells[0]!.textContent;
    this.#fill(id);
  }

  #fill(id: string) {
    const [row, task] = [this.#rows.get(id), this.tasks.get(id)!];
    if (!row) return; // its page has not come yet
    const [stand, outcome] = [row.children[1]!, row.children[2]!];
    const status = task.status ?? "pending";
    row.setAttribute("data-state", status);
    stand.textContent = words.states[status] ?? status;
    const item = this.items[+row.getAttribute("aria-rowindex")! - 2];
    const progress = task.settled ? "" : text(task.progress?.message);
    outcome.replaceChildren(this.describe?.(task, item) ?? (text(task.error?.message) || progress || shown(task.result)));
  }

  #emit(name: string, detail: unknown) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #render() {
    const { batch, ending } = this;
    const parts = this.#parts as Record<string, any>;
    const open: End | "pending" | "running" = batch?.status === "running" ? "running" : "pending";
    const state = ending?.end ?? open;
    if (this.getAttribute("state") !== state) {
      this.setAttribute("state", state);
      this.#changed = performance.now();
    }
    this.toggleAttribute("lost", !!this.#lost && !ending);
    const src = this.hasAttribute("src");
    const ours = ending && ending.end !== "completed" && ending.end !== "failed";
    const title = src ? words[batch || ending ? state : "loading"] : "";
    say(parts.title, title);
    say(parts.message, [ours ? ending.message : this.#lost, this.#problem].filter(Boolean).join(" "));
    const { completed = 0, failed = 0 } = batch?.counts ?? {};
    const total = batch?.total ?? 0;
    const number = (n: number) => n.toLocaleString();
    const numbers = batch ? fill(fill(words.counts, number(completed + failed)).replace("#", () => number(total)), "") : "";
    const whole = [numbers, failed ? fill(words.failures, number(failed)) : ""].filter(Boolean).join(" · ");
    say(parts.numbers, whole);
    parts.slot.setAttribute("name", state);
    parts.table.setAttribute("aria-label", words.table);
    parts.table.setAttribute("aria-rowcount", `${total + 1}`);
    parts.table.hidden = !batch;
    const percent = total ? Math.floor(((completed + failed) / total) * 100) : 0;
    parts.progress.hidden = !src || !batch;
    parts.progress.setAttribute("aria-label", words.progress);
    parts.progress.setAttribute("aria-valuenow", `${percent}`);
    parts.progress.setAttribute("aria-valuetext", whole);
    for (const [part, n] of [[parts.good, completed], [parts.bad, failed]]) part.style.inlineSize = `${(n / (total || 1)) * 100}%`;
    // Somebody who listens is told of each tenth, and of the end; not of each task.
    say(parts.live, [title, ending || percent >= 100 ? whole : percent >= 10 && `${percent - (percent % 10)} %`].filter(Boolean).join(", "));
    this.#renderFailures();
    say(parts.note, this.#partly ? words.partly : "");
    const end = ending?.end;
    this.#offer("cancel", !end && !!batch && this.hasAttribute("cancellable"));
    this.#offer("retry", end === "failed" && this.hasAttribute("retryable"));
    this.#offer("check", end === "unreachable" || end === "denied" || this.#partly);
  }

  #renderFailures() {
    const { failures = [] } = this.batch ?? {};
    const list = this.#parts.failures!;
    const said = failures.slice(0, 5).map(({ count, message }) => `${fill(words.times, count.toLocaleString())} ${message}`);
    if (failures.length > 5) said.push(words.more);
    list.hidden = !said.length;
    if ([...list.children].map((one) => one.textContent).join("\n") === said.join("\n")) return;
    list.replaceChildren(
      ...said.map((text) => {
        const line = make("li", "failure", { dir: "auto" });
        line.textContent = text;
        return line;
      }),
    );
  }

  #offer(name: "cancel" | "retry" | "check", wanted: boolean) {
    const button = this.#parts[name]!;
    const focused = this.shadowRoot?.activeElement === button;
    say(button, wanted ? words[name] : "");
    button.setAttribute("aria-disabled", String(this.#busy));
    if (focused && !wanted) this.#parts.card!.focus({ preventScroll: true });
  }

  async #act(action: "cancel" | "retry" | "check") {
    const src = this.getAttribute("src") ?? "";
    // A second click on one button must not land on the other that has just taken its place.
    if (this.#busy || performance.now() - this.#changed < 600) return;
    if (action === "check") return this.#start();
    const url = new URL(src, document.baseURI);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${action}`;
    [this.#busy, this.#problem] = [true, ""];
    this.#render();
    const problem = await this.#post(url, action === "retry").catch(() => words.offline);
    this.#busy = false;
    if (this.getAttribute("src") === src) this.#problem = problem && fill(words.refused, problem);
    if (this.isConnected) this.#render();
  }

  /** Return what went wrong, if anything; `follow` the new batch, whose rows are those that failed. */
  async #post(url: URL, follow: boolean) {
    const init = { method: "POST", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(ANSWER) };
    const answer = await (this.fetch ?? globalThis.fetch)(url.href, init);
    const body = parsed(await answer.text());
    if (!answer.ok) return text(body?.detail) || text(body?.title) || String(answer.status);
    if (!follow) return "";
    const failed = [...this.#rows.keys()].map((id, i) => [id, this.items[i]] as const);
    if (this.items.length) this.items = failed.filter(([id]) => this.tasks.get(id)?.status === "failed").map(([, item]) => item);
    const place = answer.headers.get("Location") ?? `../${body?.id}`; // across origins it may be hidden
    this.setAttribute("src", new URL(place, url).href);
    return "";
  }
}

if (globalThis.customElements && !customElements.get("settled-batch")) customElements.define("settled-batch", SettledBatch);
