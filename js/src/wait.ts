/** `waitForTask`: resolves with how the wait ended; never rejects, never hangs. */

import { pageOf, systemClock, type Clock, type Page } from "./page.ts";
import { watch, watchers, type Caller, type Trouble } from "./watcher.ts";
import { ended, says, type Ending, type Task } from "./wire.ts";

export interface Options<Result = unknown> {
  /** Stops the wait, as `aborted`. */
  signal?: AbortSignal | undefined;
  /** Seconds to go on after the task's own deadline. */
  grace?: number | undefined;
  /** Seconds to go on if nobody ever answered; never less than `grace`. */
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
  let [last, over, wake, leave] = [null as Task<Result> | null, false, () => {}, () => {}];
  const onUpdate = (task: Task<any>) => {
    last = task;
    wake();
    options.onUpdate?.(task);
  };
  const promise = new Promise<Ending<any>>((resolve) => {
    const address = absolute(url);
    if (signal?.aborted) return resolve(ended("aborted", says.aborted, null));
    if (!address) return resolve(ended("unknown", `"${url}" is no address.`, null));
    const known = watchers.get(address);
    const [grace, patience] = [sane(options.grace, 5), sane(options.patience, 30)];
    const [clock, page] = [options.clock ?? systemClock, options.page ?? pageOf()];
    const watcher = known ?? watch(address, options.fetch ?? fetch, clock, page, grace, patience);
    const caller: Caller = { onUpdate, onTrouble, resolve };
    leave = () => {
      if (over) return;
      watcher.callers.delete(caller);
      if (!watcher.callers.size) watcher.close();
      resolve(ended("aborted", says.aborted, watcher.state.task));
    };
    watcher.callers.add(caller);
    signal?.addEventListener("abort", leave);
    if (known) {
      known.state.grace = Math.max(known.state.grace, grace);
      known.state.patience = Math.max(known.state.patience, patience);
      const task = known.state.task;
      queueMicrotask(() => task && !last && known.callers.has(caller) && onUpdate(task));
    } else {
      watchers.set(address, watcher);
      watcher.send({ type: "start" });
    }
  });
  promise.then(() => {
    over = true;
    signal?.removeEventListener("abort", leave);
    wake();
  });
  async function* states() {
    try {
      for (let told = null; !over || told !== last; )
        if (told !== last) yield (told = last as Task<Result>);
        else await new Promise<void>((woken) => (wake = woken));
    } finally {
      leave();
    }
  }
  return Object.assign(promise, { [Symbol.asyncIterator]: states });
}

function absolute(url: string | URL) {
  try {
    return new URL(url, globalThis.document?.baseURI ?? globalThis.location).href.split("#")[0]!;
  } catch {
    return null;
  }
}

/** Seconds as ms, if they make sense. */
const sane = (value: number | undefined, otherwise: number) =>
  (value! >= 0 && value! < 1e9 ? value! : otherwise) * 1_000;
