// What the adapters of htmx share: a fragment that asks for itself, and what it shows once it does not any more.

export function watch(htmx, url, report, every) {
  const host = document.querySelector("main").appendChild(document.createElement("div"));
  host.innerHTML = `<div hx-get="${url}" hx-trigger="load, every ${every * 1000}ms" hx-swap="outerHTML">Loading</div>`;
  htmx.process(host);
  const observer = new MutationObserver(() => {
    const asks = host.querySelector("[hx-get]");
    const { state } = host.querySelector("[data-state]")?.dataset ?? {};
    if (asks) return report(null);
    if (state) return report(state === "completed" ? state : "failed", host.textContent);
    // Something else has taken its place, in words of its own.
    report("error", host.textContent.trim());
  });
  observer.observe(host, { childList: true, subtree: true });
  return () => (observer.disconnect(), htmx.remove ? htmx.remove(host) : host.remove());
}
