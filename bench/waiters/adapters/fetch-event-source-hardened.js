/* {"title": "fetch-event-source, hardened", "package": "@microsoft/fetch-event-source", "setup": "and: onopen, onclose, onerror of its README: 4xx is fatal; `settled`", "face": "events"} */
import { EventStreamContentType, fetchEventSource } from "@microsoft/fetch-event-source";

class RetriableError extends Error {}
class FatalError extends Error {}
const KINDS = { 401: "denied", 403: "denied", 404: "unknown", 410: "unknown" };

export function start(url, report) {
  const ctrl = new AbortController();
  fetchEventSource(url, {
    signal: ctrl.signal,
    async onopen(response) {
      if (response.ok && response.headers.get("content-type") === EventStreamContentType) return;
      if (response.status >= 400 && response.status < 500 && response.status !== 429)
        throw Object.assign(new FatalError(response.statusText), { status: response.status });
      throw new RetriableError();
    },
    onmessage(msg) {
      const { settled, status } = JSON.parse(msg.data);
      if (!settled) return;
      ctrl.abort();
      report(status === "completed" ? status : "failed");
    },
    onclose() {
      throw new RetriableError(); // the server has closed it before the last word
    },
    onerror(err) {
      if (err instanceof FatalError) throw err; // rethrow to stop
    },
  }).catch((err) => report(KINDS[err.status] ?? "error", err.message));
  return () => ctrl.abort();
}
