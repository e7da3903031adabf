/* {"title": "SWR, hardened", "package": "swr", "setup": "and: errors by status, onErrorRetry of its docs with 3 tries a second apart, a timeout of 2 s, `settled`", "face": "json", "gives_up": 14} */
import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";
import useSWR from "swr";

const KINDS = { 401: "denied", 403: "denied", 404: "unknown", 410: "unknown", 500: "unreachable", 502: "unreachable" };
const fetcher = async (url) => {
  const res = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  if (!res.ok) throw Object.assign(new Error("An error occurred while fetching the data."), { status: res.status });
  return res.json();
};

function Task({ url, report, every }) {
  const { data, error } = useSWR(url, fetcher, {
    refreshInterval: (data) => (data?.settled ? 0 : every * 1000),
    onErrorRetry: (error, key, config, revalidate, { retryCount }) => {
      if (error.status >= 400 && error.status < 500) return;
      if (retryCount >= 3) return;
      setTimeout(() => revalidate({ retryCount }), 1_000);
    },
  });
  const shows = error ? (KINDS[error.status] ?? "error") : data?.settled ? data.status : null;
  useEffect(() => report(shows === "completed" || !data?.settled ? shows : "failed", error?.message), [shows]);
}

export function start(url, report, { every }) {
  const root = createRoot(document.querySelector("main").appendChild(document.createElement("div")));
  root.render(createElement(Task, { url, report, every }));
  return () => root.unmount();
}
