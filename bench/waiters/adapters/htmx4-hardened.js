/* {"title": "htmx 4, hardened", "package": "htmx4", "setup": "and: a timeout of 2 s", "face": "html"} */
import htmx from "htmx4";
import { watch } from "../fragment.js";

htmx.config.defaultTimeout = 2_000;

export const start = (url, report, { every }) => watch(htmx, url, report, every);
