// A real React app around useTask, bundled by the test in tests/browser/test_frameworks.py.
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useTask } from "../src/react.ts";

function Shown({ url }) {
  const { task, ending, trouble } = useTask(url);
  const said = ending ? `${ending.end}: ${ending.result}` : task ? `${task.status} ${task.progress?.message}` : "nothing";
  return h("output", { id: "said" }, trouble ? `lost, ${said}` : said);
}

function App() {
  const [url, setUrl] = useState(new URLSearchParams(location.search).get("src"));
  window.setUrl = setUrl;
  return url === "" ? h("output", { id: "said" }, "unmounted") : h(Shown, { url });
}

createRoot(document.body.appendChild(document.createElement("main"))).render(h(StrictMode, null, h(App)));
