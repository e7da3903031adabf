/* {"title": "htmx 4", "package": "htmx4", "setup": "hx-trigger=every, until a fragment comes that does not ask again", "face": "html"} */
import htmx from "htmx4";
import { watch } from "../fragment.js";

export const start = (url, report, { every }) => watch(htmx, url, report, every);
