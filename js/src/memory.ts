/** What this tab remembers of its tasks, so that a page that is reloaded finds them again. */

const storage = () => globalThis.sessionStorage as Storage | undefined;
const place = (name: string) => `settled:${name}`;

/** Remember a task's address by a name; null forgets it. */
export function remember(name: string, url: string | null) {
  if (url === null) storage()?.removeItem(place(name));
  else storage()?.setItem(place(name), url);
}

/** The address that is remembered, or null. */
export const recall = (name: string) => storage()?.getItem(place(name)) ?? null;
