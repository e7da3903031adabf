/** `lookUp`: the latest values of many keys, by one request for all of them, until nothing is under way. */

import { waitForTask, type Options } from "./wait.ts";
import { ended, parsed, text, type Ending } from "./wire.ts";

/** A key as the server tells it; of one that it refuses only `asked` and `error`, a problem document. */
export interface Latest<Value = unknown> {
  name?: string;
  key?: string;
  found?: boolean;
  value?: Value | null;
  got_at?: string | null;
  age?: number | null;
  stale?: boolean;
  last_error?: { reason: string; message: string; type: string | null; at: string | null } | null;
  failures?: number;
  retry_in?: number;
  refreshing?: boolean;
  task?: string | null;
  settles_in?: number;
  settled?: boolean;
  asked?: string;
  error?: { status?: number; title?: string; detail?: string };
}

type Waiting = Pick<Options, "signal" | "grace" | "patience" | "onTrouble" | "fetch" | "clock" | "page">;
export interface LookOptions<Value = unknown> extends Waiting {
  /** What the first request that is answered may start; all later ones only look. */
  refresh?: "auto" | "never" | "force" | undefined;
  /** Called with the keys as they stand, in the order asked, at every answer. */
  onItems?: ((items: Latest<Value>[]) => void) | undefined;
}

let lookups = 0;

/**
 * Ask `url`, which is `/latest/NAME`, for `keys`, and wait until no refresh of them is under way: `completed` with
 * all of them in the order asked. Whoever waits starts nothing. A refusal of the whole list ends as `denied`, with
 * the server's words.
 */
export async function lookUp<Value = unknown>(
  url: string | URL, keys: readonly string[], options: LookOptions<Value> = {},
): Promise<Ending<Latest<Value>[]>> {
  const { signal, onItems, fetch: send = fetch } = options;
  let [refresh, refused, items] = [options.refresh ?? "auto", "", [] as Latest<Value>[]];
  const leave = new AbortController();
  const stop = () => leave.abort();
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });

  async function ask(_: unknown, init: RequestInit = {}) {
    const headers = { ...init.headers, "Content-Type": "application/json" };
    const answer = await send(url, { ...init, headers, method: "POST", body: JSON.stringify({ keys, refresh }) });
    if (!/json/.test(answer.headers.get("Content-Type")!)) return answer;
    const told = parsed(await answer.text());
    if ([400, 404, 413, 422].includes(answer.status)) {
      refused = text(told?.detail) || text(told?.title) || `Refused: ${answer.status}.`;
      leave.abort();
    }
    if (!answer.ok || !Array.isArray(told?.items)) return new Response(null, answer);
    refresh = "never";
    items = told.items;
    if (!leave.signal.aborted) onItems?.(items);
    return new Response(JSON.stringify(taskOf(told)), { headers: answer.headers });
  }

  const place = `${url}`.replace(/[?#].*/, "");
  const ending = await waitForTask(`${place}?lookup=${++lookups}`, { ...options, fetch: ask, signal: leave.signal });
  signal?.removeEventListener("abort", stop);
  if (refused) return ended("denied", refused, ending.task);
  return (ending.end === "completed" ? { ...ending, result: items } : ending) as Ending<any>;
}

/** The list as a task, which is what a wait knows. */
function taskOf({ items, settled, settles_in, retry_after }: any) {
  const over = items.filter((item: Latest) => item.error ?? item.settled).length;
  const status = settled ? "completed" : "running";
  return { settled, status, settles_in, retry_after, progress: { fraction: over / items.length } };
}
