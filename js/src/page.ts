/** The world of a wait: its clocks, and the page that it lives on. */

export interface Clock {
  now(): number; // monotonic, ms
  wall(): number; // the time of day, ms
  random(): number;
  setTimeout(f: () => void, ms: number): any;
  clearTimeout(timer: any): void;
}

export interface Page {
  hidden(): boolean;
  offline(): boolean;
  listen(tell: (back: boolean) => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: Date.now,
  random: Math.random,
  setTimeout: (f, ms) => setTimeout(f, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** Whether the page is hidden or offline, and when it is back. */
export function pageOf(world: any = globalThis): Page {
  const { document, navigator } = world;
  const hidden = () => document?.visibilityState === "hidden";
  return {
    hidden,
    offline: () => navigator?.onLine === false,
    listen(tell) {
      const heard = new AbortController();
      const on = (target: any, name: string, back: (event: any) => boolean) =>
        target?.addEventListener?.(name, (event: any) => tell(back(event)), { signal: heard.signal });
      on(document, "visibilitychange", () => !hidden());
      on(document, "resume", () => true);
      on(world, "pageshow", (event) => event.persisted);
      on(world, "online", () => true);
      return () => heard.abort();
    },
  };
}
