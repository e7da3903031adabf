/** Everything but the element: what a page, a script or a framework waits with. */

export { lookUp, type Latest, type LookOptions } from "./latest.ts";
export { memory } from "./memory.ts";
export type { Clock, Page } from "./page.ts";
export { resume, submitAndWait, type SubmitOptions } from "./submit.ts";
export { waitForTask, type Options, type Wait } from "./wait.ts";
export type { Trouble } from "./watcher.ts";
export type { End, Ending, Task } from "./wire.ts";
