/** `submitAndWait`: submit once, however often it is clicked or has to be sent, and wait. */

import { memory } from "./memory.ts";
import { waitForTask, type Options, type Wait } from "./wait.ts";
import { clamp, ended, parsed, says, seconds, text, type End, type Ending } from "./wire.ts";

export interface SubmitOptions<Result = unknown> extends Options<Result> {
  method?: string | undefined;
  headers?: HeadersInit | undefined;
  /** The idempotency key; without it one is made for this call. */
  key?: string | undefined;
  /** A name under which this tab remembers the task until it ends, so that `resume` finds it after a reload. */
  remember?: string | undefined;
}

const TRY = 15_000; // what one sending may take
type Found = string | Ending<any>;
interface Job {
  found: Promise<Found>;
  /** Who still wants it: when all have left, it is not sent again. */
  wanted: number;
}
const jobs = new Map<unknown, Job>();

/**
 * POST `body` (an object as JSON; a form or a string as it is) to `url`, and wait for the task that is answered.
 * While one is under way the same again joins it: a double click is one task. A sending that fails is repeated with
 * the same `Idempotency-Key`, for `patience` seconds. A refusal (4xx) ends as `denied`, with the server's words.
 */
export async function submitAndWait<Result = unknown>(
  url: string | URL, body?: unknown, options: SubmitOptions<Result> = {},
): Promise<Ending<Result>> {
  const { signal, remember: name } = options;
  const json = body?.constructor === Object || Array.isArray(body);
  const sent = (json ? JSON.stringify(body) : body) as BodyInit | undefined;
  // Alike: the same key or, without one, the same text to the same address; of a form, the same object.
  const same = Object(sent) === sent ? sent : `${options.key ?? sent} ${url}`;
  const job: Job = jobs.get(same) ?? { found: Promise.resolve(""), wanted: 0 };
  job.wanted += 1;
  if (job.wanted === 1) {
    jobs.set(same, job);
    job.found = submit(url, sent, json, options, job);
  }
  try {
    const found = await Promise.race([job.found, aborted(signal)]);
    if (typeof found !== "string") return found;
    if (name) memory(name, found);
    const ending = await waitForTask<Result>(found, options);
    if (name) forget(name, found, ending);
    return ending;
  } finally {
    job.wanted -= 1;
    if (!job.wanted && jobs.get(same) === job) jobs.delete(same);
  }
}

/** Wait on for the task that this tab remembers by `name`; null if there is none. */
export function resume<Result = unknown>(name: string, options: Options<Result> = {}): Wait<Result> | null {
  const url = memory(name);
  if (!url) return null;
  const wait = waitForTask<Result>(url, options);
  wait.then((ending) => forget(name, url, ending));
  return wait;
}

function forget(name: string, url: string, { end }: Ending<any>) {
  if (end !== "aborted" && end !== "unreachable" && memory(name) === url) memory(name, null);
}

const aborted = (signal?: AbortSignal) =>
  new Promise<Ending<any>>((resolve) => {
    const stop = () => resolve(lost("aborted", says.aborted));
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });

const lost = (end: End, message: string) => ended(end, message, null);

/** Send until it is answered; return the task's address, or why there is none. */
async function submit(
  url: string | URL, body: BodyInit | undefined, json: boolean, options: SubmitOptions<any>, job: Job,
): Promise<Found> {
  const headers = new Headers(options.headers);
  if (json) headers.set("Content-Type", "application/json");
  headers.set("Accept", "application/json");
  headers.set("Idempotency-Key", options.key ?? chance());
  const send = options.fetch ?? fetch;
  const until = performance.now() + (options.patience ?? 30) * 1_000;
  for (let pause = 500, why = says.offline; ; pause = Math.min(pause * 2, 8_000)) {
    let asked = 0;
    try {
      const init = { method: options.method ?? "POST", headers, body: body ?? null, signal: AbortSignal.timeout(TRY) };
      const answer = await send(url, init);
      const told = parsed(await answer.text());
      const { status } = answer;
      const location = answer.headers.get("Location");
      if (answer.ok && location) return new URL(location, answer.url || document.baseURI).href;
      if (status < 500 && status !== 429) {
        const words = text(told?.detail) || text(told?.title);
        return lost("denied", answer.ok ? "It was accepted, but no task was named." : words || `Refused: ${status}.`);
      }
      why = `the server answered ${status}`;
      asked = seconds(answer.headers.get("Retry-After")) ?? 0;
    } catch {
      why = says.offline;
    }
    const delay = Math.max(pause * (0.5 + Math.random() / 2), clamp(asked, 0, 30_000));
    if (!job.wanted || performance.now() + delay >= until)
      return lost("unreachable", `It could not be submitted: ${why}.`);
    await new Promise((done) => setTimeout(done, delay));
  }
}

const chance = () => [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");
