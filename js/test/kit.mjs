// What the tests of the waiter share: a clock moved by hand, a real HTTP server that can be told to be bad, a page
// that can be hidden, and `lived`, which runs a wait to its end without any real time passing.

import { once } from "node:events";
import http from "node:http";

/** A clock that only moves when told to; `skip` is a sleep or a freeze: time passes, but no timer runs. */
export class ManualClock {
  constructor() {
    Object.assign(this, { t: 1_000, day: 1_900_000_000_000, timers: new Map(), ids: 0, chance: 0.5 });
  }
  now = () => this.t;
  wall = () => this.day;
  random = () => this.chance;
  setTimeout = (f, ms) => (this.timers.set(++this.ids, { at: this.t + ms, f }), this.ids);
  clearTimeout = (id) => void this.timers.delete(id);

  skip(ms, { monotonic = true } = {}) {
    this.day += ms;
    if (monotonic) this.t += ms;
  }

  /** Move to the next timer and run it; false if there is none. */
  step() {
    const [id, timer] = [...this.timers].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0] ?? [];
    if (!timer) return false;
    this.timers.delete(id);
    this.skip(Math.max(0, timer.at - this.t));
    timer.f();
    return true;
  }
}

/** A page whose visibility and network are switched by hand, and that counts its listeners. */
export class ManualPage {
  listeners = new Set();
  state = { hidden: false, offline: false };
  hidden = () => this.state.hidden;
  offline = () => this.state.offline;
  listen = (tell) => (this.listeners.add(tell), () => this.listeners.delete(tell));
  set(change, back = !change.hidden && !change.offline) {
    Object.assign(this.state, change);
    for (const tell of [...this.listeners]) tell(back);
  }
}

/** An HTTP server on a real port; `answer(req, res, n)` is called with the number of the request, from 1. */
export class Server {
  requests = [];
  answer = (_req, res) => res.writeHead(500).end();
  #parked = new Set();
  #sockets = new Set();

  async start(port = 0) {
    this.server = http.createServer((req, res) => {
      this.requests.push({
        at: this.clock.t,
        prefer: req.headers.prefer,
        etag: req.headers["if-none-match"],
        url: req.url,
      });
      res.on("close", () => this.#parked.delete(res));
      this.answer(req, res, this.requests.length);
      if (!res.writableEnded) this.#parked.add(res);
    });
    this.server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
    return this;
  }

  /** How many answers are not finished, on purpose. */
  get parked() {
    return [...this.#parked].filter((res) => !res.writableEnded).length;
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    if (this.server.listening) await new Promise((done) => this.server.close(done));
  }
}

let world = 0;

/** Everything one test needs; `options` is what waitForTask takes. */
export async function scene(t) {
  const clock = new ManualClock();
  const page = new ManualPage();
  const server = new Server();
  server.clock = clock;
  await server.start();
  t.after(() => server.stop());
  const url = `http://127.0.0.1:${server.port}/tasks/${++world}`;
  const flights = { open: 0, most: 0 };
  const fetch = counted(flights);
  return { clock, page, server, url, flights, options: { clock, page, fetch } };
}

/** A fetch that counts what is in flight, until its body is read, given up or cancelled. */
function counted(flights) {
  return async (url, init) => {
    flights.most = Math.max(flights.most, ++flights.open);
    let landed = false;
    const land = () => {
      if (!landed) flights.open -= 1;
      landed = true;
    };
    init.signal.addEventListener("abort", land);
    try {
      const answer = await fetch(url, init);
      const text = () => answer.text().finally(land);
      const cancel = async () => answer.body?.cancel().finally(land) ?? land();
      const pipeThrough = (through) => answer.body.pipeThrough(through);
      return { ...fields(answer), text, body: { cancel, pipeThrough } };
    } catch (error) {
      land();
      throw error;
    }
  };
}

const fields = ({ status, ok, type, url, redirected, headers }) => ({ status, ok, type, url, redirected, headers });

/** Wait, in real time but on no timer of the wait's, until every request in flight is one that the server parks. */
export async function quiet({ flights, server }) {
  for (let calm = 0, turns = 0; calm < 3; turns += 1) {
    if (turns > 200_000) throw new Error(`not quiet: ${flights.open} in flight, ${server.parked} parked`);
    await new Promise((done) => setImmediate(done));
    calm = flights.open === server.parked ? calm + 1 : 0;
  }
}

/** Look again until it is true, in real time, with a bound. */
export async function until(true_) {
  for (let turns = 0; !true_(); turns += 1) {
    if (turns > 200_000) throw new Error("it did not come true");
    await new Promise((done) => setImmediate(done));
  }
}

/** Let the wait live until `enough`, by its own timers; true if that came within so many seconds of its clock. */
export async function live(scene, enough, seconds = 3_600) {
  const until = scene.clock.t + seconds * 1_000;
  for (;;) {
    await quiet(scene);
    if (enough()) return true;
    if (scene.clock.t > until || !scene.clock.step()) return false;
  }
}

/** The ending, and after how many seconds of the wait's clock it came; throws if the wait hangs. */
export async function lived(scene, promise, seconds) {
  const began = scene.clock.t;
  let ending;
  promise.then((value) => (ending = value));
  if (!(await live(scene, () => ending, seconds))) throw new Error("the wait hangs");
  return { ...ending, took: (scene.clock.t - began) / 1_000 };
}

export const open = (left, more = {}) => ({
  settled: false,
  status: "running",
  settles_in: left,
  result: null,
  error: null,
  ...more,
});
export const done = (result = 42) => ({ settled: true, status: "completed", result, error: null });
export const dead = (reason = "timeout", message = "too slow") => ({
  settled: true,
  status: "failed",
  result: null,
  error: { reason, message },
});

export function json(res, body, status = 200, headers = {}) {
  res
    .writeHead(status, { "Content-Type": "application/json", ...headers })
    .end(typeof body === "string" ? body : JSON.stringify(body));
}

/** A server that keeps the contract: it holds a request while `task()` stays as it was, and tells it by `change()`. */
export function honest(scene, task) {
  const held = new Set();
  scene.server.answer = (req, res) => {
    const body = task();
    const wait = Number(/wait=(\d+)/.exec(req.headers.prefer ?? "")?.[1] ?? 0);
    if (!wait || body.settled) return json(res, body);
    const answer = () => {
      scene.clock.clearTimeout(timer);
      held.delete(answer);
      json(res, task());
    };
    const timer = scene.clock.setTimeout(answer, wait * 1_000);
    held.add(answer);
    res.on("close", () => (scene.clock.clearTimeout(timer), held.delete(answer)));
  };
  return { change: () => [...held].forEach((answer) => answer()) };
}
