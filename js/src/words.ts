/** What the element says; replace entries to translate, before or after it is shown. `%` stands for what is put in. */
export const words = {
  loading: "Loading", pending: "Waiting to start", running: "Working", completed: "Done", failed: "Failed",
  cancelled: "Cancelled", unknown: "Not found", unreachable: "No answer", denied: "No access", aborted: "Stopped",
  soFar: "% so far", atMost: "at most %", after: "after %", units: ["d", "h", "min", "s"],
  leave: "You can leave this page: the work goes on without it.",
  lost: "Contact lost, trying again.",
  lostSince: "Contact lost, %. Trying again.",
  confirmed: "last confirmed %",
  cancel: "Cancel", retry: "Try again", check: "Look again", progress: "Progress", result: "Result",
  refused: "That did not work: %", offline: "there is no connection to the server",
  reasons: {
    exception: "It ran into an error.",
    timeout: "It took longer than it may, and was stopped.",
    cancelled: "Somebody stopped it.",
    worker_lost: "The process that ran it died.",
    never_started: "Nothing picked it up in time.",
    result_rejected: "It finished, but its result could not be stored.",
    enqueue_failed: "It could not be handed over to be run.",
    interrupted: "It was cut off by a restart or a new version.",
  } as Record<string, string>,
};
