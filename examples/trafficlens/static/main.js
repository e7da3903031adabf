// The page: a list goes in, rows come out, and what can be done with them.

import { save } from "./export.js";
import { begin, list, listen, mayRetry, retry } from "./list.js";
import { domainsIn, linkOf, listIn } from "./paste.js";
import { arrange, control, keepArranged, wanted } from "./shown.js";
import { tally } from "./tally.js";

const $ = (id) => document.getElementById(id);
const EXAMPLE = `https://www.github.com/explore, wikipedia.org; nytimes.com
BBC.co.uk | reddit.com	stackoverflow.com  amazon.de "booking.com"
github.com  slow.test flaky.test hangs.test busy.test broken.test
redesigned.test hungry.test empty.test half.test`;

function open(keys, how) {
  $("results").hidden = !keys.length;
  begin(keys, how);
  arrange();
  tally();
}

function count() {
  const { keys, over, twice, strange } = domainsIn($("domains").value);
  const more = strange.length > 3 ? ` and ${strange.length - 3} more` : "";
  const parts = [`${keys.length} ${keys.length === 1 ? "domain" : "domains"}`];
  if (over) parts.push(`${over} more are too many`);
  if (twice) parts.push(`${twice} given twice`);
  if (strange.length) parts.push(`not a domain: ${strange.slice(0, 3).join(", ")}${more}`);
  $("count").textContent = keys.length || strange.length ? parts.join(" · ") : "";
}

/** What the address says; what was begun is only looked at, and nothing is begun twice. */
function follow() {
  const keys = listIn(location.hash);
  if (!keys.length) return;
  $("domains").value = keys.join("\n");
  count();
  open(keys);
}

listen({
  changed() {
    tally();
    keepArranged();
  },
  trouble: (why) => ($("trouble").textContent = why && `Contact lost (${why}), trying again.`),
});
control(tally);

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { keys } = domainsIn($("domains").value);
  history.replaceState(null, "", linkOf(keys));
  open(keys, { force: $("bypass").checked, dry: $("dry").checked });
});
$("domains").addEventListener("input", count);
$("domains").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) $("form").requestSubmit();
});
$("example").addEventListener("click", () => {
  $("domains").value = EXAMPLE;
  count();
  $("domains").focus();
});
$("retry-all").addEventListener("click", () => retry(...mayRetry()));
$("share").addEventListener("click", async ({ target }) => {
  const link = new URL(linkOf(list.rows.map(({ key }) => key)), location.href).href;
  const done = await navigator.clipboard?.writeText(link).then(() => true, () => false);
  target.textContent = done ? "Copied" : "The link is in the address bar";
  setTimeout(() => (target.textContent = "Copy link"), 2_000);
});
for (const button of document.querySelectorAll("[data-export]"))
  button.addEventListener("click", () => save(wanted(), button.dataset.export));
addEventListener("hashchange", follow);

setInterval(() => {
  for (const row of list.rows) row.tick?.();
  if (list.rows.some(({ state }) => state === "waiting" || state === "failed")) tally();
}, 1_000);
fetch("about").then((answer) => answer.json()).then(({ basis }) => ($("basis").textContent = basis), () => {});
count();
follow();
