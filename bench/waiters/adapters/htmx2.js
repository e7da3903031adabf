/* {"title": "htmx 2", "package": "htmx2", "setup": "hx-trigger=every, until a fragment comes that does not ask again", "face": "html"} */
import htmx from "htmx2";
import { watch } from "../fragment.js";

export const start = (url, report, { every }) => watch(htmx, url, report, every);
