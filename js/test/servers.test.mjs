// Every bad server of the contract, over real HTTP: the wait ends, with the truth, in time, without hammering.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { waitForTask } from "../dist/index.js";
import { Server, dead, done, honest, json, lived, live, open, scene } from "./kit.mjs";

const wait = (s, more = {}) => waitForTask(s.url, { ...s.options, ...more });

/** A fact about one server: how it answers, what the wait ends as, within how many seconds, with how many requests. */
function fact(name, { answer, end, within, requests = Infinity, says, options, prepare }) {
  test(name, async (t) => {
    const s = await scene(t);
    s.server.answer = (req, res, n) => answer(res, n, s, req);
    await prepare?.(s);
    const ending = await lived(s, wait(s, options), 3_600);
    assert.equal(ending.end, end, JSON.stringify(ending));
    assert.ok(ending.took <= within, `it took ${ending.took} s`);
    assert.ok(s.server.requests.length <= requests, `${s.server.requests.length} requests`);
    assert.ok(s.flights.most <= 1, "never two at once");
    assert.match(ending.message, says ?? /^/);
    assert.equal(s.clock.timers.size, 0, "no timer is left");
    assert.equal(s.page.listeners.size, 0, "no listener is left");
  });
}

const left = (s, total) => total - (s.clock.t - 1_000) / 1_000;

fact("a task that has already finished ends at the first look", {
  answer: (res) => json(res, done({ visits: 7 })),
  end: "completed",
  within: 0,
  requests: 1,
});
fact("a failed task ends with the server's message", {
  answer: (res) => json(res, dead("timeout", "it took too long")),
  end: "failed",
  within: 0,
  requests: 1,
  says: /^it took too long$/,
});
fact("a status word from the future ends as failed, because it is settled and not completed", {
  answer: (res) => json(res, { settled: true, status: "archived" }),
  end: "failed",
  within: 0,
  says: /archived/,
});
fact("an open status word from the future goes on", {
  answer: (res, n) => json(res, n < 4 ? open(60, { status: "simmering" }) : done()),
  end: "completed",
  within: 10,
});
fact("a terminal word without `settled: true` is not believed", {
  answer: (res, n) => json(res, n < 4 ? open(60, { status: "completed" }) : done()),
  end: "completed",
  within: 10,
});

fact("a task that stays open beyond its own promise ends as unreachable", {
  answer: (res, _n, s) => json(res, open(left(s, 60))),
  end: "unreachable",
  within: 67,
  requests: 60,
  says: /has not settled/,
});
fact("a server that promises another minute for ever is left after a minute and a tenth", {
  answer: (res) => json(res, open(60)),
  end: "unreachable",
  within: 73,
  says: /has not settled/,
});
fact("a server that never says by when is left after `patience`", {
  answer: (res) => json(res, { settled: false, status: "running" }),
  end: "unreachable",
  within: 32,
  says: /does not say/,
});
fact("an absurd deadline is no deadline", {
  answer: (res) => json(res, '{"settled": false, "settles_in": 1e999}'),
  end: "unreachable",
  within: 32,
});

fact("404 for ever ends as unknown after three seconds", {
  answer: (res) => json(res, { title: "Not found" }, 404),
  end: "unknown",
  within: 3.5,
  requests: 8,
});
fact("404 right after a submit is a lagging replica", {
  answer: (res, n) => (n < 3 ? json(res, {}, 404) : json(res, done())),
  end: "completed",
  within: 3,
});
fact("404 for a task that was there ends at once", {
  answer: (res, n) => (n < 2 ? json(res, open(60)) : json(res, {}, 404)),
  end: "unknown",
  within: 0.3,
  requests: 2,
});
fact("an address that is no id (422) ends as unknown", {
  answer: (res) => json(res, {}, 422),
  end: "unknown",
  within: 3.5,
});
fact("410 ends at once and says that the record is pruned", {
  answer: (res) => json(res, {}, 410),
  end: "unknown",
  within: 0,
  requests: 1,
  says: /pruned/,
});
fact("401 ends at once", { answer: (res) => json(res, {}, 401), end: "denied", within: 0, requests: 1, says: /sign/i });
fact("403 ends at once", {
  answer: (res) => json(res, {}, 403),
  end: "denied",
  within: 0,
  requests: 1,
  says: /not allowed/,
});
fact("401 in the middle of a wait ends it", {
  answer: (res, n) => (n < 3 ? json(res, open(60)) : json(res, {}, 401)),
  end: "denied",
  within: 3,
});
fact("a login page with 200 is denied, not data", {
  answer: (res) => res.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end("<form>password</form>"),
  end: "denied",
  within: 0,
  requests: 1,
});

function login(_res, _n, _s, req) {
  if (req.url !== "/login") return _res.writeHead(302, { Location: "/login" }).end();
  _res.writeHead(200, { "Content-Type": "text/html" }).end("<form>password</form>");
}
fact("a redirect to a login page is denied", { answer: login, end: "denied", within: 0, requests: 2 });
fact("a redirect to something that is no task is denied whatever its type", {
  answer: (res, _n, _s, req) =>
    req.url === "/login" ? json(res, { login: true }) : res.writeHead(302, { Location: "/login" }).end(),
  end: "denied",
  within: 0,
  requests: 2,
});
fact("a redirect to where the task is told is followed", {
  answer: (res, _n, _s, req) =>
    req.url.endsWith("/") ? json(res, done()) : res.writeHead(307, { Location: `${req.url}/` }).end(),
  end: "completed",
  within: 0,
});
fact("a redirect to another site that cannot be read is denied, not taken for a dead network", {
  answer: (res) => res.writeHead(302, { Location: "http://127.0.0.1:1/sso" }).end(),
  end: "denied",
  within: 3,
  requests: 4,
  says: /signed out/,
});
fact("one dropped connection behind a harmless redirect is borne", {
  answer: (res, n, s, req) => {
    if (!req.url.endsWith("/")) return res.writeHead(307, { Location: `${req.url}/` }).end();
    return (s.served = (s.served ?? 0) + 1) === 2 ? res.destroy() : json(res, s.served < 4 ? open(60) : done());
  },
  end: "completed",
  within: 10,
});

fact("500 once is borne", {
  answer: (res, n) => (n === 2 ? json(res, {}, 500) : json(res, n < 4 ? open(60) : done())),
  end: "completed",
  within: 5,
});
fact("500 for ever, from the first, ends as unreachable after `patience`", {
  answer: (res) => json(res, {}, 500),
  end: "unreachable",
  within: 31,
  requests: 12,
  says: /500/,
});
fact("500 for ever, after a good answer, is borne until the deadline and the grace have passed", {
  answer: (res, n) => (n === 1 ? json(res, open(60)) : json(res, {}, 500)),
  end: "unreachable",
  within: 66,
  requests: 20,
});
fact("204 ends at once: there is nothing left to be told", {
  answer: (res) => res.writeHead(204).end(),
  end: "unknown",
  within: 0,
  requests: 1,
});
fact("429 with Retry-After is obeyed", {
  answer: (res, n) => (n < 4 ? json(res, {}, 429, { "Retry-After": "4" }) : json(res, done())),
  end: "completed",
  within: 13,
  requests: 4,
});
for (const absurd of ["999999999", "-5", "NaN", "1e400", "Wed, 21 Oct 2065 07:28:00 GMT", "0"]) {
  fact(`503 with Retry-After ${absurd} is asked again within half a minute`, {
    answer: (res, n) => (n < 3 ? json(res, {}, 503, { "Retry-After": absurd }) : json(res, done())),
    end: "completed",
    within: 61,
    requests: 3,
    options: { patience: 120 },
  });
}
fact("an absurd retry_after does not make the wait miss the deadline", {
  answer: (res, _n, s) => json(res, left(s, 10) > 0 ? open(left(s, 10), { retry_after: 1e12 }) : done()),
  end: "completed",
  within: 11,
});
fact("retry_after is obeyed by a server that does not hold", {
  answer: (res, n) => json(res, n < 6 ? open(600, { retry_after: 4 }) : done()),
  end: "completed",
  within: 20,
  requests: 6,
});

fact("a server that hangs before the headers for ever ends as unreachable", {
  answer: () => {},
  end: "unreachable",
  within: 34,
  requests: 5,
  says: /no answer came in time/,
});
fact("a server that hangs after a good answer ends by the deadline", {
  answer: (res, n) => n === 1 && json(res, open(40)),
  end: "unreachable",
  within: 49,
  requests: 6,
});
fact("a look that hangs across the promise is given up on in time for another one before the grace is over", {
  answer: (res, n) => n === 1 && json(res, open(8)),
  end: "unreachable",
  within: 13.5,
  requests: 3,
});
fact("a server that hangs in the body ends as unreachable", {
  answer: (res) => res.writeHead(200, { "Content-Type": "application/json" }).write('{"settled": '),
  end: "unreachable",
  within: 34,
  requests: 5,
});
fact("a server that hangs once in the body is asked again", {
  answer: (res, n) =>
    n === 1 ? res.writeHead(200, { "Content-Type": "application/json" }).write("{") : json(res, done()),
  end: "completed",
  within: 11,
  requests: 2,
});
fact("a slow trickle is given up on and asked again", {
  answer: (res, _n, s) => {
    res.writeHead(200, { "Content-Type": "application/json" });
    const drip = () => res.writable && res.write(" ") && s.drips.push(s.clock.setTimeout(drip, 1_000));
    s.drips ??= [];
    drip();
    res.on("close", () => s.drips.splice(0).forEach(s.clock.clearTimeout));
  },
  end: "unreachable",
  within: 34,
  requests: 5,
});
fact("half a JSON is trouble", {
  answer: (res, n) => json(res, n < 3 ? '{"settled": true, "status": "comp' : done()),
  end: "completed",
  within: 5,
});
for (const body of [
  "[]",
  "null",
  '"completed"',
  "7",
  "{}",
  '{"settled": "true"}',
  '{"settled": 1}',
  "",
  '{"status": "completed"}',
]) {
  fact(`the body ${body || "(empty)"} is not a task, and is not believed`, {
    answer: (res) => json(res, body),
    end: "unreachable",
    within: 31,
    requests: 12,
    says: /made no sense/,
  });
}
fact("a page of text that is no HTML is trouble, not a login", {
  answer: (res, n) =>
    n < 3 ? res.writeHead(200, { "Content-Type": "text/plain" }).end("warming up") : json(res, done()),
  end: "completed",
  within: 5,
});
fact("a connection cut in the middle is borne", {
  answer: (res, n) => (n < 3 ? res.writeHead(200).write("{", () => res.destroy()) : json(res, done())),
  end: "completed",
  within: 5,
});
fact("a connection refused for ever ends after `patience`", {
  answer: () => {},
  end: "unreachable",
  within: 31,
  requests: 0,
  says: /no connection/,
  prepare: (s) => s.server.stop(),
});
fact("`patience` and `grace` that make no sense are replaced", {
  answer: (res) => json(res, {}, 500),
  end: "unreachable",
  within: 31,
  options: { patience: Infinity, grace: NaN },
});
fact("a fetch that throws is trouble", {
  answer: () => {},
  end: "unreachable",
  within: 31,
  options: {
    fetch: () => {
      throw new Error("no");
    },
  },
});

fact("a foreign server that refuses the headers of a long poll (CORS) is polled plainly", {
  answer: (res, n, s, req) =>
    req.headers.prefer ? res.destroy() : json(res, left(s, 60) > 5 ? open(left(s, 60), { retry_after: 2 }) : done()),
  end: "completed",
  within: 58,
  requests: 40,
});

test("a fetch that ignores its signal and never returns cannot hang the wait", async (t) => {
  const s = await scene(t);
  const ending = await lived(s, wait(s, { fetch: () => new Promise(() => {}) }), 60);
  assert.equal(ending.end, "unreachable");
});

test("a server that is refused and comes back is found again", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res) => json(res, open(300));
  const promise = wait(s);
  await live(s, () => s.server.requests.length >= 2);
  await s.server.stop();
  const [t0, updates] = [s.clock.t, s.server.requests.length];
  await live(s, () => s.clock.t > t0 + 30_000);
  const again = new Server();
  again.clock = s.clock;
  again.answer = (_req, res) => json(res, done("back"));
  await again.start(s.server.port);
  t.after(() => again.stop());
  s.server = again;
  const ending = await lived(s, promise);
  assert.equal(ending.result, "back");
  assert.ok(ending.took <= 11 && updates >= 2, `found after ${ending.took} s`);
});

test("a server that holds is asked three times a minute, and heard at once", async (t) => {
  const s = await scene(t);
  let task = open(600);
  const server = honest(s, () => task);
  const promise = wait(s);
  await live(s, () => s.clock.t > 61_000);
  assert.ok(s.server.requests.length <= 5, `${s.server.requests.length} requests in a minute`);
  const { t: t0 } = s.clock;
  task = done("now");
  server.change();
  const ending = await lived(s, promise);
  assert.equal(ending.result, "now");
  assert.equal(s.clock.t, t0);
});

test("an answer that is not modified (304) counts as a good one and keeps the task", async (t) => {
  const s = await scene(t);
  s.server.answer = (req, res, n) => {
    if (n === 1) return json(res, open(60, { name: "scrape" }), 200, { ETag: '"a"' });
    if (n < 5) return res.writeHead(304, { ETag: '"a"' }).end();
    json(res, { ...done(), name: "scrape" });
  };
  const seen = [];
  const ending = await lived(s, wait(s, { onUpdate: (task) => seen.push(task.name) }));
  assert.equal(ending.end, "completed");
  assert.deepEqual(seen, ["scrape", "scrape", "scrape", "scrape", "scrape"]);
  assert.equal(s.server.requests[0].etag, undefined);
  assert.equal(s.server.requests[1].etag, '"a"');
});

test("304 for ever, without a task, is trouble", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res) => res.writeHead(304).end();
  assert.equal((await lived(s, wait(s))).end, "unreachable");
});

test("an address that is none ends as unknown, without a request", async (t) => {
  const s = await scene(t);
  for (const url of ["http://", "::", "tasks/1"]) assert.equal((await waitForTask(url, s.options)).end, "unknown");
  assert.equal(s.server.requests.length, 0);
});

test("without a clock, a page or a fetch of one's own it waits in real time", async (t) => {
  const s = await scene(t);
  s.server.answer = (_req, res, n) => json(res, n < 2 ? open(60) : done("real"));
  assert.equal((await waitForTask(s.url)).result, "real");
  s.server.server.close();
  await Promise.race([once(s.server.server, "close"), s.server.stop()]);
});
