/** What a framework shows of a wait, as one value that is replaced at every change. */

import { waitForTask, type Options } from "./wait.ts";
import type { Trouble } from "./watcher.ts";
import type { Ending, Task } from "./wire.ts";

export interface Watched<Result = unknown> {
  /** The newest answer. */
  task: Task<Result> | null;
  /** How the wait ended; null while it goes on. */
  ending: Ending<Result> | null;
  /** While nobody answers: why, and when somebody last did. */
  trouble: Trouble | null;
}
export type WatchOptions = Pick<Options, "grace" | "patience" | "fetch" | "clock" | "page">;

export const nothing: Watched<any> = { task: null, ending: null, trouble: null };

/** Watch a task and hand over each new value; return what stops it. */
export function watchTask<Result>(url: string, options: WatchOptions, set: (watched: Watched<Result>) => void) {
  const leave = new AbortController();
  let task: Task<Result> | null = null;
  waitForTask<Result>(url, {
    ...options,
    signal: leave.signal,
    onUpdate(newest) {
      task = newest;
      if (!newest.settled) set({ ...nothing, task }); // else the ending follows at once
    },
    onTrouble: (trouble) => set({ ...nothing, task, trouble }),
  }).then((ending) => leave.signal.aborted || set({ ...nothing, task: ending.task, ending }));
  return () => leave.abort();
}
