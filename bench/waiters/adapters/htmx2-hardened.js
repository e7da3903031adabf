/* {"title": "htmx 2, hardened", "package": "htmx2", "setup": "and: a timeout of 2 s, errors are swapped in (responseHandling)", "face": "html"} */
import htmx from "htmx2";
import { watch } from "../fragment.js";

htmx.config.timeout = 2_000;
htmx.config.responseHandling = [
  { code: "204", swap: false },
  { code: "[23]..", swap: true },
  { code: "[45]..", swap: true, error: true },
];

export const start = (url, report, { every }) => watch(htmx, url, report, every);
