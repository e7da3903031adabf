/** One request, told as one event; or, if the server streams, as several. */

import type { Look } from "./machine.ts";
import { says, understood, type Heard } from "./wire.ts";
import { listen } from "./stream.ts";

/** Never rejects; ends with `signal` at the latest. `tell` hears what a stream tells while it goes on. */
export async function ask(
  url: string, look: Look, fetch: typeof globalThis.fetch, signal: AbortSignal, tell: (heard: Heard) => void,
): Promise<Heard> {
  try {
    const { wait, stream, etag, first, manual } = look;
    const headers = {
      Accept: `${stream ? "text/event-stream, " : ""}application/json`,
      ...(wait && { Prefer: `wait=${wait}` }),
      ...(etag && { "If-None-Match": etag }),
    };
    // The first look may find a settled task in the browser's cache; all others must reach the server.
    const cache = first ? "default" : "no-store";
    const answer = await fetch(url, { headers, signal, cache, redirect: manual ? "manual" : "follow" });
    const { ok, body, headers: told } = answer;
    if (/event-stream/.test(told.get("Content-Type")!)) return await listen(body!, tell);
    const content = ok ? await answer.text() : void body?.cancel().catch(() => {});
    return understood(answer, content ?? "", url);
  } catch {
    return { type: "trouble", why: says.offline, network: true };
  }
}
