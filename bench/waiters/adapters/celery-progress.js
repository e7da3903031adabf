/* {"title": "celery-progress", "package": "celery-progress", "setup": "initProgressBar with its handlers", "face": "celery", "gives_up": 9} */
import { CeleryProgressBar } from "celery-progress";

export function start(url, report, { every }) {
  const shows = (end) => (_bar, _message, told) => report(end, JSON.stringify(told));
  CeleryProgressBar.initProgressBar(url, {
    progressBarElement: document.createElement("div"),
    progressBarMessageElement: document.createElement("div"),
    pollInterval: every * 1000,
    onProgress: (_bar, _message, { percent }) => percent < 100 && report(null),
    onSuccess: shows("completed"),
    onTaskError: shows("failed"),
    onError: shows("error"), // of the network, of HTTP, of the data
  });
  // It has no way to be stopped.
}
