// The pure machine: no server, no timers; a history of events in, the actions out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, decide } from "../dist/machine.js";

const at = (now, more = {}) => ({
  now,
  wall: 1e12 + now,
  random: 0.5,
  hidden: false,
  offline: false,
  held: 0,
  crowd: 1,
  ...more,
});
const answer = (task) => ({ type: "answer", task, etag: null });
const open = (left, more = {}) => ({ settled: false, status: "running", settles_in: left, ...more });

/** Apply [time, event, more about the moment] in turn; return the last state and action. */
function after(...steps) {
  let [state, action] = [begin(at(0), 5_000, 30_000), null];
  for (const [now, event, more] of [[0, { type: "start" }], ...steps])
    [state, action] = decide(state, event, at(now, more));
  return { state, action };
}

test("the first look is plain and may come from the browser's cache", () => {
  const { action } = after();
  assert.deepEqual(action, { do: "look", wait: 0, stream: false, first: true, etag: null, manual: false });
});

test("after a good answer the server is asked to hold the next request", () => {
  assert.equal(after([10, answer(open(60))], [260, { type: "tick" }]).action.wait, 20);
});

test("the hold is lowered to what is left of the task", () => {
  assert.equal(after([10, answer(open(7.5))], [260, { type: "tick" }]).action.wait, 7);
});

test("deciding leaves the state before it untouched", () => {
  const state = Object.freeze(begin(at(0), 5_000, 30_000));
  decide(state, { type: "start" }, at(0));
  decide(state, { type: "trouble", why: "x" }, at(1));
});

test("a good answer may move the deadline only a tenth beyond what was first told", () => {
  const { state } = after([0, answer(open(100))], [50_000, answer(open(100))]);
  assert.equal(Math.round(state.deadline), 110_000);
});

test("an answer that comes late bounds the deadline from when it came", () => {
  assert.equal(after([3_000, answer(open(60))]).state.deadline, 63_000);
});

test("an overdue task moves the deadline to now, once", () => {
  const { state } = after([0, answer(open(0))], [2_000, answer(open(-7))]);
  assert.equal(state.deadline, 0);
});

for (const nonsense of ["soon", null, NaN, Infinity, {}, undefined]) {
  test(`settles_in ${String(nonsense)} is no deadline`, () => {
    assert.equal(after([0, answer(open(nonsense))]).state.deadline, null);
  });
}

for (const [asked, delay] of [
  [2, 2_200],
  ["3", 3_300],
  [1e12, 33_000],
  [-5, 550],
  [0, 550],
  [NaN, 1_100],
  ["x", 1_100],
  [{}, 1_100],
]) {
  test(`retry_after ${JSON.stringify(asked)} puts the next look off by ${delay} ms if the server does not hold`, () => {
    const task = open(600, { retry_after: asked });
    const { state } = after([0, answer(task)], [250, { type: "tick" }], [251, answer(task)]);
    assert.equal(state.holds, false);
    assert.equal(Math.round(state.due - 251), delay);
  });
}

test("a server that changes without end is asked four times a second at most", () => {
  let [state] = decide(begin(at(0), 5_000, 30_000), { type: "start" }, at(0));
  let looks = 0;
  for (let now = 0, action; now < 10_000; now = state.due) {
    if (!state.flying) [state, action] = decide(state, { type: "tick" }, at(now));
    looks += 1;
    [state, action] = decide(state, answer(open(600, { progress: { fraction: now / 1e5 } })), at(now + 1));
  }
  assert.ok(looks <= 41, `${looks} looks in ten seconds`);
});

test("beside three held requests a wait polls, and a crowd polls more slowly", () => {
  const { state, action } = after([0, answer(open(600, { retry_after: 1 })), { held: 3, crowd: 120 }]);
  assert.equal(action.do, "sleep");
  assert.equal(Math.round(state.due), 4_400);
});

test("a hidden page starts no request, and a return starts one at once", () => {
  const { state, action } = after(
    [0, answer(open(60))],
    [250, { type: "tick" }],
    [9_000, answer(open(51)), { hidden: true }],
  );
  assert.equal(action.do, "sleep");
  assert.equal(state.due, Infinity);
  assert.equal(decide(state, { type: "page", back: true }, at(99_000))[1].do, "look");
});

test("a deadline that passed while hidden gets one fresh look before the verdict", () => {
  const hidden = [9_000, answer(open(51)), { hidden: true }];
  const back = [999_000, { type: "page", back: true }];
  const { action } = after([0, answer(open(60))], [250, { type: "tick" }], hidden, back);
  assert.equal(action.do, "look");
  const end = after([0, answer(open(60))], [250, { type: "tick" }], hidden, back, [
    999_010,
    { type: "trouble", why: "x" },
  ]).action;
  assert.equal(end.verdict.end, "unreachable");
});

test("a wall clock set forward causes a fresh look, not a verdict", () => {
  const jump = [5_000, { type: "tick" }, { wall: 1e12 + 9e9 }];
  const { state, action } = after([0, answer(open(60))], [250, { type: "tick" }], jump);
  assert.equal(action.do, "look");
  const [, then] = decide(state, { type: "trouble", why: "x" }, at(5_010, { wall: 1e12 + 9e9 + 10 }));
  assert.equal(then.do, "sleep");
});

test("after a sleep that the monotonic clock did not see the server gets `patience` to answer", () => {
  const wake = [5_000, { type: "tick" }, { wall: 1e12 + 9e9 }];
  assert.equal(after([0, answer(open(6_000))], [250, { type: "tick" }], wake).state.deadline, 35_000);
});

test("a wall clock set back changes nothing but for a fresh look", () => {
  const { state, action } = after(
    [0, answer(open(60))],
    [250, { type: "tick" }],
    [5_000, { type: "tick" }, { wall: 0 }],
  );
  assert.equal(action.do, "look");
  assert.equal(state.deadline, 60_000);
});

test("a clock that jumps at every reading cannot put the verdict off for ever", () => {
  let [state, action] = after([0, answer(open(10))]) && [after([0, answer(open(10))]).state, { do: "sleep" }];
  let [now, wall] = [0, 1e12];
  for (let i = 0; i < 500 && action.do !== "end"; i += 1) {
    [now, wall] = [now + 500, wall + 9e6];
    [state, action] = decide(state, state.flying ? { type: "trouble", why: "x" } : { type: "tick" }, at(now, { wall }));
  }
  assert.equal(action.do, "end");
});

test("a look that was begun before a sleep does not count, even if it fails after the deadline", () => {
  const late = [
    [0, answer(open(60))],
    [60_300, { type: "tick" }],
    [60_300, { type: "tick" }],
  ];
  assert.equal(after(...late, [66_000, { type: "trouble", why: "x" }]).action.do, "end");
  assert.equal(after(...late, [9_000_000, { type: "trouble", why: "x" }]).action.do, "look");
});

test("a return keeps a look that has just begun", () => {
  const back = { type: "page", back: true };
  assert.equal(after([300, back]).action.do, "keep");
  assert.equal(after([1_300, back]).action.do, "look");
});

test("at the end of an offline pause there is one fresh look before the verdict", () => {
  const offline = { offline: true };
  const failed = { type: "trouble", why: "x" };
  const pause = [
    [0, answer(open(1))],
    [1_300, { type: "tick" }, offline],
    [1_400, failed, offline],
  ];
  const ticks = Array.from({ length: 7 }, (_, i) => [5_000 * (i + 1), { type: "tick" }, offline]);
  const { state, action } = after(...pause, ...ticks, [36_000, { type: "tick" }, offline]);
  assert.equal(action.do, "look");
  assert.equal(decide(state, failed, at(36_100, offline))[1].verdict.end, "unreachable");
});

test("offline is believed only after a look has failed", () => {
  const offline = { offline: true };
  assert.equal(decide(begin(at(0), 5_000, 30_000), { type: "start" }, at(0, offline))[1].do, "look");
  const { state, action } = after(
    [0, answer(open(60))],
    [250, { type: "tick" }],
    [9_000, { type: "trouble", why: "x" }, offline],
  );
  assert.equal(action.do, "sleep");
  assert.equal(state.due, 95_000); // the deadline, the grace, and `patience` for the network
});

test("whatever happens, a visible wait ends in time, with at most one request in flight and none while hidden", () => {
  for (let seed = 1; seed <= 3_000; seed += 1) story(seed);
});

/** One random life: random answers, sleeps, pauses; the promises hold at each step. */
function story(seed) {
  const random = mulberry(seed);
  const pick = (...choices) => choices[Math.floor(random() * choices.length)];
  const [grace, patience] = [pick(0, 1_000, 5_000), pick(0, 3_000, 30_000)];
  let [now, wall] = [1_000, 1e12];
  let [hidden, offline] = [false, false];
  const here = () => ({ now, wall, random: random(), hidden, offline, held: pick(0, 0, 3), crowd: 4 });
  let [state, action] = decide(begin(here(), grace, patience), { type: "start" }, here());
  const promised = pick(0, 2, 30, 600);
  const limit = now + Math.max(promised * 1_100, patience) + grace + patience;
  let postponed = 0;
  for (let step = 0; action.do !== "end"; step += 1) {
    assert.ok(step < 60_000, `seed ${seed}: it never ends`);
    if (state.flying) assert.ok(!hidden || action.do === "keep", `seed ${seed}: it asked while hidden`);
    const luck = random();
    let event = { type: "tick" };
    if (state.flying && luck < 0.6) {
      [now, wall] = [now + luck * 20, wall + luck * 20];
      event = pick(
        { type: "trouble", why: "x", network: random() < 0.1 },
        { type: "same" },
        answer(open(pick(promised, promised / 2, -1, NaN), { retry_after: pick(1, 1e9, -1) })),
      );
    } else if (luck < 0.63) {
      const sleep = pick(1_000, 60_000, 9e6);
      wall += sleep;
      if (random() < 0.5) now += sleep;
      postponed += sleep;
      [hidden, offline] = [false, false];
      event = { type: "page", back: true };
    } else if (luck < 0.66) {
      [hidden, offline] = pick([true, false], [false, true]);
      event = { type: "page", back: false };
    } else if (state.expected === Infinity) {
      [hidden, offline, event] = [false, false, { type: "page", back: true }];
    } else {
      const wait = Math.max(0, state.expected - now);
      [now, wall] = [now + wait, wall + wait];
    }
    [state, action] = decide(state, event, here());
    if (action.do === "look") assert.ok(action.wait <= 20 && action.wait >= 0);
  }
  assert.ok(["unreachable", "denied"].includes(action.verdict.end), `seed ${seed}: ${action.verdict.end}`);
  assert.ok(now <= limit + postponed + 60_000, `seed ${seed}: it ended ${now - limit} ms late`);
}

function mulberry(a) {
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
