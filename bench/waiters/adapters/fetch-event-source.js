/* {"title": "fetch-event-source", "package": "@microsoft/fetch-event-source", "setup": "onmessage alone", "face": "events"} */
import { fetchEventSource } from "@microsoft/fetch-event-source";

export function start(url, report) {
  const ctrl = new AbortController();
  fetchEventSource(url, {
    signal: ctrl.signal,
    onmessage(msg) {
      const { status } = JSON.parse(msg.data);
      if (status === "completed" || status === "failed") {
        ctrl.abort();
        report(status);
      }
    },
  });
  return () => ctrl.abort();
}
