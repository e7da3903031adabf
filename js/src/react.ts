/** `useTask(url)`: the state of a wait, for React. The wait ends with the component, or when `url` changes. */

import { useEffect, useState } from "react";
import { nothing, watchTask, type Watched, type WatchOptions } from "./watching.ts";

/** `url` may be null while there is no task. Of `options` those of the first render with this `url` count. */
export function useTask<Result = unknown>(url: string | null | undefined, options: WatchOptions = {}): Watched<Result> {
  const [state, set] = useState<{ url?: string; watched: Watched<Result> }>({ watched: nothing });
  useEffect(() => (url ? watchTask<Result>(url, options, (watched) => set({ url, watched })) : undefined), [url]);
  return state.url === url ? state.watched : nothing; // never another task's state, not for one frame
}

export type { Watched } from "./watching.ts";
