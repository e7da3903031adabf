// @ts-check
/**
 * Waits for a background task and always ends: with its result, or with the reason why there is none.
 *
 *     const {end, result, message} = await waitForTask("/tasks/0193…", {onUpdate: console.log});
 *     <settled-task src="/tasks/0193…" cancellable retryable></settled-task>
 *
 * One file, longer than the house likes, because it is served as it is: one <script type="module">, no build.
 * Five parts, each using only those above it: shapes, the machine (pure), the asking (one request), the watcher
 * (timers, the page, sharing), the element. Seconds in options and on the wire, milliseconds inside.
 */

// 1. Shapes -------------------------------------------------------------------------------------------------------

/**
 * @typedef {{settled: boolean, id?: string, name?: string, status?: string, result?: unknown, attempt?: number,
 *   error?: {reason?: string, message?: string, type?: string} | null, max_attempts?: number,
 *   progress?: {fraction?: number | null, message?: string | null} | null, created_at?: string, finished_at?: string,
 *   settles_at?: string, settles_in?: number, retry_after?: number}} Task   what the server tells, newest first trusted
 * @typedef {"completed" | "failed" | "unknown" | "unreachable" | "denied" | "aborted"} End   there is no seventh
 * @typedef {{end: End, result: any, reason: string | null, message: string, task: Task | null}} Ending
 * @typedef {{now(): number, wall(): number, random(): number, setTimeout(f: () => void, ms: number): any,
 *   clearTimeout(timer: any): void}} Clock   now is monotonic, wall is the time of day
 * @typedef {{hidden(): boolean, offline(): boolean, listen(tell: (back: boolean) => void): () => void}} Page
 * @typedef {{signal?: AbortSignal, grace?: number, patience?: number, onUpdate?: (task: Task) => void,
 *   onTrouble?: (trouble: {why: string, confirmed: number | null}) => void,
 *   fetch?: typeof fetch, clock?: Clock, page?: Page}} Options
 * @typedef {{now: number, wall: number, random: number, hidden: boolean, offline: boolean,
 *   held: number, crowd: number}} Moment   how many other requests of the page a server holds; how many waits there are
 * @typedef {ReturnType<typeof begin>} State
 * @typedef {{type: "trouble", why: string, network?: boolean, retryAfter?: unknown}} Trouble
 * @typedef {{type: "start"} | {type: "tick"} | {type: "page", back: boolean} | {type: "same"} | {type: "redirect"}
 *   | {type: "answer", task: Task, etag: string | null} | {type: "missing"} | {type: "gone"}
 *   | {type: "denied", why: string} | Trouble} Event
 * @typedef {{do: "look", wait: number, first: boolean, etag: string | null, manual: boolean}} Look
 * @typedef {{do: "keep" | "sleep"} | {do: "end", ending: Ending}
 *   | Look} Action
 * @typedef {[State, Action]} Decision
 */

// 2. The machine: what to do next, from what is known and what just happened; it touches nothing -------------------

const HOLD = 20_000; //    the longest a server is asked to hold a request: below the idle limits of proxies
const ANSWER = 10_000; //  what an answer may take beyond that, its body included
const LAST = 3_000; //     what the last look gets, at the least
const LAG = 3_000; //      for so long a replica may not know a task that was just submitted
const SLOWEST = 30_000; // no retry_after, however absurd, puts a look off for longer
const TICK = 5_000; //     how often the clocks are compared, to notice a sleep
const SKEW = 2_000; //     clocks that differ by more have slept, or have been set
const HELD = 3; //         how many requests of one page are held at once: browsers have six connections for a site
const CROWD = 30; //       of so many waits on a page each polls as often as it may; of more, the less often
const SPARES = 5; //       how often in all a verdict is put off for a fresh look, so that nothing does so for ever

const signedOut = "you are probably signed out. Sign in, then look again.";
const says = {
  missing: "There is no such task, or you may not see it.",
  pruned: "The record of this task has been deleted: it was kept only for a while after the task had ended (pruned).",
  away: `The server sends to another site instead of answering: ${signedOut}`,
  moved: `You were sent to another page instead of the task: ${signedOut}`,
  html: `A web page came instead of the task: ${signedOut}`,
  who: "You are not signed in, or no longer. Sign in, then look again.",
  forbidden: "You are not allowed to see this task.",
  aborted: "The wait was stopped before the task had settled.",
  endless: "The server answers, but does not say by when the task settles.",
  broken: "The server answers, but the task has not settled by the time that was promised.",
};

/** The state of a wait that begins now. @param {Moment} at @param {number} grace ms @param {number} patience ms */
export function begin(at, grace, patience) {
  return {
    ...{ grace, patience, start: at.now, now: at.now, wall: at.wall, expected: Infinity, due: Infinity },
    ...{ flying: false, lookedAt: -Infinity, freshFrom: at.now, spares: SPARES, wait: 0, plain: true },
    ...{ errors: 0, polls: 0, why: "", manual: false, redirects: false, latest: Infinity },
    holds: /** @type {boolean | null} */ (null),
    missingSince: /** @type {number | null} */ (null),
    deadline: /** @type {number | null} */ (null),
    confirmed: /** @type {number | null} */ (null),
    task: /** @type {Task | null} */ (null),
    etag: /** @type {string | null} */ (null),
  };
}

/** Return the next state and the one thing to do. @param {State} before @param {Event} event @param {Moment} at */
export const decide = (before, event, at) => new Step({ ...before }, at).take(event);

/** One step of the machine, on a copy of the state that is its own. */
class Step {
  /** @param {State} s @param {Moment} at */
  constructor(s, at) {
    this.s = s;
    this.at = at;
  }

  /** @param {Event} event @returns {Decision} */
  take(event) {
    const { s, at } = this;
    const suspect = this.compareClocks();
    if (event.type === "start") return this.next(0);
    if (event.type === "page") {
      const young = s.flying && !suspect && at.now - s.lookedAt < 1_000;
      if (!event.back || young) return this.go({ do: "keep" });
      this.refresh();
      return this.next(0);
    }
    if (event.type === "tick") {
      if (!suspect && at.now < s.due) return this.go({ do: "keep" });
      return s.flying && !suspect ? this.troubled("no answer came in time") : this.next(0);
    }
    s.flying = false;
    if (event.type === "answer") return this.answered(event);
    if (event.type === "same") return s.task ? this.answered(null) : this.troubled("the answer was empty");
    if (event.type === "denied") return this.over("denied", event.why);
    if (event.type === "gone") return this.over("unknown", says.pruned);
    if (event.type === "missing") return this.missing();
    if (event.type === "redirect") {
      s.redirects = true;
      return this.troubled("the server sends elsewhere");
    }
    // A redirect to another site looks like a dead network; the look that followed none has told them apart.
    if (event.network && s.redirects) return this.over("denied", says.away);
    [s.manual, s.redirects] = [!!event.network, false];
    if (s.wait && event.network) s.holds = false;
    return this.troubled(event.why, event.retryAfter);
  }

  /** Whether this machine seems to have slept, been frozen, or been set to another time since the last step. */
  compareClocks() {
    const { s, at } = this;
    const slept = at.wall - s.wall - (at.now - s.now);
    const suspect = Math.abs(slept) > SKEW || at.now > s.expected + TICK;
    [s.now, s.wall] = [at.now, at.wall];
    if (suspect) this.refresh();
    // Asleep, or only set to another time? Nobody can tell, so the server gets `patience` to answer afresh.
    if (slept > SKEW && s.deadline !== null)
      s.deadline = Math.min(s.deadline, Math.max(s.deadline - slept, at.now + s.patience));
    return suspect;
  }

  /** Ask for a look that begins now or later before any verdict. */
  refresh() {
    const { s, at } = this;
    s.plain = true;
    if (at.hidden || at.now < this.bound || s.spares-- > 0) s.freshFrom = at.now;
  }

  /** When this wait gives up, unless somebody answers. */
  get bound() {
    const { start, patience, grace, deadline } = this.s;
    return deadline === null ? start + Math.max(patience, grace) : deadline + grace;
  }

  /** @param {{task: Task, etag: string | null} | null} news null: all is as it was */
  answered(news) {
    const { s, at } = this;
    const took = at.now - s.lookedAt;
    const changed = news && gist(news.task) !== gist(s.task);
    Object.assign(s, { errors: 0, plain: false, manual: false, redirects: false, missingSince: null });
    s.confirmed = at.wall;
    if (news) {
      [s.task, s.etag] = [news.task, news.etag];
      if (news.task.settled) return this.settled(news.task);
      this.told(news.task.settles_in);
    }
    if (s.wait && took >= 1_000) s.holds = true;
    else if (s.wait && !changed) s.holds = false;
    if (s.holds !== false && this.hold) return this.next(Math.max(0, 250 - took));
    const asked = seconds(s.task?.retry_after) ?? Math.min(1_000 * 1.5 ** s.polls, 5_000);
    s.polls += 1;
    return this.next(clamp(asked, 500, SLOWEST) * (1 + at.random / 5) * Math.max(1, at.crowd / CROWD));
  }

  /**
   * Every answer bounds the same instant, so a later one may move it only a little (clocks drift): else a server that
   * promises "in a minute" for ever would keep a page for ever. @param {unknown} settlesIn
   */
  told(settlesIn) {
    const { s, at } = this;
    const left = seconds(settlesIn);
    if (left === null) return;
    if (s.latest === Infinity) s.latest = at.now + left * 1.1;
    s.deadline = left > 0 ? Math.min(at.now + left, s.latest) : Math.min(s.deadline ?? at.now, at.now);
  }

  /** @param {string} why @param {unknown} [retryAfter] */
  troubled(why, retryAfter) {
    const { s, at } = this;
    Object.assign(s, { errors: s.errors + 1, why, plain: true, missingSince: null });
    const backoff = Math.min(500 * 2 ** (s.errors - 1), 10_000) * (0.5 + at.random / 2);
    return this.next(Math.max(backoff, clamp(seconds(retryAfter) ?? 0, 0, SLOWEST)));
  }

  missing() {
    const { s, at } = this;
    s.missingSince ??= at.now;
    if (s.task || at.now - s.missingSince >= LAG) return this.over("unknown", says.missing);
    return this.next(Math.min(500 + 500 * at.random, s.missingSince + LAG - at.now));
  }

  /** Look after so many ms, unless this is the end, or the page sleeps. @param {number} delay @returns {Decision} */
  next(delay) {
    const { s, at, bound } = this;
    s.flying = false;
    if (at.hidden) return this.sleep(Infinity);
    const away = at.offline && s.errors > 0; // a look has confirmed it: `onLine` alone is often wrong
    const end = bound + (away ? s.patience : 0);
    const promise = bound - s.grace;
    if (at.now >= end && s.lookedAt >= Math.max(s.freshFrom, promise)) return this.verdict();
    if (delay && away && at.now < end) {
      s.lookedAt = -Infinity; // what was seen before the pause does not count at its end
      return this.sleep(end - at.now);
    }
    const pause = Math.min(delay, (at.now < promise ? promise + 250 : end) - at.now);
    return pause > 0 ? this.sleep(pause) : this.look();
  }

  look() {
    const { s, at, hold, bound } = this;
    const first = s.lookedAt === -Infinity && !s.errors;
    // One that begins before the promise leaves time for the look after it, without which there is no verdict.
    const kept = at.now < bound - s.grace ? LAST + 500 : 0;
    const room = Math.min(hold * 1_000 + ANSWER, Math.max(LAST, bound - kept - at.now));
    Object.assign(s, { wait: hold, flying: true, lookedAt: at.now, due: at.now + room });
    // After trouble and on return, plainly: an answer at once, and no header that a foreign server might refuse.
    const etag = s.plain ? null : s.etag;
    return this.go({ do: "look", wait: hold, first, etag, manual: s.manual && !s.redirects });
  }

  /** Whole seconds for which to ask the server to hold the request; 0 for a plain look. */
  get hold() {
    const { s, at } = this;
    if (s.plain || at.held >= HELD || (s.holds === false && s.polls % 5 !== 4)) return 0; // tried again now and then
    return Math.floor(clamp((s.deadline ?? this.bound) - at.now, 0, HOLD) / 1_000);
  }

  /** @param {number} ms */
  sleep(ms) {
    this.s.due = this.at.now + ms;
    return this.go({ do: "sleep" });
  }

  /** Note when the clocks are read next: a late reading tells of a freeze. @param {Action} action */
  go(action) {
    const { s, at } = this;
    s.expected = s.due === Infinity ? Infinity : Math.min(s.due, at.now + TICK);
    return /** @type {Decision} */ ([s, action]);
  }

  /** @param {Task} task */
  settled({ status, result, error }) {
    if (status === "completed") return this.over("completed", "", result);
    // Any other word: whoever says it, it is not a success.
    const message = text(error?.message) || `The task ended as "${text(status) || "failed"}".`;
    return this.over("failed", message, null, text(error?.reason) || null);
  }

  verdict() {
    const { s } = this;
    if (s.missingSince !== null) return this.over("unknown", says.missing);
    if (!s.errors) return this.over("unreachable", s.deadline === null ? says.endless : says.broken);
    return this.over("unreachable", `Nobody answered in time: ${s.why}. The task itself may have gone on.`);
  }

  /**
   * @param {End} end @param {string} message @param {any} [result] @param {string | null} [reason]
   * @returns {Decision}
   */
  over(end, message, result = null, reason = null) {
    return [this.s, { do: "end", ending: { end, result, reason, message, task: this.s.task } }];
  }
}

/** @param {unknown} value seconds on the wire; as milliseconds, or null if they make no sense */
function seconds(value) {
  const number = typeof value === "string" && value.trim() ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? Math.max(0, number * 1_000) : null;
}
/** @param {number} n @param {number} low @param {number} high */
const clamp = (n, low, high) => Math.min(Math.max(n, low), high);
/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value : "");
/** What of a task is worth telling at once. @param {Task | null} task */
const gist = (task) => JSON.stringify([task?.status, task?.attempt, task?.progress]);

// 3. The asking: one request, told as one event --------------------------------------------------------------------

/**
 * Never rejects; ends with `signal` at the latest.
 * @param {string} url @param {Look} look @param {typeof fetch} fetch @param {AbortSignal} signal
 * @returns {Promise<Event>}
 */
async function ask(url, look, fetch, signal) {
  try {
    const headers = new Headers({ Accept: "application/json" });
    if (look.wait) headers.set("Prefer", `wait=${look.wait}`);
    if (look.etag) headers.set("If-None-Match", look.etag);
    // The first look may find a settled task in the browser's cache; all others must reach the server.
    const cache = look.first ? "default" : "no-store";
    const answer = await fetch(url, { headers, signal, cache, redirect: look.manual ? "manual" : "follow" });
    const readable = answer.ok && answer.status !== 204;
    const body = readable ? await answer.text() : void answer.body?.cancel().catch(() => {});
    return understood(answer, body ?? "", url);
  } catch {
    return { type: "trouble", why: "there is no connection to the server", network: true };
  }
}

/** What an answer means. @param {Response} answer @param {string} body @param {string} url @returns {Event} */
function understood({ ok, status, type, redirected, headers, url: from }, body, url) {
  const task = parsed(body);
  if (typeof task?.settled === "boolean") return { type: "answer", task, etag: headers.get("ETag") };
  if (status === 304) return { type: "same" };
  if (type === "opaqueredirect" || (status >= 300 && status < 400)) return { type: "redirect" };
  if (status === 401) return { type: "denied", why: says.who };
  if (status === 403) return { type: "denied", why: says.forbidden };
  const passing = status >= 500 || status === 429;
  if (!passing && redirected && elsewhere(from, url)) return { type: "denied", why: says.moved };
  if (status === 410) return { type: "gone" };
  if (status === 404 || status === 400 || status === 422) return { type: "missing" };
  if (body && /\bhtml\b/i.test(headers.get("Content-Type") ?? "")) return { type: "denied", why: says.html };
  const why = ok ? "the answer made no sense" : `the server answered ${status}`;
  return { type: "trouble", why, retryAfter: headers.get("Retry-After") };
}

/** @param {string} body */
function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** @param {string} one @param {string} other */
function elsewhere(one, other) {
  const [a, b] = [new URL(one), new URL(other)];
  return a.host !== b.host || a.pathname.replace(/\/$/, "") !== b.pathname.replace(/\/$/, "");
}

// 4. The watcher: runs the machine; one for each address on a page, shared by all who wait for it -------------------

/** @type {Clock} */
const systemClock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  setTimeout: (f, ms) => setTimeout(f, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** Whether the page is hidden or offline, and when it is back. @param {any} world @returns {Page} */
export function pageOf(world = globalThis) {
  const { document, navigator } = world;
  return {
    hidden: () => document?.visibilityState === "hidden",
    offline: () => navigator?.onLine === false,
    listen(tell) {
      const heard = new AbortController();
      /** @param {any} target @param {string} name @param {(event: any) => boolean} back */
      const on = (target, name, back) =>
        target?.addEventListener?.(name, (/** @type {any} */ event) => tell(back(event)), { signal: heard.signal });
      on(document, "visibilitychange", () => document.visibilityState !== "hidden");
      on(document, "resume", () => true);
      on(world, "pageshow", (event) => event.persisted === true);
      on(world, "online", () => true);
      return () => heard.abort();
    },
  };
}

// On the global object, so that a module that was loaded twice still asks once.
const registry = /** @type {any} */ (globalThis);
/** @type {Map<string, Watcher>} */
const watchers = (registry[Symbol.for("settled.watchers.1")] ??= new Map());

/** @typedef {Pick<Options, "onUpdate" | "onTrouble"> & {resolve(ending: Ending): void}} Caller */

class Watcher {
  /** @type {Set<Caller>} */ callers = new Set();
  /** @type {AbortController | null} */ flight = null;
  /** @type {any} */ timer = null;
  done = false;

  /**
   * @param {string} url @param {typeof fetch} fetch @param {Clock} clock @param {Page} page
   * @param {number} grace @param {number} patience
   */
  constructor(url, fetch, clock, page, grace, patience) {
    this.url = url;
    this.fetch = fetch;
    this.clock = clock;
    this.page = page;
    this.state = begin(this.moment(), grace, patience);
    this.unlisten = page.listen((back) => this.send({ type: "page", back }));
  }

  /** @returns {Moment} */
  moment() {
    const [clock, page, all] = [this.clock, this.page, [...watchers.values()]];
    const held = all.filter((other) => other !== this && other.flight && other.state.wait).length;
    const [now, wall, random] = [clock.now(), clock.wall(), clock.random()];
    return { now, wall, random, hidden: page.hidden(), offline: page.offline(), held, crowd: all.length };
  }

  /** Tell the machine what happened and do what it says. @param {Event} event */
  send(event) {
    if (this.done) return;
    const { errors } = this.state;
    const [state, action] = decide(this.state, event, this.moment());
    this.state = state;
    this.clock.clearTimeout(this.timer);
    if (action.do !== "keep") this.drop();
    const { task, why, confirmed } = state;
    const borne = this.page.offline() ? 0 : 1; // one stumble is no news
    if (task && (event.type === "answer" || event.type === "same")) this.tell((caller) => caller.onUpdate?.(task));
    else if (state.errors > Math.max(errors, borne)) this.tell((caller) => caller.onTrouble?.({ why, confirmed }));
    if (this.done) return; // a listener has left
    if (action.do === "end") return this.end(action.ending);
    if (action.do === "look") this.fly(action);
    const ms = Math.max(0, state.expected - this.clock.now());
    if (ms !== Infinity) this.timer = this.clock.setTimeout(() => this.send({ type: "tick" }), ms);
  }

  /** @param {Look} look */
  fly(look) {
    const flight = (this.flight = new AbortController());
    // An answer that was given up on is dropped here too: not every fetch minds its signal.
    ask(this.url, look, this.fetch, flight.signal).then((event) => this.flight === flight && this.send(event));
  }

  drop() {
    const flight = this.flight;
    this.flight = null;
    flight?.abort();
  }

  /** @param {(caller: Caller) => void} how */
  tell(how) {
    for (const caller of [...this.callers]) {
      try {
        if (this.callers.has(caller)) how(caller);
      } catch (error) {
        (registry.reportError ?? console.error)(error); // a listener's mistake is not the wait's
      }
    }
  }

  /** @param {Caller} caller */
  leave(caller) {
    this.callers.delete(caller);
    if (!this.callers.size) this.close();
  }

  /** @param {Ending} ending */
  end(ending) {
    this.close();
    this.tell((caller) => caller.resolve(ending));
  }

  close() {
    this.done = true;
    this.drop();
    this.clock.clearTimeout(this.timer);
    this.unlisten();
    if (watchers.get(this.url) === this) watchers.delete(this.url);
  }
}

/**
 * Wait for the task at `url` and resolve with how the wait ended; never rejects, never hangs. A page that is hidden
 * only pauses. `grace`: seconds to go on after the task's own deadline; `patience`: seconds if nobody ever answered.
 * @param {string | URL} url @param {Options} [options] @returns {Promise<Ending>}
 */
export function waitForTask(url, { signal, onUpdate, onTrouble, ...options } = {}) {
  return new Promise((resolve) => {
    /** @param {End} end @param {string} message @param {Task | null} [task] */
    const stop = (end, message, task = null) => resolve({ end, result: null, reason: null, message, task });
    const address = absolute(url);
    if (signal?.aborted) return stop("aborted", says.aborted);
    if (!address) return stop("unknown", `"${url}" is not the address of a task.`);
    const known = watchers.get(address);
    const [grace, patience] = [sane(options.grace, 5) * 1_000, sane(options.patience, 30) * 1_000];
    const fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    const [clock, page] = [options.clock ?? systemClock, options.page ?? pageOf()];
    const watcher = known ?? new Watcher(address, fetch, clock, page, grace, patience);
    const abort = () => {
      watcher.leave(caller);
      stop("aborted", says.aborted, watcher.state.task);
    };
    /** @type {Caller} */
    const caller = {
      onUpdate,
      onTrouble,
      resolve(ending) {
        signal?.removeEventListener("abort", abort);
        resolve(ending);
      },
    };
    watcher.callers.add(caller);
    signal?.addEventListener("abort", abort, { once: true });
    if (known) {
      // Of two who wait, the more patient one decides.
      watcher.state.grace = Math.max(watcher.state.grace, grace);
      watcher.state.patience = Math.max(watcher.state.patience, patience);
      const task = known.state.task;
      const late = () => known.callers.has(caller) && known.state.task === task && task && onUpdate?.(task);
      queueMicrotask(late);
    } else {
      watchers.set(address, watcher);
      watcher.send({ type: "start" });
    }
  });
}

/** @param {string | URL} url */
function absolute(url) {
  try {
    const address = new URL(url, registry.document?.baseURI ?? registry.location?.href);
    address.hash = "";
    return address.href;
  } catch {
    return null;
  }
}

/** @param {unknown} value @param {number} otherwise */
const sane = (value, otherwise) => (typeof value === "number" && value >= 0 && value < 1e9 ? value : otherwise);

// 5. The element: shows a wait, in words; what comes from the server is only ever set as text -----------------------

/** What the element says; replace entries to translate. `%` stands for what is put in. */
export const words = {
  loading: "Loading", pending: "Waiting to start", running: "Working", completed: "Done", failed: "Failed",
  cancelled: "Cancelled", unknown: "Not found", unreachable: "No answer", denied: "No access", aborted: "Stopped",
  soFar: "% so far", atMost: "at most %", after: "after %", units: ["d", "h", "min", "s"],
  leave: "You can leave this page: the work goes on without it.",
  lost: "Contact lost, trying again.",
  lostSince: "Contact lost, %. Trying again.",
  confirmed: "last confirmed %",
  cancel: "Cancel", retry: "Try again", check: "Look again", progress: "Progress", result: "Result",
  refused: "That did not work: %", offline: "there is no connection to the server",
  reasons: /** @type {Record<string, string>} */ ({
    exception: "It ran into an error.",
    timeout: "It took longer than it may, and was stopped.",
    cancelled: "Somebody stopped it.",
    worker_lost: "The process that ran it died.",
    never_started: "Nothing picked it up in time.",
    result_rejected: "It finished, but its result could not be stored.",
    enqueue_failed: "It could not be handed over to be run.",
    interrupted: "It was cut off by a restart or a new version.",
  }),
};

const css = `
:host {
  --_text: var(--settled-text, light-dark(#1b1f24, #e8eaed));
  --_back: var(--settled-surface, light-dark(#fff, #1b1f24));
  --_muted: var(--settled-muted, light-dark(#59636e, #a2abb6));
  --_line: var(--settled-border, light-dark(#d5dae0, #3b434c));
  --_good: var(--settled-good, light-dark(#167a3c, #56d17f)); --_bad: var(--settled-bad, light-dark(#b3261e, #ff8a80));
  --_accent: var(--settled-accent, light-dark(#0b62c4, #6cb0ff)); --_tone: var(--_accent);
  color-scheme: light dark; display: block; font: var(--settled-font, 400 1rem/1.45 system-ui, sans-serif);
}
:host([hidden]), [hidden] { display: none !important; }
:host([state=completed]) { --_tone: var(--_good); }
:host([state=failed]) { --_tone: var(--_bad); }
:host(:is([state=unknown], [state=unreachable], [state=denied], [state=aborted])) { --_tone: var(--_muted); }
.card {
  display: grid; gap: .6em; min-inline-size: 0; padding: .9em 1.1em; color: var(--_text); background: var(--_back);
  border: 1px solid var(--_line); border-inline-start: 4px solid var(--_tone);
  border-radius: var(--settled-radius, .6em); outline: none;
}
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1em .6em; }
.status { flex: 1 1 12em; min-inline-size: 0; }
.title { font-weight: 600; color: var(--_tone); margin-inline-end: .4em; }
.time, .note, .detail { color: var(--_muted); font-size: .9em; margin: 0; overflow-wrap: anywhere; }
.time { font-variant-numeric: tabular-nums; }
.detail { white-space: pre-wrap; max-block-size: 12em; overflow: auto; }
.progress { block-size: .45em; border-radius: 1em; overflow: hidden; background: var(--_line); }
.bar {
  position: relative; block-size: 100%; border-radius: inherit; background: var(--_tone); transition: inline-size .3s;
}
.unsure .bar { inline-size: 30%; animation: go 1.6s ease-in-out infinite alternate; }
@keyframes go { from { inset-inline-start: 0; } to { inset-inline-start: 70%; } }
.result {
  margin: 0; padding: .7em .9em; max-block-size: 24em; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .85em/1.45 ui-monospace, monospace; border-radius: .4em;
  background: color-mix(in srgb, var(--_text) 6%, transparent);
}
.button {
  justify-self: start; font: inherit; font-size: .9em; padding: .35em .9em; border-radius: .4em; cursor: pointer;
  color: inherit; background: none; border: 1px solid var(--_line);
}
.button:hover { border-color: currentColor; }
.button[aria-disabled=true] { opacity: .6; cursor: default; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) {
  .bar { transition: none; }
  .unsure .bar { animation: none; inline-size: 100%; opacity: .45; }
}
@media (forced-colors: active) { .progress { border: 1px solid; } .bar { background: Highlight; } }
`;

/** A part of the element. @param {string} tag @param {string} name @param {object} more @param {...Node} children */
function make(tag, name, more = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries({ part: name, class: name, ...more })) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Set a text only if it changes, so that a live region says it once. @param {HTMLElement} node @param {string} said */
function say(node, said) {
  if (node.textContent !== said) node.textContent = said;
  node.hidden = !said;
}

/** @param {number} ms */
function span(ms) {
  let rest = Math.max(0, Math.round(ms / 1_000));
  const parts = [86_400, 3_600, 60, 1].map((size, i) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count ? `${count} ${words.units[i]}` : "";
  });
  const first = parts.findIndex(Boolean);
  return first < 0 ? `0 ${words.units[3]}` : parts.slice(first, first + 2).filter(Boolean).join(" ");
}

/** @param {string} phrase @param {string} value */
const fill = (phrase, value) => phrase.replace("%", () => value);

/** A result as text: nothing for nothing, a string as it is, the rest as JSON. @param {unknown} result */
const shown = (result) => (result == null ? "" : text(result) || JSON.stringify(result, null, 2));

/** @param {number} instant */
const confirmedAt = (instant) =>
  fill(words.confirmed, new Date(instant).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));

const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {}); // where there is no page, a waiter

/**
 * `<settled-task src="/tasks/…" cancellable retryable>`. Tells `settled-update` (the task), `settled-end` (the ending).
 * Slots: one for each state; parts: card, status, title, message, time, progress, bar, detail, result, note, button.
 */
export class SettledTask extends Base {
  static observedAttributes = ["src", "cancellable", "retryable"];
  /** The newest answer. @type {Task | null} */ task = null;
  /** How the wait ended. @type {Ending | null} */ ending = null;
  /** Another fetch, for example one that adds a token. @type {typeof fetch | undefined} */ fetch = undefined;
  /** @type {AbortController | null} */ #wait = null;
  /** @type {any} */ #timer = null;
  /** @type {Record<string, HTMLElement>} */ #parts = {};
  #begun = 0;
  #heard = 0;
  #changed = 0;
  #busy = false;
  #lost = "";
  #confirmed = "";
  #problem = "";

  connectedCallback() {
    if (!this.shadowRoot) this.#build();
    this.#start();
  }

  disconnectedCallback() {
    this.#stop();
  }

  /** @param {string} name @param {string | null} before @param {string | null} value */
  attributeChangedCallback(name, before, value) {
    if (!this.isConnected || !this.shadowRoot || before === value) return;
    if (name === "src") this.#start();
    else this.#render();
  }

  #build() {
    const said = [make("span", "title"), make("span", "message", { dir: "auto" })];
    const status = make("div", "status", { role: "status" }, ...said);
    const head = make("div", "head", {}, status, make("span", "time", { dir: "auto" }));
    const role = { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" };
    const result = make("pre", "result", { dir: "auto", role: "region" });
    const slot = make("slot", "slot", {}, make("p", "detail", { dir: "auto" }), result);
    const button = make("button", "button", { type: "button" });
    const rest = [make("div", "progress", role, make("div", "bar")), slot, make("p", "note", { dir: "auto" }), button];
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // not a <style>: a strict content security policy allows this one
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    root.append(make("div", "card", { tabindex: "-1" }, head, ...rest));
    for (const part of root.querySelectorAll("[part]")) this.#parts[part.className] = /** @type {HTMLElement} */ (part);
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

  /** @param {string} src @param {AbortSignal} signal */
  async #watch(src, signal) {
    /** @type {Options["onUpdate"]} */
    const onUpdate = (task) => {
      if (task !== this.task) this.#heard = performance.now();
      [this.task, this.#lost, this.#confirmed] = [task, "", confirmedAt(Date.now())];
      if (!task.settled) this.#render(); // else the ending does, which follows at once
      this.#emit("settled-update", task);
    };
    /** @type {Options["onTrouble"]} */
    const onTrouble = ({ confirmed }) => {
      if (confirmed !== null) this.#confirmed = confirmedAt(confirmed);
      this.#lost = this.#confirmed ? fill(words.lostSince, this.#confirmed) : words.lost;
      this.#render();
    };
    const ending = await waitForTask(src, { signal, fetch: this.fetch, onTrouble, onUpdate });
    if (signal.aborted) return;
    this.ending = ending;
    this.#render();
    this.#emit("settled-end", ending);
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** What the one button does now, if anything. @returns {"check" | "retry" | "cancel" | null} */
  get #action() {
    const end = this.ending?.end;
    if (end === "unreachable" || end === "denied") return "check";
    if (end === "failed") return this.hasAttribute("retryable") ? "retry" : null;
    return !end && this.task && this.hasAttribute("cancellable") ? "cancel" : null;
  }

  #render() {
    const [{ task, ending }, parts, action] = [this, this.#parts, this.#action];
    /** @type {End | "pending" | "running"} */
    const state = ending?.end ?? (task?.status === "running" ? "running" : "pending");
    if (this.getAttribute("state") !== state) {
      this.setAttribute("state", state);
      this.#changed = performance.now();
    }
    const slot = state === "running" ? "pending" : state;
    parts.slot.setAttribute("name", slot);
    const own = ending && this.querySelector(`:scope > [slot="${slot}"]`); // the page says it in its own words
    const failed = state === "failed";
    /** @type {End | "pending" | "running" | "cancelled" | "loading"} */
    const title = failed && ending?.reason === "cancelled" ? "cancelled" : task || ending ? state : "loading";
    const why = failed ? (words.reasons[ending?.reason ?? ""] ?? "") : (ending?.message ?? this.#lost);
    say(parts.title, this.hasAttribute("src") ? words[title] : "");
    say(parts.message, [own ? "" : why, this.#problem].filter(Boolean).join(" "));
    say(parts.detail, failed ? (ending?.message ?? "") : ending ? "" : text(task?.progress?.message));
    say(parts.result, state === "completed" ? shown(ending?.result) : "");
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
    const { progress, bar } = this.#parts;
    const fraction = this.task?.progress?.fraction;
    const percent = typeof fraction === "number" ? String(clamp(Math.round(fraction * 100), 0, 100)) : "";
    progress.hidden = !!this.ending || !this.hasAttribute("src");
    progress.classList.toggle("unsure", !percent);
    progress.setAttribute("aria-label", words.progress);
    bar.style.inlineSize = percent && `${percent}%`;
    if (percent) progress.setAttribute("aria-valuenow", percent);
    else progress.removeAttribute("aria-valuenow");
  }

  /** Tell how long so far and at most, by the server's own instants: what this machine's clock says does not matter. */
  #tick() {
    clearTimeout(this.#timer);
    const [{ task, ending }, { time, note }] = [this, this.#parts];
    const instants = [task?.created_at, task?.finished_at, task?.settles_at];
    const [made, finished, by] = instants.map((instant) => Date.parse(instant ?? ""));
    const waited = performance.now() - this.#begun;
    const known = by - made - (seconds(task?.settles_in) ?? NaN) + performance.now() - this.#heard;
    const soFar = fill(words.soFar, span(known >= 0 ? known : waited));
    const open = by > made ? `${soFar} · ${fill(words.atMost, span(by - made))}` : soFar;
    const over = finished >= made ? fill(words.after, span(finished - made)) : this.#confirmed;
    const src = this.hasAttribute("src");
    say(time, !src ? "" : ending ? over : open);
    say(note, task && !ending && !this.#lost && waited >= 10_000 ? words.leave : "");
    if (src && !ending && this.isConnected) this.#timer = setTimeout(() => this.#tick(), 1_000);
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

  /** Return what went wrong, if anything. @param {URL} url @param {boolean} follow the new task */
  async #post(url, follow) {
    const init = { method: "POST", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15_000) };
    const answer = await (this.fetch ?? globalThis.fetch)(url, init);
    const body = parsed(await answer.text());
    if (!answer.ok) return text(body?.detail) || text(body?.title) || String(answer.status);
    const place = answer.headers.get("Location") ?? (text(body?.id) && `../${encodeURIComponent(body.id)}`);
    if (follow && place) this.setAttribute("src", new URL(place, url).href);
    return "";
  }
}

if (globalThis.customElements && !customElements.get("settled-task")) {
  customElements.define("settled-task", SettledTask);
}
