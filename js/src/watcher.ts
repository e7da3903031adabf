/** The watcher: runs the machine; one for each address on a page, shared by all who wait for it. */

import { begin, decide, type Event, type Moment } from "./machine.ts";
import type { Clock, Page } from "./page.ts";
import { ask } from "./poll.ts";
import type { Ending, Task } from "./wire.ts";

export interface Trouble {
  why: string;
  /** When somebody last answered, in ms of the time of day. */
  confirmed: number | null;
}
export interface Caller {
  onUpdate?: ((task: Task) => void) | undefined;
  onTrouble?: ((trouble: Trouble) => void) | undefined;
  resolve(ending: Ending): void;
}
export type Watcher = ReturnType<typeof watch>;

declare const WATCHERS: string;
// On the global object, so that a module that was loaded twice still asks once.
export const watchers: Map<string, Watcher> = ((globalThis as any)[Symbol.for(WATCHERS)] ??= new Map());

export function watch(url: string, fetch: typeof globalThis.fetch, clock: Clock, page: Page, grace: number, patience: number) {
  const callers = new Set<Caller>();
  let [flight, done, timer] = [null as AbortController | null, false, null as any];

  function moment(): Moment {
    const [now, wall, random] = [clock.now(), clock.wall(), clock.random()];
    const held = [...watchers].filter(([other, { held }]) => other !== url && held()).length;
    return { now, wall, random, hidden: page.hidden(), offline: page.offline(), held, crowd: watchers.size };
  }

  /** Tell the machine what happened and do what it says. */
  function send(event: Event) {
    if (done) return;
    const { errors } = self.state;
    const [state, action] = decide(self.state, event, moment());
    self.state = state;
    clock.clearTimeout(timer);
    if (action.do !== "keep") drop();
    const { task, why = "", confirmed } = state;
    const borne = page.offline() ? 0 : 1; // one stumble is no news
    if (task && /answer|same|news/.test(event.type)) tell((caller) => caller.onUpdate?.(task));
    else if (state.errors > Math.max(errors, borne)) tell((caller) => caller.onTrouble?.({ why, confirmed }));
    if (done) return; // a listener has left
    if (action.do === "end") {
      close();
      return tell((caller) => caller.resolve(action.verdict));
    }
    if (action.do === "look") {
      const mine = (flight = new AbortController());
      // An answer that was given up on is dropped here too: not every fetch minds its signal.
      const hear = (heard: Event) => flight === mine && send(heard);
      ask(url, action, fetch, mine.signal, hear).then(hear);
    }
    const ms = Math.max(0, state.expected - clock.now());
    if (ms !== Infinity) timer = clock.setTimeout(() => send({ type: "tick" }), ms);
  }

  function drop() {
    const old = flight;
    flight = null;
    old?.abort();
  }

  function tell(how: (caller: Caller) => void) {
    for (const caller of callers) {
      try {
        how(caller);
      } catch (error) {
        console.error(error); // a listener's mistake is not the wait's
      }
    }
  }

  function close() {
    done = true;
    drop();
    clock.clearTimeout(timer);
    unlisten();
    if (watchers.get(url) === self) watchers.delete(url);
  }

  const held = () => flight && self.state.wait;
  const self = { callers, send, close, held, state: begin(moment(), grace, patience) };
  const unlisten = page.listen((back) => send({ type: "page", back }));
  return self;
}
