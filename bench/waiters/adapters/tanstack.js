/* {"title": "TanStack Query", "package": "@tanstack/react-query", "setup": "useQuery with refetchInterval", "face": "json", "gives_up": 14} */
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";

const OVER = ["completed", "failed"];
const client = new QueryClient();

function Task({ url, report, every }) {
  const { data, error } = useQuery({
    queryKey: [url],
    queryFn: async () => {
      const response = await fetch(url);
      if (!response.ok) throw new Error("Network response was not ok");
      return response.json();
    },
    refetchInterval: (query) => (OVER.includes(query.state.data?.status) ? false : every * 1000),
  });
  const shows = error ? "error" : OVER.includes(data?.status) ? data.status : null;
  useEffect(() => report(shows, error?.message), [shows]);
}

export function start(url, report, { every }) {
  const root = createRoot(document.querySelector("main").appendChild(document.createElement("div")));
  root.render(createElement(QueryClientProvider, { client }, createElement(Task, { url, report, every })));
  return () => root.unmount();
}
