/** What crosses the wire: the shapes, and what an answer means. Pure; seconds on the wire, milliseconds inside. */

/** A task as the server tells it. `settled` and `settles_in` are all that a wait counts on. */
export interface Task<Result = unknown> {
  settled: boolean;
  id?: string;
  name?: string;
  status?: string;
  result?: Result | null;
  error?: { reason?: string; message?: string; type?: string | null } | null;
  progress?: { fraction?: number | null; message?: string | null } | null;
  attempt?: number;
  max_attempts?: number;
  created_at?: string;
  started_at?: string | null;
  finished_at?: string | null;
  settles_at?: string;
  settles_in?: number;
  retry_after?: number;
}

/** How a wait ends; there is no seventh. The first two are the job's own, the others are the watcher's. */
export type End = "completed" | "failed" | "unknown" | "unreachable" | "denied" | "aborted";
type Told<Result> = { task: Task<Result>; reason: string | null; message: string };
type Untold<Result> = { result: null; reason: null; message: string; task: Task<Result> | null };
export type Ending<Result = unknown> =
  /** The job is done. */
  | (Told<Result> & { end: "completed"; result: Result; reason: null })
  /** The job failed, and says why. */
  | (Told<Result> & { end: "failed"; result: null })
  /** The watcher knows no more of the job than `task`, the last that it heard. */
  | (Untold<Result> & { end: "unknown" | "unreachable" | "denied" | "aborted" });

export const ended = (end: End, message: string, task: Task | null, result: unknown = null, reason: string | null = null) =>
  ({ end, result, reason, message, task }) as Ending<any>;

/** What one request has brought. `news` and `alive` come while a stream goes on, all others end their request. */
export type Heard =
  | { type: "answer"; task: Task; etag: string | null }
  | { type: "news"; task: Task }
  | { type: "alive" }
  | { type: "same" }
  | { type: "redirect" }
  | { type: "missing" }
  | { type: "cut" }
  | { type: "over"; end: End; why: string }
  | { type: "trouble"; why: string; network?: boolean; retryAfter?: unknown };

export const says = {
  missing: "There is no such task, or you may not see it.",
  pruned: "It is gone: tasks are kept only for a while (pruned).",
  signedOut: "You are not signed in, or were signed out. Sign in, then look again.",
  forbidden: "You are not allowed to see it.",
  aborted: "The wait was stopped.",
  endless: "The server does not say by when it settles.",
  broken: "It has not settled by the time that was promised.",
  offline: "there is no connection to the server",
  nonsense: "the answer made no sense",
};

/** What an answer without a stream means. */
export function understood({ ok, status, type, redirected, headers, url: from }: Response, body: string, url: string): Heard {
  const task = parsed(body);
  const over = (end: End, why: string): Heard => ({ type: "over", end, why });
  if (typeof task?.settled === "boolean") return { type: "answer", task, etag: headers.get("ETag") };
  if (status === 304) return { type: "same" };
  if (type === "opaqueredirect" || /^3/.test(`${status}`)) return { type: "redirect" };
  if (status === 401) return over("denied", says.signedOut);
  if (status === 403) return over("denied", says.forbidden);
  if (status < 500 && status !== 429 && redirected && bare(from) !== bare(url)) return over("denied", says.signedOut);
  if (status === 410 || status === 204) return over("unknown", says.pruned);
  if ([404, 400, 422].includes(status)) return { type: "missing" };
  if (body && /\bhtml\b/i.test(headers.get("Content-Type") ?? "")) return over("denied", says.signedOut);
  const why = ok ? says.nonsense : `the server answered ${status}`;
  return { type: "trouble", why, retryAfter: headers.get("Retry-After") };
}

const bare = (url: string) => url.replace(/^\w+:|\/?([?#].*)?$/g, "");

export function parsed(body: string): any {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** Seconds on the wire as milliseconds, or null if they make no sense. */
export function seconds(value: unknown) {
  const number = typeof value === "number" || text(value).trim() ? +value! : NaN;
  return Number.isFinite(number) ? Math.max(0, number * 1_000) : null;
}

export const clamp = (n: number, low: number, high: number) => Math.min(Math.max(n, low), high);

export const text = (value: unknown) => (typeof value === "string" ? value : "");
