/* {"title": "SWR", "package": "swr", "setup": "useSWR with refreshInterval", "face": "json", "gives_up": 14} */
import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";
import useSWR from "swr";

const OVER = ["completed", "failed"];
const fetcher = (...args) => fetch(...args).then((res) => res.json());

function Task({ url, report, every }) {
  const { data, error } = useSWR(url, fetcher, {
    refreshInterval: (data) => (OVER.includes(data?.status) ? 0 : every * 1000),
  });
  const shows = error ? "error" : OVER.includes(data?.status) ? data.status : null;
  useEffect(() => report(shows, error?.message), [shows]);
}

export function start(url, report, { every }) {
  const root = createRoot(document.querySelector("main").appendChild(document.createElement("div")));
  root.render(createElement(Task, { url, report, every }));
  return () => root.unmount();
}
