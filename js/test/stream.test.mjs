// A server that streams: the wait takes what it tells, and bears every way in which a stream can go wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { waitForTask } from "../dist/index.js";
import { done, json, live, lived, open, quiet, scene, until } from "./kit.mjs";

/** A server that streams to who takes it; `streams` are those that are open, `tell` writes to the last. */
function streaming(s, task, { first = true } = {}) {
  const streams = [];
  s.server.answer = (req, res) => {
    if (!req.headers.accept.includes("event-stream")) return json(res, task());
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    res.write(":\n\n");
    if (first) res.write(event(task()));
    streams.push(res);
    res.on("close", () => streams.splice(streams.indexOf(res), 1));
  };
  return streams;
}
const event = (task) => `id: x\ndata: ${JSON.stringify(task)}\n\n`;

async function streamed(t, options) {
  const s = await scene(t);
  const told = [];
  const streams = streaming(s, () => open(600), options);
  s.promise = waitForTask(s.url, { ...s.options, onUpdate: (task) => told.push(task) });
  assert.ok(await live(s, () => streams.length === 1));
  await until(() => told.length > (options?.first === false ? 0 : 1));
  return { s, streams, told };
}

test("news on a stream are told, and the last word ends the wait, with no further request", async (t) => {
  const { s, streams, told } = await streamed(t);
  streams[0].write(event(open(599, { progress: { fraction: 0.5 } })));
  await until(() => told.at(-1).progress?.fraction === 0.5);
  streams[0].end(event(done("x")));
  assert.deepEqual(({ ...(await s.promise), task: null }).result, "x");
  assert.equal(s.server.requests.length, 2);
});

test("an event in pieces is put together, with any line ends and over several data lines", async (t) => {
  const { s, streams } = await streamed(t);
  const text = JSON.stringify(done("tö"));
  const bytes = Buffer.from(`event: message\r\ndata: ${text.slice(0, 9)}\r\ndata:${text.slice(9)}\r\n\r\n`);
  for (const byte of bytes) streams[0].write(Buffer.from([byte]));
  assert.equal((await s.promise).result, "tö");
});

test("what is no task on a stream is left out", async (t) => {
  const { s, streams } = await streamed(t);
  streams[0].write('data: {"settled": "yes"}\n\ndata: nonsense\n\nevent: other\n\n');
  streams[0].end(event(done()));
  assert.equal((await s.promise).end, "completed");
});

test("a stream that is cut costs a plain look, and is taken up again", async (t) => {
  const { s, streams } = await streamed(t);
  s.clock.skip(2_000);
  streams[0].end();
  assert.ok(await live(s, () => streams.length === 1 && s.server.requests.length === 4, 10));
  assert.deepEqual(s.server.requests.map(({ prefer }) => !!prefer), [false, true, false, true]);
  streams[0].end(event(done()));
  assert.equal((await s.promise).end, "completed");
});

test("streams that are cut at once again and again are asked for ever more seldom", async (t) => {
  const s = await scene(t);
  s.server.answer = (req, res) => {
    if (!req.headers.accept.includes("event-stream")) return json(res, open(120, { retry_after: 1 }));
    res.writeHead(200, { "Content-Type": "text/event-stream" }).end(event(open(120)));
  };
  assert.equal((await lived(s, waitForTask(s.url, s.options))).end, "unreachable");
  assert.ok(s.server.requests.length < 250, `${s.server.requests.length} requests in two minutes`);
});

/** Let so many seconds pass in steps, with a sign of life on the stream at each. */
async function breathe(s, streams, seconds, sign) {
  for (const end = s.clock.t + seconds * 1_000; s.clock.t < end && streams.length; ) {
    s.clock.skip(1_000);
    if (sign) streams[0]?.write(sign);
    const before = s.clock.timers.size;
    await new Promise((done) => setTimeout(done, 2));
    assert.ok(before);
  }
}

test("a stream that lives for a minute is checked by a look", async (t) => {
  const { s, streams } = await streamed(t);
  const asked = s.server.requests.length;
  await breathe(s, streams, 70, ":\n\n");
  await until(() => s.server.requests.length > asked);
});

test("a stream that falls silent is given up, and polls take its place", async (t) => {
  const { s } = await streamed(t);
  const asked = s.server.requests.length;
  assert.ok(await live(s, () => s.server.requests.length > asked, 45));
  assert.equal(s.server.requests[asked].prefer, undefined);
});

test("a stream that something in between holds back is asked for no more; then the answer alone is held", async (t) => {
  const s = await scene(t);
  s.server.answer = (req, res) => {
    if (!req.headers.accept.includes("event-stream")) return json(res, open(600, { retry_after: 2 }));
  };
  const accepts = [];
  const answer = s.server.answer;
  s.server.answer = (req, res) => (accepts.push(req.headers.accept), answer(req, res));
  waitForTask(s.url, s.options);
  assert.ok(await live(s, () => accepts.length > 3, 60));
  assert.deepEqual(accepts.map((accept) => accept.includes("event-stream")), [false, true, false, false]);
});

test("a stream that trickles past the deadline is not waited for", async (t) => {
  const s = await scene(t);
  const streams = streaming(s, () => open(10));
  let ending;
  waitForTask(s.url, s.options).then((end) => (ending = end));
  await live(s, () => streams.length === 1);
  const began = s.clock.t;
  while (!ending && s.clock.t - began < 60_000) {
    streams[0]?.write(":\n\n");
    await new Promise((done) => setTimeout(done, 1));
    if (!s.clock.step()) await quiet(s).catch(() => {});
  }
  assert.equal(ending?.end, "unreachable");
});

test("a hidden page hears what the stream tells once, and then lets go of it", async (t) => {
  const { s, streams, told } = await streamed(t);
  s.page.set({ hidden: true });
  streams[0].write(event(open(500, { progress: { fraction: 0.9 } })));
  await until(() => streams.length === 0);
  assert.equal(told.at(-1).progress.fraction, 0.9);
});

test("by `for await` a wait tells its states, the last one last, and to break is to leave", async (t) => {
  const { s, streams } = await streamed(t);
  const seen = [];
  const reading = (async () => {
    for await (const task of s.promise) seen.push(task.settled);
  })();
  streams[0].end(event(done()));
  await reading;
  assert.equal(seen.at(-1), true);
  const other = await streamed(t);
  for await (const task of other.s.promise) if (!task.settled) break;
  assert.equal((await other.s.promise).end, "aborted");
  await until(() => other.streams.length === 0);
});
