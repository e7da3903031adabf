/** What the elements are made of; a text from a server is only ever set as text. */

import { text } from "./wire.ts";

/** A part of the element. */
export function make(tag: string, name: string, more: object = {}, ...children: Node[]) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries({ part: name, class: name, ...more })) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Set a text only if it changes, so that a live region says it once. */
export function say(node: HTMLElement, said: string) {
  if (node.textContent !== said) node.textContent = said;
  node.hidden = !said;
}

/** A duration in its two largest units. */
export function span(ms: number, units: string[]) {
  let rest = Math.max(0, Math.round(ms / 1_000));
  const counts = [86_400, 3_600, 60, 1].map((size) => {
    const count = Math.floor(rest / size);
    rest %= size;
    return count;
  });
  const first = counts.findIndex((count, i) => count || i > 2);
  const parts = counts.map((count, i) => `${count} ${units[i]}`).slice(first, first + 2);
  return parts.filter((part, i) => !i || part[0]! > "0").join(" ");
}

export const fill = (phrase: string, value: string) => phrase.replace("%", () => value);

/** A result as text: nothing for nothing, a string as it is, the rest as JSON. */
export const shown = (result: unknown) => (result == null ? "" : text(result) || JSON.stringify(result, null, 2));


// Where there is no page (on a server that renders), a waiter needs no element.
export const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;
