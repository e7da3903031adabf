/** The machine: what to do next, from what is known and what just happened. Pure: no I/O, and the clock is an argument. */

import { clamp, ended, says, seconds, text, type End, type Ending, type Heard, type Task } from "./wire.ts";

/** `held`: how many other requests of the page a server holds; `crowd`: how many waits there are. */
export interface Moment {
  now: number; // monotonic
  wall: number; // the time of day
  random: number;
  hidden: boolean;
  offline: boolean;
  held: number;
  crowd: number;
}

export type Event = { type: "start" } | { type: "tick" } | { type: "page"; back: boolean } | Heard;
/** `wait`: whole seconds for which the server is asked to hold it, 0 for none; `stream`: or to tell as it goes on. */
export interface Look {
  do: "look";
  wait: number;
  stream: boolean;
  first: boolean;
  etag: string | null;
  manual: boolean;
}
export type Action = { do: "keep" | "sleep" } | { do: "end"; verdict: Ending } | Look;
export type Decision = [State, Action];

const HOLD = 20_000; //    the longest a server is asked to hold a request: below the idle limits of proxies
const ANSWER = 10_000; //  what an answer may take beyond that, its body included
const SILENCE = 35_000; // what a stream may be silent: more than two keep-alives of ours
const STALE = 60_000; //   a stream that goes on for so long is checked by a look
const LAST = 3_000; //     what the last look gets, at the least
const LAG = 3_000; //      for so long a replica may not know a task that was just submitted
const SLOWEST = 30_000; // no retry_after, however absurd, puts a look off for longer
const TICK = 5_000; //     how often the clocks are compared, to notice a sleep
const SKEW = 2_000; //     clocks that differ by more have slept, or have been set
const HELD = 3; //         how many requests of one page are held at once: browsers have six connections for a site
const CROWD = 30; //       of so many waits on a page each polls as often as it may; of more, the less often
const SPARES = 5; //       how often in all a verdict is put off for a fresh look, so that nothing does so for ever

/** What a wait knows; instants and spans in ms of the monotonic clock, but for `wall` and `confirmed`. */
export interface State {
  grace: number;
  patience: number;
  start: number;
  now: number; // of the last step, as is `wall`
  wall: number;
  due: number; // when it is time for the next step
  expected: number; // when the clocks are read next
  deadline: number | null; // the task's own
  latest: number; // what `deadline` is never moved beyond
  freshFrom: number; // a verdict needs a look that began later
  spares: number;
  flying?: boolean; // a request is under way; the next four are about it
  lookedAt: number;
  wait?: number;
  alive?: boolean;
  plain: boolean; // the next look is not to be held
  holds?: boolean; // whether the server holds requests; not known at first
  streams: boolean; // whether to ask for a stream
  polls: number;
  errors: number;
  why?: string;
  manual?: boolean;
  redirects?: boolean;
  missingSince?: number; // 0: it is not
  confirmed: number | null; // when somebody last answered
  task: Task | null;
  etag?: string | null;
}

/** The state of a wait that begins now. */
export const begin = ({ now, wall }: Moment, grace: number, patience: number): State => ({
  ...{ grace, patience, start: now, now, wall, due: Infinity, expected: Infinity, deadline: null, latest: Infinity },
  ...{ freshFrom: now, spares: SPARES, lookedAt: -Infinity, plain: true, streams: true, polls: 0, errors: 0 },
  ...{ confirmed: null, task: null },
});

/** Return the next state and the one thing to do. */
export function decide(before: State, event: Event, at: Moment): Decision {
  const s = { ...before };
  const { type } = event;
  const suspect = compareClocks(s, at);
  if (type === "start") return next(s, at, 0);
  if (type === "page") {
    const young = s.flying && !suspect && at.now - s.lookedAt < 1_000;
    if (!event.back || young) return go(s, at, { do: "keep" });
    refresh(s, at);
    return next(s, at, 0);
  }
  if (type === "tick") {
    if (!suspect && at.now < s.due) return go(s, at, { do: "keep" });
    if (!s.flying || suspect) return next(s, at, 0);
    // Something in between keeps the stream back, or the held answer: do without the one, then without the other.
    if (s.wait && !s.alive) s.streams ? (s.streams = false) : (s.holds = false);
    return troubled(s, at, "no answer came in time");
  }
  if (type === "alive") return alive(s, at, suspect || at.now - s.lookedAt > STALE);
  if (type === "news") return news(s, at, event.task) ?? alive(s, at, suspect || at.hidden);
  s.flying = false;
  if (type === "answer") return answered(s, at, event);
  if (type === "same") return s.task ? answered(s, at, null) : troubled(s, at, says.nonsense);
  if (type === "cut") return cut(s, at);
  if (type === "over") return over(s, event.end, event.why);
  if (type === "missing") return missing(s, at);
  if (type === "redirect") {
    s.redirects = true;
    return troubled(s, at, says.nonsense);
  }
  // A redirect to another site looks like a dead network; the look that followed none has told them apart.
  if (event.network && s.redirects) return over(s, "denied", says.signedOut);
  [s.manual, s.redirects] = [!!event.network, false];
  if (s.wait && event.network) s.holds = false;
  return troubled(s, at, event.why, event.retryAfter);
}

/** Whether this machine seems to have slept, been frozen, or been set to another time since the last step. */
function compareClocks(s: State, at: Moment) {
  const slept = at.wall - s.wall - (at.now - s.now);
  const suspect = Math.abs(slept) > SKEW || at.now > s.expected + TICK;
  [s.now, s.wall] = [at.now, at.wall];
  if (suspect) refresh(s, at);
  // Asleep, or only set to another time? Nobody can tell, so the server gets `patience` to answer afresh.
  if (slept > SKEW && s.deadline !== null)
    s.deadline = Math.min(s.deadline, Math.max(s.deadline - slept, at.now + s.patience));
  return suspect;
}

/** Ask for a look that begins now or later before any verdict. */
function refresh(s: State, at: Moment) {
  s.plain = true;
  if (at.hidden || at.now < bound(s) || s.spares-- > 0) s.freshFrom = at.now;
}

/** When this wait gives up, unless somebody answers. */
function bound(s: State) {
  const { start, patience, grace, deadline } = s;
  return deadline === null ? start + Math.max(patience, grace) : deadline + grace;
}

/** When a look is given up at the latest: one that begins before the promise leaves time for the look after it. */
function close(s: State, at: Moment) {
  return bound(s) - (at.now < bound(s) - s.grace ? LAST + 500 : 0);
}

/** The stream lives; `doubtful`: but a fresh look is due. */
function alive(s: State, at: Moment, doubtful: boolean): Decision {
  if (doubtful) {
    s.plain = true;
    return next(s, at, 0);
  }
  s.alive = true;
  s.errors = 0;
  s.confirmed = at.wall;
  if (close(s, at) > at.now) s.due = Math.min(at.now + SILENCE, close(s, at));
  return go(s, at, { do: "keep" });
}

/** A stream that lasted is taken up again after a look; one that did not is no use. */
function cut(s: State, at: Moment) {
  s.plain = true;
  if (at.now - s.lookedAt < 1_000) s.holds = false;
  return s.alive ? next(s, at, 250 + 1_000 * at.random) : troubled(s, at, says.offline);
}

/** `task` null: all is as it was. */
function news(s: State, at: Moment, task: Task | null): Decision | undefined {
  s.plain = s.manual = s.redirects = false;
  s.errors = 0;
  s.missingSince = 0;
  s.confirmed = at.wall;
  s.task = task ?? s.task;
  if (task?.settled) return settled(s, task);
  told(s, at, task?.settles_in);
  return;
}

function answered(s: State, at: Moment, heard: { task: Task; etag: string | null } | null): Decision {
  const took = at.now - s.lookedAt;
  const changed = heard && gist(heard.task) !== gist(s.task);
  const end = news(s, at, heard && heard.task);
  if (end) return end;
  if (heard) s.etag = heard.etag;
  if (s.wait && (took >= 1_000 || !changed)) s.holds = took >= 1_000;
  if (s.holds !== false && hold(s, at)) return next(s, at, Math.max(0, 250 - took));
  const asked = seconds(s.task?.retry_after) ?? Math.min(1_000 * 1.5 ** s.polls, 5_000);
  s.polls += 1;
  return next(s, at, clamp(asked, 500, SLOWEST) * (1 + at.random / 5) * Math.max(1, at.crowd / CROWD));
}

/**
 * Every answer bounds the same instant, so a later one may move it only a little (clocks drift): else a server that
 * promises "in a minute" for ever would keep a page for ever.
 */
function told(s: State, at: Moment, settlesIn: unknown) {
  const left = seconds(settlesIn);
  if (left === null) return;
  if (s.latest === Infinity) s.latest = at.now + left * 1.1;
  s.deadline = left > 0 ? Math.min(at.now + left, s.latest) : Math.min(s.deadline ?? at.now, at.now);
}

function troubled(s: State, at: Moment, why: string, retryAfter?: unknown): Decision {
  const backoff = Math.min(500 * 2 ** s.errors, 10_000) * (0.5 + at.random / 2);
  s.errors += 1;
  s.why = why;
  s.plain = true;
  s.missingSince = 0;
  return next(s, at, Math.max(backoff, clamp(seconds(retryAfter) ?? 0, 0, SLOWEST)));
}

function missing(s: State, at: Moment): Decision {
  s.missingSince ||= at.now;
  if (s.task || at.now - s.missingSince >= LAG) return over(s, "unknown", says.missing);
  return next(s, at, Math.min(500 + 500 * at.random, s.missingSince + LAG - at.now));
}

/** Look after so many ms, unless this is the end, or the page sleeps. */
function next(s: State, at: Moment, delay: number): Decision {
  s.flying = false;
  if (at.hidden) return sleep(s, at, Infinity);
  const away = at.offline && s.errors > 0; // a look has confirmed it: `onLine` alone is often wrong
  const end = bound(s) + (away ? s.patience : 0);
  const promise = bound(s) - s.grace;
  if (at.now >= end && s.lookedAt >= Math.max(s.freshFrom, promise)) return verdict(s);
  if (delay && away && at.now < end) {
    s.lookedAt = -Infinity; // what was seen before the pause does not count at its end
    return sleep(s, at, end - at.now);
  }
  const pause = Math.min(delay, (at.now < promise ? promise + 250 : end) - at.now);
  return pause > 0 ? sleep(s, at, pause) : look(s, at);
}

function look(s: State, at: Moment): Decision {
  const wait = hold(s, at);
  const first = s.lookedAt === -Infinity && !s.errors;
  const room = Math.min(wait * 1_000 + ANSWER, Math.max(LAST, close(s, at) - at.now));
  s.flying = true;
  s.alive = false;
  s.wait = wait;
  s.lookedAt = at.now;
  s.due = at.now + room;
  // After trouble and on return, plainly: an answer at once, and no header that a foreign server might refuse.
  const etag = (!s.plain && s.etag) || null;
  const stream = s.streams && wait > 0;
  const manual = !!s.manual && !s.redirects;
  return go(s, at, { do: "look", wait, stream, first, etag, manual });
}

/** Whole seconds for which to ask the server to hold the request; 0 for a plain look. */
function hold(s: State, at: Moment) {
  if (s.plain || at.held >= HELD || (s.holds === false && s.polls % 5 !== 4)) return 0; // tried again now and then
  return Math.floor(clamp((s.deadline ?? bound(s)) - at.now, 0, HOLD) / 1_000);
}

function sleep(s: State, at: Moment, ms: number): Decision {
  s.due = at.now + ms;
  return go(s, at, { do: "sleep" });
}

/** Note when the clocks are read next: a late reading tells of a freeze. */
function go(s: State, at: Moment, action: Action): Decision {
  s.expected = s.due === Infinity ? Infinity : Math.min(s.due, at.now + TICK);
  return [s, action];
}

function settled(s: State, { status, result, error }: Task): Decision {
  if (status === "completed") return over(s, "completed", "", result ?? null);
  // Any other word: whoever says it, it is not a success.
  const message = text(error?.message) || `The task ended as "${text(status) || "failed"}".`;
  return over(s, "failed", message, null, text(error?.reason) || null);
}

function verdict(s: State): Decision {
  if (s.missingSince) return over(s, "unknown", says.missing);
  if (!s.errors) return over(s, "unreachable", s.deadline === null ? says.endless : says.broken);
  return over(s, "unreachable", `Nobody answered in time: ${s.why}. The task may have gone on.`);
}

function over(s: State, end: End, message: string, result?: unknown, reason?: string | null): Decision {
  return [s, { do: "end", verdict: ended(end, message, s.task, result, reason) }];
}

/** What of a task is worth telling at once. */
const gist = (task: Task | null) => JSON.stringify([task?.status, task?.attempt, task?.progress]);
