// The few things that both halves of the page draw: elements, states, clocks, sizes.

/** Make an element; `data-`, `aria-` and plain attributes alike, text and nodes as children. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An icon of the sprite in index.html; it says nothing that the word beside it does not. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Show how a task stands: `state` is ready, open, completed, failed or lost, `word` what to read. */
export function showState(node, state, word) {
  if (node.dataset.state === state && node.textContent === word) return;
  node.dataset.state = state;
  node.replaceChildren(icon(state), word);
}

/** The state to draw for one of the six endings of a wait. */
export function stateOf(end) {
  return end === "completed" || end === "failed" ? end : "lost";
}

const clocks = new Map();
setInterval(() => {
  for (const [node, since] of clocks) node.textContent = seconds((Date.now() - since) / 1000);
}, 100);

/** Let a clock run in `node` since the instant `since` (milliseconds); stop it with `stopClock`. */
export function startClock(node, since) {
  node.textContent = seconds((Date.now() - since) / 1000);
  clocks.set(node, since);
}

/** Stop the clock in `node` and show what it measured, in seconds. */
export function stopClock(node, measured) {
  clocks.delete(node);
  node.textContent = measured === undefined ? "" : seconds(measured);
}

export const seconds = (value) => `${Math.max(0, value).toFixed(1)} s`;

export function size(bytes) {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** POST, and return the address of the task that was made; throw an Error in plain words if there is none. */
export async function submit(url, body) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) };
  const response = await fetch(url, request).catch(() => {
    throw new Error("The server cannot be reached, so nothing was submitted.");
  });
  if (response.status === 202) return response.headers.get("Location");
  const problem = await response.json().catch(() => ({}));
  throw new Error(`Nothing was submitted: ${problem.detail ?? problem.title ?? `the server answered ${response.status}`}`);
}
