/** `useTask(url)`: the state of a wait, for Vue. The wait ends with the scope, or when `url` changes. */

import { shallowRef, toValue, watchEffect, type MaybeRefOrGetter, type ShallowRef } from "vue";
import { nothing, watchTask, type Watched, type WatchOptions } from "./watching.ts";

export function useTask<Result = unknown>(
  url: MaybeRefOrGetter<string | null | undefined>, options: WatchOptions = {},
): Readonly<ShallowRef<Watched<Result>>> {
  const watched = shallowRef<Watched<Result>>(nothing);
  watchEffect((onCleanup) => {
    const address = toValue(url);
    watched.value = nothing;
    if (address) onCleanup(watchTask<Result>(address, options, (now) => (watched.value = now)));
  });
  return watched;
}

export type { Watched } from "./watching.ts";
