export { waitForTask } from "./wait.ts";
