/** Registers `<settled-task>`. */

import { SettledTask } from "./element.ts";

if (globalThis.customElements && !customElements.get("settled-task")) customElements.define("settled-task", SettledTask);

export { waitForTask } from "./wait.ts";
export { SettledTask } from "./element.ts";
export { words } from "./words.ts";
