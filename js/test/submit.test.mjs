// Submit and wait: one task, however often it is clicked or has to be sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memory, resume, submitAndWait } from "../dist/index.js";
import { done, json, scene } from "./kit.mjs";

/** A server that takes submits at /submit and has finished every task; `posts` are the submits. */
async function shop(t, post = (req, res) => json(res, {}, 202, { Location: "/tasks/1" })) {
  const s = await scene(t);
  const [posts, gets] = [[], []];
  s.server.answer = (req, res) => {
    if (req.method === "GET") return gets.push(req.url), json(res, done(42));
    let body = "";
    req.on("data", (chunk) => (body += chunk));
    req.on("end", () => {
      posts.push({ key: req.headers["idempotency-key"], type: req.headers["content-type"], body });
      post(req, res, posts.length);
    });
  };
  return { url: s.url.replace(/\/tasks.*/, "/submit"), posts, gets };
}

test("an object is sent as JSON with a key, and the task at Location is waited for", async (t) => {
  const { url, posts, gets } = await shop(t);
  const ending = await submitAndWait(url, { page: 1 });
  assert.deepEqual([ending.end, ending.result], ["completed", 42]);
  assert.deepEqual(gets, ["/tasks/1"]);
  assert.equal(posts[0].body, '{"page":1}');
  assert.equal(posts[0].type, "application/json");
  assert.match(posts[0].key, /^[0-9a-f]{32}$/);
});

test("a double click is one submit, and a click after the end is another", async (t) => {
  const { url, posts } = await shop(t);
  const [one, other] = await Promise.all([submitAndWait(url, { a: 1 }), submitAndWait(url, { a: 1 })]);
  assert.deepEqual([one.end, other.end, posts.length], ["completed", "completed", 1]);
  await submitAndWait(url, { a: 1 });
  assert.equal(posts.length, 2);
  assert.notEqual(posts[0].key, posts[1].key);
});

test("different bodies are different tasks", async (t) => {
  const { url, posts } = await shop(t);
  await Promise.all([submitAndWait(url, { a: 1 }), submitAndWait(url, { a: 2 })]);
  assert.equal(posts.length, 2);
});

test("a submit that fails is sent again with the same key", async (t) => {
  const { url, posts } = await shop(t, (req, res, n) =>
    n === 1 ? req.socket.destroy() : n === 2 ? json(res, {}, 503) : json(res, {}, 202, { Location: "/tasks/1" }),
  );
  assert.equal((await submitAndWait(url, { a: 1 })).end, "completed");
  assert.equal(posts.length, 3);
  assert.equal(new Set(posts.map(({ key }) => key)).size, 1);
});

test("a refusal ends as denied, in the server's words, and is not sent again", async (t) => {
  const { url, posts } = await shop(t, (req, res) => json(res, { title: "Bad", detail: "No such page." }, 422));
  const ending = await submitAndWait(url, { a: 1 });
  assert.deepEqual([ending.end, ending.message, posts.length], ["denied", "No such page.", 1]);
});

test("a server that is gone ends as unreachable by the patience", async (t) => {
  const { url } = await shop(t, (req) => req.socket.destroy());
  assert.equal((await submitAndWait(url, {}, { patience: 0.3 })).end, "unreachable");
});

test("an abort ends it at once, and it is not sent again", async (t) => {
  const { url, posts } = await shop(t, (req, res) => json(res, {}, 503));
  const controller = new AbortController();
  const promise = submitAndWait(url, {}, { signal: controller.signal });
  controller.abort();
  assert.equal((await promise).end, "aborted");
  assert.ok(posts.length <= 1);
});

test("a tab remembers its task until it ends, and finds it again after a reload", async (t) => {
  const kept = {};
  globalThis.sessionStorage = kept;
  t.after(() => delete globalThis.sessionStorage);
  const { url } = await shop(t, (req, res) => (json(res, {}, 202, { Location: "/tasks/7" })));
  const wait = submitAndWait(url, {}, { remember: "report" });
  await wait;
  assert.deepEqual(kept, {});
  memory("report", url.replace("submit", "tasks/7"));
  assert.equal((await resume("report")).result, 42);
  assert.deepEqual(kept, {});
  assert.equal(resume("report"), null);
});

test("where nothing can be remembered all else goes on", async (t) => {
  const { url } = await shop(t);
  assert.equal((await submitAndWait(url, {}, { remember: "report" })).end, "completed");
});
