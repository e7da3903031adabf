/** What `<settled-batch>` says; replace entries to translate, before or after it is shown. `%` and `#` stand for what is put in. */
export const words = {
  loading: "Loading", pending: "Waiting to start", running: "Working", completed: "Done", failed: "Done, with failures",
  unknown: "Not found", unreachable: "No answer", denied: "No access", aborted: "Stopped",
  counts: "% of #", failures: "% failed", times: "% ×", more: "and others",
  lost: "Contact lost, trying again.", partly: "Some rows could not be loaded.",
  cancel: "Cancel what is open", retry: "Try the failed ones again", check: "Look again",
  progress: "Progress", table: "Tasks", columns: ["Task", "State", "Outcome"],
  states: { pending: "waiting", running: "working", completed: "done", failed: "failed" } as Record<string, string>,
  refused: "That did not work: %", offline: "there is no connection to the server",
};
