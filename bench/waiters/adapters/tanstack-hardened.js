/* {"title": "TanStack Query, hardened", "package": "@tanstack/react-query", "setup": "and: no retry of 4xx, a timeout of 2 s, no refetch after an error, `settled`", "face": "json", "gives_up": 20} */
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";

const KINDS = { 401: "denied", 403: "denied", 404: "unknown", 410: "unknown", 500: "unreachable", 502: "unreachable" };
const client = new QueryClient();

function Task({ url, report, every }) {
  const { data, error } = useQuery({
    queryKey: [url],
    queryFn: async ({ signal }) => {
      const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) });
      if (!response.ok) throw Object.assign(new Error(response.statusText), { status: response.status });
      return response.json();
    },
    retry: (failures, { status }) => !(status >= 400 && status < 500) && failures < 3,
    refetchInterval: ({ state }) => (state.data?.settled || state.status === "error" ? false : every * 1000),
  });
  const shows = error ? (KINDS[error.status] ?? "error") : data?.settled ? data.status : null;
  useEffect(() => report(shows === "completed" || !data?.settled ? shows : "failed", error?.message), [shows]);
}

export function start(url, report, { every }) {
  const root = createRoot(document.querySelector("main").appendChild(document.createElement("div")));
  root.render(createElement(QueryClientProvider, { client }, createElement(Task, { url, report, every })));
  return () => root.unmount();
}
