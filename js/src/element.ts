/** `<settled-task>`: shows a wait, in words; what comes from the server is only ever set as text. */

import css from "./style.css";
import { memory } from "./memory.ts";
import { Base, fill, make, say, shown, span } from "./parts.ts";
import { waitForTask } from "./wait.ts";
import { clamp, parsed, seconds, text, type End, type Ending, type Task } from "./wire.ts";
import { words } from "./words.ts";

const confirmedAt = (instant: number) =>
  fill(words.confirmed, new Date(instant).toLocaleTimeString([], { timeStyle: "short" }));

/**
 * `<settled-task src="/tasks/…" cancellable retryable remember="report">`. Tells `settled-update` (the task) and
 * `settled-end` (the ending). Slots: one for each state. Parts: see `#build`.
 */
export class SettledTask extends Base {
  static observedAttributes = ["src", "cancellable", "retryable"];
  /** The newest answer. */
  task: Task | null = null;
  /** How the wait ended. */
  ending: Ending | null = null;
  /** Another fetch, for example one that adds a token. */
  fetch: typeof fetch | undefined;
  #wait: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #parts: Record<string, HTMLElement> = {};
  #begun = 0;
  #heard = 0;
  #changed = 0;
  #busy = false;
  #lost = "";
  #confirmed = "";
  #problem = "";

  connectedCallback() {
    if (!this.shadowRoot) this.#build();
    const name = this.getAttribute("remember");
    const known = name && !this.hasAttribute("src") && memory(name);
    if (known) this.setAttribute("src", known); // which starts
    else this.#start();
  }

  disconnectedCallback() {
    this.#stop();
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null) {
    if (!this.isConnected || !this.shadowRoot || before === value) return;
    if (name === "src") this.#start();
    else this.#render();
  }

  #build() {
    const said = [make("span", "title"), make("span", "message", { dir: "auto" })];
    const status = make("div", "status", { role: "status" }, ...said);
    const head = make("div", "head", {}, make("span", "mark"), status);
    const role = { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" };
    const result = make("pre", "result", { dir: "auto", role: "group" });
    const slot = make("slot", "slot", {}, make("p", "detail", { dir: "auto" }), result);
    const button = make("button", "button", { type: "button" });
    const foot = make("div", "foot", {}, make("span", "time", { dir: "auto" }), button);
    const rest = [make("div", "progress", role, make("div", "bar")), slot, make("p", "note", { dir: "auto" }), foot];
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // not a <style>: a strict content security policy allows this one
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    root.append(make("div", "card", { tabindex: "-1" }, head, ...rest));
    for (const part of root.querySelectorAll<HTMLElement>("[part]")) this.#parts[part.className] = part;
    button.addEventListener("click", () => this.#act());
  }

  #stop() {
    this.#wait?.abort();
    clearTimeout(this.#timer);
  }

  #start() {
    this.#stop();
    this.task = this.ending = null;
    this.#lost = this.#confirmed = this.#problem = "";
    this.#begun = performance.now();
    const src = this.getAttribute("src");
    if (src) this.#watch(src, (this.#wait = new AbortController()).signal);
    this.#render();
  }

  async #watch(src: string, signal: AbortSignal) {
    const name = this.getAttribute("remember");
    if (name) memory(name, src);
    const onUpdate = (task: Task) => {
      if (task !== this.task) this.#heard = performance.now();
      [this.task, this.#lost, this.#confirmed] = [task, "", confirmedAt(Date.now())];
      if (!task.settled) this.#render(); // else the ending does, which follows at once
      this.#emit("settled-update", task);
    };
    const onTrouble = ({ confirmed }: { confirmed: number | null }) => {
      if (confirmed !== null) this.#confirmed = confirmedAt(confirmed);
      this.#lost = this.#confirmed ? fill(words.lostSince, this.#confirmed) : words.lost;
      this.#render();
    };
    const ending = await waitForTask(src, { signal, fetch: this.fetch, onTrouble, onUpdate });
    if (signal.aborted) return;
    this.ending = ending;
    if (name && ending.end === "unknown") memory(name, null);
    this.#render();
    this.#emit("settled-end", ending);
  }

  #emit(name: string, detail: unknown) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** What the one button does now, if anything. */
  get #action(): "check" | "retry" | "cancel" | false | null | undefined {
    const end = this.ending?.end;
    if (end === "unreachable" || end === "denied") return "check";
    if (end === "failed" && this.hasAttribute("retryable")) return "retry";
    return !end && this.task && this.hasAttribute("cancellable") && "cancel";
  }

  #render() {
    const { task, ending } = this;
    const [parts, action] = [this.#parts as Record<string, any>, this.#action];
    const state: End | "pending" | "running" = ending?.end ?? (task?.status === "running" ? "running" : "pending");
    if (this.getAttribute("state") !== state) {
      this.setAttribute("state", state);
      this.#changed = performance.now();
    }
    this.toggleAttribute("lost", !!this.#lost && !ending);
    const own = (name: string) => this.querySelector(`:scope > [slot="${name}"]`); // the page says it in its own words
    const slot = state === "running" && !own(state) ? "pending" : state;
    parts.slot.setAttribute("name", slot);
    const failed = ending?.end === "failed";
    const title = ending?.reason === "cancelled" ? "cancelled" : task || ending ? state : "loading";
    const why = failed ? (words.reasons[ending.reason!] ?? "") : (ending?.message ?? this.#lost);
    say(parts.title, words[title]);
    say(parts.message, [ending && own(slot) ? "" : why, this.#problem].filter(Boolean).join(" "));
    say(parts.detail, failed ? ending.message : ending ? "" : text(task?.progress?.message));
    say(parts.result, shown(ending?.result));
    parts.result.setAttribute("aria-label", words.result);
    for (const long of [parts.detail, parts.result]) {
      long.tabIndex = long.scrollHeight > long.clientHeight ? 0 : -1; // what scrolls must be in reach of the keyboard
    }
    this.#renderProgress();
    const focused = this.shadowRoot?.activeElement === parts.button;
    say(parts.button, action ? words[action] : "");
    parts.button.setAttribute("aria-disabled", String(this.#busy));
    if (focused && !action) parts.card.focus({ preventScroll: true }); // else the focus would fall to the page's top
    this.#tick();
  }

  #renderProgress() {
    const { progress, bar } = this.#parts as Record<string, any>;
    const fraction = this.task?.progress?.fraction;
    const percent = typeof fraction === "number" ? String(clamp(Math.round(fraction * 100), 0, 100)) : "";
    progress.hidden = !!this.ending;
    progress.classList.toggle("unsure", !percent);
    progress.setAttribute("aria-label", words.progress);
    bar.style.inlineSize = percent && `${percent}%`;
    if (percent) progress.setAttribute("aria-valuenow", percent);
    else progress.removeAttribute("aria-valuenow");
  }

  /** Tell how long so far and at most, by the server's own instants: what this machine's clock says does not matter. */
  #tick() {
    clearTimeout(this.#timer);
    const { task, ending } = this;
    const { time, note } = this.#parts as Record<string, any>;
    const [made, finished, by] = (["created_at", "finished_at", "settles_at"] as const).map((at) => Date.parse(task?.[at]!));
    const waited = performance.now() - this.#begun;
    const known = by! - made! - (seconds(task?.settles_in) ?? NaN) + performance.now() - this.#heard;
    const soFar = fill(words.soFar, span(known >= 0 ? known : waited, words.units));
    const open = by! > made! ? `${soFar} · ${fill(words.atMost, span(by! - made!, words.units))}` : soFar;
    const over = finished! >= made! ? fill(words.after, span(finished! - made!, words.units)) : this.#confirmed;
    say(time, ending ? over : open);
    say(note, task && !ending && !this.#lost && waited >= 10_000 ? words.leave : "");
    if (this.getAttribute("src") && !ending && this.isConnected) this.#timer = setTimeout(() => this.#tick(), 1_000);
  }

  async #act() {
    const [action, src] = [this.#action, this.getAttribute("src") ?? ""];
    // A second click on "Cancel" must not land on the "Try again" that has just taken its place.
    if (!action || this.#busy || performance.now() - this.#changed < 600) return;
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

  /** Return what went wrong, if anything; `follow` the new task. */
  async #post(url: URL, follow: boolean) {
    const init = { method: "POST", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15_000) };
    const answer = await (this.fetch ?? globalThis.fetch)(url, init);
    const body = parsed(await answer.text());
    if (!answer.ok) return text(body?.detail) || text(body?.title) || String(answer.status);
    const place = answer.headers.get("Location") ?? `../${body?.id}`; // across origins it may be hidden
    if (follow) this.setAttribute("src", new URL(place, url).href);
    return "";
  }
}
