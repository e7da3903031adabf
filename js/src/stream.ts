/** Server-sent events, as far as a wait needs them: whatever comes is a sign of life, data is news. */

import { parsed, type Heard } from "./wire.ts";

/** Tell what comes until the stream ends, or is cut. */
export async function listen(body: ReadableStream<Uint8Array>, tell: (heard: Heard) => void): Promise<Heard> {
  const reader = body.pipeThrough<string>(new TextDecoderStream() as any).getReader();
  let [rest, data] = ["", ""];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      tell({ type: "alive" });
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("data:")) data += line.slice(5);
        else if (!line && data) {
          const task = parsed(data);
          if (typeof task?.settled === "boolean") tell({ type: "news", task });
          data = "";
        }
      }
    }
  } catch {
    // cut in the middle: the same to us
  }
  return { type: "cut" };
}
