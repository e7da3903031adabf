// One look-up of many keys: it asks once, then only looks, and ends in one of the six ways.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lookUp } from "../dist/index.js";
import { json, lived, scene } from "./kit.mjs";

const known = (key, value = 1) => ({ key, found: true, value, refreshing: false, settled: true, settles_in: 0 });
const open = (key, left = 10) => ({ key, found: false, value: null, refreshing: true, settled: false, settles_in: left });
const refused = (asked) => ({ asked, error: { status: 422, title: "No key", detail: "It is no key." } });
const all = (...items) => {
  const under_way = items.filter((item) => item.refreshing);
  const settles_in = Math.max(0, ...under_way.map((item) => item.settles_in));
  return { items, settled: !under_way.length, settles_in, retry_after: 1 };
};

/** A server that answers with `answers` one after the other, the last for good; `asked` is what it was asked. */
async function shop(t, ...answers) {
  const s = await scene(t);
  const asked = [];
  s.server.answer = (req, res, n) => {
    let body = "";
    req.on("data", (chunk) => (body += chunk));
    req.on("end", () => {
      asked.push({ method: req.method, url: req.url, ...JSON.parse(body) });
      const answer = answers[Math.min(n, answers.length) - 1];
      if (typeof answer === "function") answer(res);
      else json(res, answer);
    });
  };
  return { ...s, asked };
}

test("it asks once, then only looks, and completes with all keys in the order asked", async (t) => {
  const s = await shop(t, all(open("b"), known("a")), all(open("b"), known("a")), all(known("b", 2), known("a")));
  const seen = [];
  const onItems = (items) => seen.push(items.map(({ value }) => value));
  const ending = await lived(s, lookUp(s.url, ["b", "a"], { ...s.options, onItems }), 60);
  assert.equal(ending.end, "completed");
  assert.deepEqual(ending.result.map(({ key, value }) => [key, value]), [["b", 2], ["a", 1]]);
  assert.deepEqual(s.asked.map(({ refresh }) => refresh), ["auto", "never", "never"]);
  assert.ok(s.asked.every(({ method, url, keys }) => method === "POST" && url === new URL(s.url).pathname && keys.length === 2));
  assert.deepEqual(seen, [[null, 1], [null, 1], [2, 1]]);
});

test("what is to be forced is forced until it was answered once, and no more", async (t) => {
  const s = await shop(t, (res) => json(res, {}, 503), all(open("a")), all(known("a")));
  assert.equal((await lived(s, lookUp(s.url, ["a"], { ...s.options, refresh: "force" }), 60)).end, "completed");
  assert.deepEqual(s.asked.map(({ refresh }) => refresh), ["force", "force", "never"]);
});

test("a key that is refused is no reason to wait", async (t) => {
  const s = await shop(t, all(refused("?"), known("a")));
  const { end, result } = await lived(s, lookUp(s.url, ["?", "a"], s.options), 60);
  assert.equal(end, "completed");
  assert.equal(result[0].error.detail, "It is no key.");
});

test("a list that is refused ends at once as denied, in the server's words", async (t) => {
  const s = await shop(t, (res) => json(res, { title: "Bad", detail: "Send up to 1,000." }, 422));
  const { end, message, took } = await lived(s, lookUp(s.url, ["a"], s.options), 60);
  assert.deepEqual([end, message, took, s.asked.length], ["denied", "Send up to 1,000.", 0, 1]);
});

test("a server that goes on saying open, or is gone, ends it by the promise and a grace", async (t) => {
  for (const last of [all(open("a")), (res) => json(res, {}, 500), (res) => res.destroy()]) {
    const s = await shop(t, all(open("a")), last);
    const { end, took } = await lived(s, lookUp(s.url, ["a"], s.options), 60);
    assert.equal(end, "unreachable");
    assert.ok(took >= 10 && took <= 17, took);
  }
});

test("who is not signed in is told so at once", async (t) => {
  const s = await shop(t, (res) => json(res, { title: "Not signed in" }, 401));
  assert.equal((await lived(s, lookUp(s.url, ["a"], s.options), 60)).end, "denied");
});

test("an abort ends it at once, before it began too", async (t) => {
  const s = await shop(t, all(open("a")));
  const controller = new AbortController();
  const wait = lookUp(s.url, ["a"], { ...s.options, signal: controller.signal, onItems: () => controller.abort() });
  assert.equal((await lived(s, wait, 60)).end, "aborted");
  assert.equal((await lived(s, lookUp(s.url, ["a"], { ...s.options, signal: controller.signal }), 60)).end, "aborted");
  assert.equal(s.asked.length, 1);
});

test("two look-ups of one address do not share their answers", async (t) => {
  const s = await shop(t, all(known("a", 1)), all(known("b", 2)));
  const [one, other] = await Promise.all([lookUp(s.url, ["a"], s.options), lookUp(s.url, ["b"], s.options)]);
  assert.equal(s.asked.length, 2);
  assert.notDeepEqual(one.result, other.result);
});
