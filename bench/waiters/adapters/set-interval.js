/* {"title": "setInterval", "setup": "the pattern by hand, as it is mostly written", "face": "json"} */
export function start(url, report, { every }) {
  const timer = setInterval(async () => {
    const response = await fetch(url);
    const task = await response.json();
    if (task.status === "completed" || task.status === "failed") {
      clearInterval(timer);
      report(task.status);
    }
  }, every * 1000);
  return () => clearInterval(timer);
}
