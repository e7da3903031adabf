/* {"title": "<settled-task>", "package": "settled", "setup": "as it comes: grace 5 s, patience 30 s", "face": "stream", "gives_up": 42} */
import "/settled.js";

export function start(url, report) {
  const element = document.createElement("settled-task");
  element.setAttribute("src", url);
  element.addEventListener("settled-end", ({ detail }) => report(detail.end, detail.message));
  document.querySelector("main").append(element);
  return () => element.remove();
}
