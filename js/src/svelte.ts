/** `taskStore(url)`: the state of a wait as a Svelte store (`$task`). It waits while somebody is subscribed. */

import { nothing, watchTask, type Watched, type WatchOptions } from "./watching.ts";

export const taskStore = <Result = unknown>(url: string, options: WatchOptions = {}) => ({
  subscribe(run: (watched: Watched<Result>) => void) {
    run(nothing);
    return watchTask<Result>(url, options, run);
  },
});

export type { Watched } from "./watching.ts";
