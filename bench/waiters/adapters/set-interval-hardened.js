/* {"title": "setInterval, hardened", "setup": "and: response.ok, catch, which end it", "face": "json"} */
export function start(url, report, { every }) {
  const timer = setInterval(async () => {
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const task = await response.json();
      if (task.status === "completed" || task.status === "failed") {
        clearInterval(timer);
        report(task.status);
      }
    } catch (error) {
      clearInterval(timer);
      report("error", error.message);
    }
  }, every * 1000);
  return () => clearInterval(timer);
}
