// `<settled-batch>` in a DOM of its own, at a real server of one batch: its rows, what it asks for, its buttons.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { Window } from "happy-dom";
import { json } from "./kit.mjs";

const window = new Window({ url: "http://127.0.0.1/page" });
for (const name of ["document", "customElements", "HTMLElement", "CSSStyleSheet", "CustomEvent"]) globalThis[name] = window[name];
const { SettledBatch, words } = await import("../dist/batch.js");

const row = (id, status = "pending", more = {}) => {
  const settled = status === "completed" || status === "failed";
  return { id, status, settled, result: null, error: null, progress: null, ...more };
};
const done = (id, result) => row(id, "completed", { result });
const broken = (id, message) => row(id, "failed", { error: { reason: "exception", message } });

/** A server that keeps the contract of batches: `set` changes rows, and tells whoever is held; `asked` is what came. */
async function shop(t, rows, { page = 1_000 } = {}) {
  const [asked, held, changed] = [[], new Set(), new Map()];
  let [turn, status] = [1, 200];
  const body = (tasks, more) => {
    const counts = { pending: 0, running: 0, completed: 0, failed: 0 };
    for (const { status } of rows) counts[status] += 1;
    const settled = rows.every((task) => task.settled);
    const reasons = rows.filter((task) => task.error).map(({ error }) => ({ ...error, count: 1 }));
    const word = !settled ? "running" : counts.failed ? "failed" : "completed";
    return {
      settled, status: word, settles_in: settled ? 0 : 600, retry_after: 1, total: rows.length, counts, failures: reasons,
      error: word === "failed" ? { reason: "exception", message: "Some failed." } : null,
      progress: { fraction: (counts.completed + counts.failed) / rows.length, message: null },
      tasks, next: null, cursor: `${turn}`, more: false, ...more,
    };
  };
  const told = ({ searchParams: query }) => {
    if (query.has("changed_since")) return body(rows.filter(({ id }) => changed.get(id) > +query.get("changed_since")));
    const from = query.get("after") ? rows.findIndex(({ id }) => id === query.get("after")) + 1 : 0;
    const some = rows.slice(from, from + page);
    return body(some, { next: from + page < rows.length ? some.at(-1).id : null });
  };
  const server = http.createServer((req, res) => {
    const url = new URL(req.url, "http://here");
    asked.push({ method: req.method, path: url.pathname, query: Object.fromEntries(url.searchParams) });
    if (req.method === "POST") return answers.post(res, url);
    if (status !== 200) return json(res, { title: "No" }, status);
    const since = +(url.searchParams.get("changed_since") ?? 0);
    if (!/wait=/.test(req.headers.prefer) || rows.every((task) => task.settled) || since < turn) return json(res, told(url));
    const answer = () => (held.delete(answer), json(res, told(url)));
    held.add(answer);
    res.on("close", () => held.delete(answer));
  });
  const answers = {
    post: (res) => json(res, { detail: "Not now." }, 409),
    asked, held,
    refuse: (code) => (status = code),
    set(...news) {
      turn += 1;
      for (const task of news) {
        rows[rows.findIndex(({ id }) => id === task.id)] = task;
        changed.set(task.id, turn);
      }
      for (const answer of [...held]) answer();
    },
    change: (others) => ((rows = others), changed.clear()),
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return Object.assign(answers, { url: `http://127.0.0.1:${server.address().port}/batches/b` });
}

/** The element on the page; `heard(name)` is the next event of that name, `rows()` what its table says. */
function shown(t, src, attributes = {}, before = () => {}) {
  const element = new SettledBatch();
  before(element);
  for (const [name, value] of Object.entries({ ...attributes, src })) element.setAttribute(name, value);
  const heard = (name) => new Promise((hear) => element.addEventListener(name, ({ detail }) => hear(detail), { once: true }));
  const part = (name) => element.shadowRoot.querySelector(`.${name}`);
  const rows = () => [...element.shadowRoot.querySelectorAll(".rows .row")].map(({ children }) => [...children].map((cell) => cell.textContent));
  t.after(() => element.remove());
  return { element, heard, part, rows, show: () => document.body.append(element) };
}

/** Look again until it is true, while the page lives on. */
async function until(true_) {
  for (const end = Date.now() + 20_000; !true_(); await new Promise((go) => setTimeout(go, 5)))
    if (Date.now() > end) throw new Error(`it did not come true: ${true_}`);
}

/** What was just drawn is not to be clicked for a moment, which this lets pass. */
function later(t) {
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + 1_000);
}

test("pages become rows in the order submitted, called as the page calls them, and it ends with the batch", async (t) => {
  const s = await shop(t, [done("a", { n: 1 }), done("b", "<b>bold</b>"), done("c", null)], { page: 2 });
  const page = shown(t, s.url, {}, (element) => (element.items = ["first", "<i>", "third"]));
  const ended = page.heard("settled-end");
  page.show();
  assert.equal((await ended).end, "completed");
  await until(() => page.rows().length === 3);
  const [made, markup, last] = page.rows();
  assert.deepEqual([made, markup, last], [["first", "done", '{\n  "n": 1\n}'], ["<i>", "done", "<b>bold</b>"], ["third", "done", ""]]);
  assert.equal(page.element.shadowRoot.querySelector("b, i"), null, "what a server says is text");
  assert.deepEqual([page.part("title").textContent, page.part("numbers").textContent], [words.completed, "3 of 3"]);
  assert.deepEqual(s.asked.map(({ query }) => query.after ?? null), [null, "b"]);
});

test("one wait hears of every change, asks for no more than has changed, and tells it", async (t) => {
  const s = await shop(t, [row("a"), row("b")]);
  const page = shown(t, s.url);
  page.show();
  await until(() => s.held.size === 1);
  const news = page.heard("settled-rows");
  s.set(done("a", 1), row("b", "running", { progress: { fraction: 0.5, message: "half" } }));
  assert.deepEqual((await news).map(({ id }) => id), ["a", "b"]);
  assert.deepEqual(page.rows(), [["#1", "done", "1"], ["#2", "working", "half"]]);
  await until(() => s.held.size === 1);
  const ended = page.heard("settled-end");
  s.set(broken("b", "It broke."));
  const { end, reason } = await ended;
  assert.deepEqual([end, reason], ["failed", "exception"]);
  await until(() => page.rows()[1][1] === "failed");
  assert.deepEqual(page.rows(), [["#1", "done", "1"], ["#2", "failed", "It broke."]]);
  assert.equal(page.part("numbers").textContent, "2 of 2 · 1 failed");
  assert.match(page.part("failures").textContent, /1 × It broke\./);
  assert.ok(s.asked.slice(1).every(({ query }) => query.changed_since), "only what has changed is asked for");
});

test("what failed is tried again as a new batch, whose rows keep their names", async (t) => {
  const s = await shop(t, [done("a", 1), broken("b", "no"), broken("c", "no")]);
  s.post = (res) => (s.change([done("d", 2), done("e", 3)]), json(res, { id: "b2" }, 202, { Location: "/batches/b2" }));
  const page = shown(t, s.url, { retryable: "" }, (element) => (element.items = ["one", "two", "three"]));
  const failed = page.heard("settled-end");
  page.show();
  assert.equal((await failed).end, "failed");
  await until(() => page.rows().length === 3);
  assert.equal(page.part("retry").textContent, words.retry);
  page.part("retry").click();
  assert.equal(s.asked.some(({ method }) => method === "POST"), false, "a click on what has just appeared is none");
  later(t);
  const again = page.heard("settled-end");
  page.part("retry").click();
  page.part("retry").click();
  assert.equal((await again).end, "completed");
  await until(() => page.rows().length === 2);
  assert.deepEqual(page.rows().map(([name]) => name), ["two", "three"]);
  assert.deepEqual(s.asked.filter(({ method }) => method === "POST").map(({ path }) => path), ["/batches/b/retry"]);
  assert.equal(page.element.getAttribute("src"), new URL("/batches/b2", s.url).href);
});

test("a refusal is said in the server's words, and can be tried again", async (t) => {
  const s = await shop(t, [row("a")]);
  const page = shown(t, s.url, { cancellable: "" });
  page.show();
  await until(() => page.part("cancel").textContent === words.cancel);
  later(t);
  page.part("cancel").click();
  await until(() => page.part("message").textContent === "That did not work: Not now.");
  assert.equal(page.part("cancel").getAttribute("aria-disabled"), "false");
  assert.equal(page.element.getAttribute("state"), "running");
});

test("who may not see it is told so and may look again", async (t) => {
  const s = await shop(t, [done("a", 1)]);
  s.refuse(401);
  const page = shown(t, s.url);
  const denied = page.heard("settled-end");
  page.show();
  assert.equal((await denied).end, "denied");
  assert.equal(page.part("title").textContent, words.denied);
  s.refuse(200);
  later(t);
  const ended = page.heard("settled-end");
  page.part("check").click();
  assert.equal((await ended).end, "completed");
});

test("an element that leaves the page lets go of its request and says no more", async (t) => {
  const s = await shop(t, [row("a")]);
  const page = shown(t, s.url);
  let ended = false;
  page.element.addEventListener("settled-end", () => (ended = true));
  page.show();
  await until(() => s.held.size === 1);
  page.element.remove();
  await until(() => s.held.size === 0);
  assert.equal(ended, false);
});
