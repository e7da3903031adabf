/** `waitForTask`: resolves with how the wait ended; never rejects, never hangs. */

import { pageOf, systemClock, type Clock, type Page } from "./page.ts";
import { watch, watchers, type Caller, type Trouble } from "./watcher.ts";
import { says, type End, type Ending, type Task } from "./wire.ts";

export interface Options<Result = unknown> {
  /** Stops the wait, as `aborted`. */
  signal?: AbortSignal | undefined;
  /** Seconds to go on after the task's own deadline. */
  grace?: number | undefined;
  /** Seconds to go on if nobody ever answered. */
  patience?: number | undefined;
  onUpdate?: ((task: Task<Result>) => void) | undefined;
  onTrouble?: ((trouble: Trouble) => void) | undefined;
  fetch?: typeof fetch | undefined;
  clock?: Clock | undefined;
  page?: Page | undefined;
}
/** The ending, and by `for await` every state on the way to it; to break out of the loop is to leave the wait. */
export type Wait<Result = unknown> = Promise<Ending<Result>> & AsyncIterable<Task<Result>>;

/**
 * Wait for the task at `url`. A page that is hidden only pauses. All who wait for one address share its requests; of
 * two, the more patient one decides.
 */
export function waitForTask<Result = unknown>(url: string | URL, options: Options<Result> = {}): Wait<Result> {
  const { signal, onTrouble } = options;
  let [fresh, over, wake, leave] = [null as Task<Result> | null, false, () => {}, () => {}];
  const onUpdate = (task: Task<any>) => {
    fresh = task;
    wake();
    options.onUpdate?.(task);
  };
  const promise = new Promise<Ending<any>>((resolve) => {
    const stop = (end: End, message: string, task: Task | null = null) =>
      resolve({ end, result: null, reason: null, message, task } as Ending);
    const address = absolute(url);
    if (signal?.aborted) return stop("aborted", says.aborted);
    if (!address) return stop("unknown", `"${url}" is not the address of a task.`);
    const known = watchers.get(address);
    const [grace, patience] = [sane(options.grace, 5) * 1_000, sane(options.patience, 30) * 1_000];
    const fetch: typeof globalThis.fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    const [clock, page] = [options.clock ?? systemClock, options.page ?? pageOf()];
    const watcher = known ?? watch(address, fetch, clock, page, grace, patience);
    const caller: Caller = {
      onUpdate,
      onTrouble,
      resolve(ending) {
        signal?.removeEventListener("abort", leave);
        resolve(ending);
      },
    };
    leave = () => {
      if (over) return;
      watcher.callers.delete(caller);
      if (!watcher.callers.size) watcher.close();
      signal?.removeEventListener("abort", leave);
      stop("aborted", says.aborted, watcher.state.task);
    };
    watcher.callers.add(caller);
    signal?.addEventListener("abort", leave, { once: true });
    if (known) {
      known.state.grace = Math.max(known.state.grace, grace);
      known.state.patience = Math.max(known.state.patience, patience);
      const task = known.state.task;
      const late = () => known.callers.has(caller) && known.state.task === task && task && onUpdate(task);
      queueMicrotask(late);
    } else {
      watchers.set(address, watcher);
      watcher.send({ type: "start" });
    }
  });
  promise.then(() => {
    over = true;
    wake();
  });
  async function* states() {
    try {
      while (fresh || !over) {
        const task = fresh;
        fresh = null;
        if (task) yield task;
        else await new Promise<void>((woken) => (wake = woken));
      }
    } finally {
      leave();
    }
  }
  return Object.assign(promise, { [Symbol.asyncIterator]: states });
}

export function absolute(url: string | URL) {
  try {
    const address = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
    address.hash = "";
    return address.href;
  } catch {
    return null;
  }
}

const sane = (value: number | undefined, otherwise: number) =>
  typeof value === "number" && value >= 0 && value < 1e9 ? value : otherwise;
