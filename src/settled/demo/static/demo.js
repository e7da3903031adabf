// The page of the demo. It waits for its tasks with the client that every page can have: /tasks/settled.js.

import { el } from "./dom.js";
import { start as startFaults } from "./faults.js";
import { start as startWork } from "./work.js";

startWork();
startFaults();

const links = document.querySelector("header nav");
const others = await fetch("/demo/neighbours").then((answer) => answer.json(), () => ({}));
for (const [path, title] of Object.entries(others)) links.lastElementChild.before(el("a", { href: path }, title));
