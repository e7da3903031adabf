// The table of histories that the Python machine is held to as well (tests/core/test_scenarios.py).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { begin, decide } from "../dist/machine.js";
import { understood } from "../dist/wire.js";

const { scenarios } = JSON.parse(await readFile(new URL("scenarios.json", import.meta.url), "utf8"));

/** What a request brings, as the transport tells it. */
function heard(step) {
  if (step.refused) return { type: "trouble", why: "refused", network: true };
  const body = step.body ?? ("open" in step && { settled: false, status: "running", settles_in: step.open });
  const done = "done" in step && { settled: true, status: "completed", result: step.done };
  const failed = step.failed && { settled: true, status: "failed", error: { reason: step.failed, message: "why" } };
  const headers = new Headers({ "Content-Type": step.html ? "text/html" : "application/json" });
  if (step.retry_after) headers.set("Retry-After", step.retry_after);
  const status = step.status ?? 200;
  const text = step.html ?? step.text ?? (step.status ? "" : JSON.stringify(body || done || failed));
  return understood({ ok: status < 300, status, type: "basic", redirected: false, headers, url: "http://x/" }, text, "http://x/");
}

for (const scenario of scenarios)
  test(scenario.name, () => {
    const { steps, then = { hangs: true }, grace = 5, patience = 30 } = scenario;
    let [now, wall] = [1_000, 1e12];
    const at = () => ({ now, wall, random: 0.5, hidden: false, offline: false, held: 0, crowd: 1 });
    let [state, action] = decide(begin(at(), grace * 1_000, patience * 1_000), { type: "start" }, at());
    for (let looks = 0, turns = 0; action.do !== "end"; turns += 1) {
      assert.ok(turns < 10_000, "it never ends");
      const step = action.do === "look" ? (steps[looks++] ?? then) : { hangs: true };
      let event = { type: "tick" };
      if (step.sleep) [now, wall] = [now + step.sleep * 1_000, wall + step.sleep * 1_000];
      else if (!step.hangs) event = heard(step);
      else if (state.expected > now) [now, wall] = [state.expected, wall + state.expected - now];
      [state, action] = decide(state, event, at());
    }
    const { end, result, reason } = action.verdict;
    const took = (now - 1_000) / 1_000;
    assert.equal(end, scenario.end);
    if ("result" in scenario) assert.deepEqual(result, scenario.result);
    if ("reason" in scenario) assert.equal(reason, scenario.reason);
    assert.ok(took <= scenario.within, `it took ${took} s`);
    assert.ok(took >= (scenario.after ?? 0), `it gave up after ${took} s`);
  });
