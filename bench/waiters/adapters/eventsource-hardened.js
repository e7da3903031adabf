/* {"title": "EventSource, hardened", "setup": "and: readyState is looked at on errors; `settled`", "face": "events"} */
export function start(url, report) {
  const source = new EventSource(url);
  source.onmessage = (event) => {
    const { settled, status } = JSON.parse(event.data);
    if (!settled) return;
    source.close();
    report(status === "completed" ? status : "failed");
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) report("error", "the browser gave up");
  };
  return () => source.close();
}
