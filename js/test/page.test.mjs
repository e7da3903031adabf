// The page's half: hidden, offline, frozen, asleep, aborted, unmounted, and several waits for one task.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOf } from "../dist/page.js";
import { waitForTask } from "../dist/index.js";
import { until, done, honest, json, lived, live, open, quiet, scene } from "./kit.mjs";

/** A wait on an honest server whose task is `s.task`; it has had its first answers and is being held. */
async function held(t, left = 60, more = {}) {
  const s = await scene(t);
  const end = s.clock.t + left * 1_000;
  s.task = null;
  s.remote = honest(s, () => s.task ?? open(Math.max(0, (end - s.clock.t) / 1_000)));
  s.promise = waitForTask(s.url, { ...s.options, ...more });
  await live(s, () => s.server.requests.length === 2);
  return s;
}

const settle = (s, task = done()) => {
  s.task = task;
  s.remote.change();
};

test("a hidden page asks nothing, and looks at once when it is seen again", async (t) => {
  const s = await held(t, 600);
  s.page.set({ hidden: true });
  await live(s, () => false, 300);
  const asked = s.server.requests.length;
  assert.equal(s.clock.timers.size, 0, "a hidden page costs nothing");
  s.clock.skip(200_000);
  settle(s);
  await quiet(s);
  assert.equal(s.server.requests.length, asked);
  s.page.set({ hidden: false });
  assert.equal((await lived(s, s.promise)).took, 0);
  assert.equal(s.server.requests.length, asked + 1);
});

test("a wait that begins in a hidden page begins when it is seen", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res) => json(res, done());
  s.page.set({ hidden: true });
  const promise = waitForTask(s.url, s.options);
  await live(s, () => false, 3_600);
  s.clock.skip(3_600_000);
  assert.equal(s.server.requests.length, 0);
  s.page.set({ hidden: false });
  assert.equal((await lived(s, promise)).end, "completed");
});

test("a deadline that passes while hidden costs one fresh look, which tells the truth", async (t) => {
  const s = await held(t, 60);
  s.page.set({ hidden: true });
  await live(s, () => false, 30);
  s.clock.skip(9_000_000);
  settle(s, done("made it"));
  s.page.set({ hidden: false });
  assert.equal((await lived(s, s.promise)).result, "made it");
});

test("a deadline that passes while hidden, and a server that is gone, end as unreachable soon after the return", async (t) => {
  const s = await held(t, 60);
  s.page.set({ hidden: true });
  await live(s, () => false, 30);
  s.clock.skip(9_000_000);
  await s.server.stop();
  s.page.set({ hidden: false });
  const ending = await lived(s, s.promise);
  assert.equal(ending.end, "unreachable");
  assert.ok(ending.took <= 4);
});

test("a page that comes back and leaves again and again cannot keep a dead wait alive", async (t) => {
  const s = await held(t, 60);
  s.server.answer = () => {};
  let ended = false;
  s.promise.then(() => (ended = true));
  for (let i = 0; i < 200 && !ended; i += 1) {
    s.page.set({ hidden: true });
    await live(s, () => ended, 4);
    s.clock.skip(4_000);
    s.page.set({ hidden: false });
    await live(s, () => ended, 4);
  }
  assert.ok(ended);
});

test("a long poll that hangs across a freeze is dropped on return", async (t) => {
  const s = await held(t, 6_000);
  s.server.answer = (_req, res) => json(res, done("fresh"));
  s.clock.skip(3_600_000);
  s.page.set({}); // pageshow or resume
  const ending = await lived(s, s.promise);
  assert.deepEqual([ending.result, ending.took], ["fresh", 0]);
});

for (const monotonic of [true, false]) {
  test(`a sleep that the page is not told of is noticed (the monotonic clock ${monotonic ? "counts" : "stops"})`, async (t) => {
    const s = await held(t, 6_000);
    s.server.answer = (_req, res) => json(res, done("fresh"));
    s.clock.skip(8 * 3_600_000, { monotonic });
    const ending = await lived(s, s.promise);
    assert.equal(ending.result, "fresh");
    assert.ok(ending.took <= 5, `${ending.took} s`);
  });

  test(`after a sleep a dead server is given up on (the monotonic clock ${monotonic ? "counts" : "stops"})`, async (t) => {
    const s = await held(t, 6_000);
    await s.server.stop();
    s.clock.skip(8 * 3_600_000, { monotonic });
    const ending = await lived(s, s.promise);
    assert.equal(ending.end, "unreachable");
    assert.ok(ending.took <= 45, `${ending.took} s`);
  });
}

test("a clock that is set does not end a wait, in the middle of an outage either", async (t) => {
  const s = await held(t, 6_000);
  s.server.answer = (_req, res, n) => json(res, n < 6 ? {} : done("still here"), n < 6 ? 503 : 200);
  s.clock.skip(48 * 3_600_000, { monotonic: false });
  assert.equal((await lived(s, s.promise)).result, "still here");
});

test("offline, nothing is asked after one look has failed; online, at once", async (t) => {
  const s = await held(t, 600);
  await s.server.stop();
  s.page.set({ offline: true });
  await live(s, () => s.clock.t > 200_000);
  const { port } = s.server;
  assert.ok(s.flights.open === 0 && s.clock.timers.size === 1);
  s.server.answer = (_req, res) => json(res, done("back"));
  await s.server.start(port);
  const { t: t0 } = s.clock;
  s.page.set({ offline: false });
  await lived(s, s.promise);
  assert.ok(s.clock.t - t0 <= 4_000);
});

test("offline for ever ends all the same", async (t) => {
  const s = await scene(t);
  await s.server.stop();
  s.page.set({ offline: true });
  const ending = await lived(s, waitForTask(s.url, s.options));
  assert.equal(ending.end, "unreachable");
  assert.ok(ending.took <= 61);
});

test("a browser that wrongly believes itself offline still waits", async (t) => {
  const s = await scene(t);
  s.page.set({ offline: true });
  s.server.answer = (_req, res, n) => json(res, n < 5 ? open(60) : done());
  assert.equal((await lived(s, waitForTask(s.url, s.options))).end, "completed");
});

test("an abort ends the wait at once and leaves nothing behind", async (t) => {
  const stop = new AbortController();
  const s = await held(t, 60, { signal: stop.signal });
  stop.abort();
  const ending = await s.promise;
  assert.equal(ending.end, "aborted");
  assert.equal(ending.task.status, "running");
  await quiet(s);
  assert.deepEqual([s.server.parked, s.clock.timers.size, s.page.listeners.size], [0, 0, 0]);
});

test("a signal that is aborted already ends the wait without a request", async (t) => {
  const s = await scene(t);
  const ending = await waitForTask(s.url, { ...s.options, signal: AbortSignal.abort() });
  assert.equal(ending.end, "aborted");
  await quiet(s);
  assert.equal(s.server.requests.length, 0);
});

test("a listener that aborts inside onUpdate is not called again", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res) => json(res, done());
  const stop = new AbortController();
  const ending = await lived(
    s,
    waitForTask(s.url, { ...s.options, signal: stop.signal, onUpdate: () => stop.abort() }),
  );
  assert.equal(ending.end, "aborted");
  assert.equal(s.page.listeners.size, 0);
});

test("a listener that aborts an open wait inside onUpdate stops the requests", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res) => json(res, open(60));
  const stop = new AbortController();
  const ending = await lived(
    s,
    waitForTask(s.url, { ...s.options, signal: stop.signal, onUpdate: () => stop.abort() }),
  );
  assert.equal(ending.end, "aborted");
  assert.equal(s.clock.timers.size, 0);
  await live(s, () => false, 60);
  assert.equal(s.server.requests.length, 1);
});

test("a listener that aborts another wait silences it at once", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res, n) => json(res, n < 2 ? open(60) : done());
  const stop = new AbortController();
  let told = 0;
  const both = [
    waitForTask(s.url, { ...s.options, onUpdate: () => stop.abort() }),
    waitForTask(s.url, { ...s.options, signal: stop.signal, onUpdate: () => (told += 1) }),
  ];
  assert.deepEqual([(await lived(s, both[0])).end, (await both[1]).end, told], ["completed", "aborted", 0]);
});

test("the signal keeps no listener of a wait that has ended", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res) => json(res, done());
  const listeners = new Set();
  const signal = {
    aborted: false,
    addEventListener: (_, f) => listeners.add(f),
    removeEventListener: (_, f) => listeners.delete(f),
  };
  await lived(s, waitForTask(s.url, { ...s.options, signal }));
  assert.equal(listeners.size, 0);
});

test("two who wait for one task share one request, and both are told", async (t) => {
  const told = [[], []];
  const s = await held(t, 60, { onUpdate: (task) => told[0].push(task.status) });
  const second = waitForTask(`${s.url}#fragment`, { ...s.options, onUpdate: (task) => told[1].push(task.status) });
  await quiet(s);
  assert.deepEqual(told[1], ["running"], "who comes later is told what is known");
  assert.equal(s.server.requests.length, 2);
  settle(s);
  const [one, two] = [await lived(s, s.promise), await lived(s, second)];
  assert.deepEqual([one.end, two.end, s.flights.most], ["completed", "completed", 1]);
  assert.deepEqual(told, [
    ["running", "completed"],
    ["running", "completed"],
  ]);
});

test("of many waits on a page at most three hold a connection, and all are told", async (t) => {
  const s = await scene(t);
  let task = open(600, { retry_after: 1 });
  const server = honest(s, () => task);
  const waits = Array.from({ length: 9 }, (_, i) => waitForTask(`${s.url}/${i}`, s.options));
  await live(s, () => s.clock.t > 30_000);
  assert.equal(s.server.parked, 3);
  task = done();
  server.change();
  const { t: t0 } = s.clock;
  for (const promise of waits) assert.equal((await lived(s, promise)).end, "completed");
  assert.ok(s.clock.t - t0 <= 2_000);
});

test("one of two who wait may leave without ending the other", async (t) => {
  const s = await held(t, 60);
  const stop = new AbortController();
  const second = waitForTask(s.url, { ...s.options, signal: stop.signal });
  stop.abort();
  assert.equal((await second).end, "aborted");
  settle(s);
  assert.equal((await lived(s, s.promise)).end, "completed");
  assert.equal(s.server.requests.length, 2);
});

test("a module that was loaded twice still has one request in flight", async (t) => {
  const s = await held(t, 60);
  const built = "../../src/settled/web/static/waiter.js"; // as it is served
  const loaded = [await import(`${built}?one`), await import(`${built}?other`)];
  assert.notEqual(loaded[0].waitForTask, loaded[1].waitForTask);
  const controller = new AbortController();
  t.after(() => controller.abort());
  const waits = loaded.map((module) => module.waitForTask(`${s.url}-twice`, { signal: controller.signal }));
  const asked = () => s.server.requests.filter(({ url }) => url.endsWith("-twice")).length;
  await until(asked);
  for (let turn = 0; turn < 50; turn += 1) await new Promise((done) => setImmediate(done));
  assert.equal(asked(), 1);
  controller.abort();
  assert.deepEqual((await Promise.all(waits)).map(({ end }) => end), ["aborted", "aborted"]);
});

test("a listener that throws hurts nobody", async (t) => {
  const s = await scene(t);
  t.mock.method(console, "error", () => {});
  s.server.answer = (_req, res, n) => json(res, n < 3 ? open(60) : done());
  const bad = () => {
    throw new Error("mine");
  };
  const seen = [];
  const both = [
    waitForTask(s.url, { ...s.options, onUpdate: bad }),
    waitForTask(s.url, { ...s.options, onUpdate: (task) => seen.push(task.status) }),
  ];
  for (const promise of both) assert.equal((await lived(s, promise)).end, "completed");
  assert.equal(seen.at(-1), "completed");
});

test("trouble is told from the second stumble on, with when the task was last confirmed", async (t) => {
  const s = await scene(t);
  const told = [];
  s.server.answer = (_req, res, n) => json(res, n === 1 ? open(60) : n < 4 ? {} : done(), n === 1 || n > 3 ? 200 : 500);
  const confirmed = s.clock.day;
  await lived(s, waitForTask(s.url, { ...s.options, onTrouble: (trouble) => told.push(trouble) }));
  assert.deepEqual(told, [{ why: "the server answered 500", confirmed }]);
});

test("the page's own events are heard, and no longer once the wait is over", () => {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const world = Object.assign(new EventTarget(), { document, navigator: { onLine: true } });
  const page = pageOf(world);
  const heard = [];
  const stop = page.listen((back) => heard.push(back));
  const fire = (target, name, more) => target.dispatchEvent(Object.assign(new Event(name), more));
  document.visibilityState = "hidden";
  assert.equal(page.hidden(), true);
  fire(document, "visibilitychange");
  document.visibilityState = "visible";
  fire(document, "visibilitychange");
  fire(document, "resume");
  fire(world, "online");
  fire(world, "pageshow", { persisted: true });
  fire(world, "pageshow", { persisted: false });
  assert.deepEqual(heard, [false, true, true, true, true, false]);
  stop();
  fire(world, "online");
  fire(document, "visibilitychange");
  assert.equal(heard.length, 6);
  world.navigator.onLine = false;
  assert.equal(page.offline(), true);
});

test("where there is no page nothing is ever hidden or offline", () => {
  const page = pageOf({});
  assert.deepEqual([page.hidden(), page.offline()], [false, false]);
  page.listen(() => {})();
});
