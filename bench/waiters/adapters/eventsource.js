/* {"title": "EventSource", "setup": "the browser's own; onmessage, closed by the last word", "face": "events"} */
export function start(url, report) {
  const source = new EventSource(url);
  source.onmessage = (event) => {
    const { status } = JSON.parse(event.data);
    if (status === "completed" || status === "failed") {
      source.close();
      report(status);
    }
  };
  source.onerror = (err) => console.error("EventSource failed:", err);
  return () => source.close();
}
