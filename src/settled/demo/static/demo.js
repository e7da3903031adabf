// The page of the demo. It waits for its tasks with the client that every page can have: /tasks/settled.js.

import { start as startFaults } from "./faults.js";
import { start as startWork } from "./work.js";

startWork();
startFaults();
