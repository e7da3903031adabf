// What makes the pages livelier where there is JavaScript; all of them work without. Nothing here makes HTML of text.

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const kept = {
  get: (key, fallback) => { try { return localStorage.getItem(`settled.${key}`) ?? fallback; } catch { return fallback; } },
  set: (key, value) => { try { localStorage.setItem(`settled.${key}`, value); } catch { /* it is for this page then */ } },
};

// --- selection: the server's forms do the work, this counts

const boxes = () => all('tbody input[name="id"]');
const picked = () => boxes().filter((box) => box.checked);

function count() {
  const chosen = picked().length;
  const label = one("#picked");
  if (!label) return;
  label.textContent = chosen ? `${chosen} selected` : "Selected";
  for (const button of all("#acts-these button")) button.disabled = !chosen;
  const every = one("#pick-all");
  if (!every) return;
  every.hidden = !boxes().length;
  every.checked = chosen > 0 && chosen === boxes().length;
  every.indeterminate = chosen > 0 && chosen < boxes().length;
}

function pickAll(on) {
  for (const box of boxes()) box.checked = on;
  count();
}

let lastBox = null;
document.addEventListener("change", ({ target }) => {
  if (target.id === "pick-all") pickAll(target.checked);
  else if (target.name === "id") count();
});
document.addEventListener("click", ({ target, shiftKey }) => {
  if (target.name !== "id") return;
  const every = boxes();
  if (shiftKey && lastBox && every.includes(lastBox)) {
    const [from, to] = [every.indexOf(lastBox), every.indexOf(target)].sort((a, b) => a - b);
    for (const box of every.slice(from, to + 1)) box.checked = target.checked;
    count();
  }
  lastBox = target;
});
one("#tasks")?.addEventListener("submit", (event) => {
  if (event.submitter?.value.endsWith(".all")) for (const box of boxes()) box.disabled = true;
  setTimeout(() => { for (const box of boxes()) box.disabled = false; });
});

// --- staying up to date: the page asks for itself again, never while nobody looks

const PAUSE = 2500, LONGEST = 30000;
const toggle = one("#live");
let going = Boolean(toggle) && kept.get("live", "on") === "on";
let timer = 0, asking = null, pause = PAUSE;

function next(after = pause) {
  clearTimeout(timer);
  if (going && !document.hidden && !asking && one("[data-live]")) timer = setTimeout(look, after);
}

async function look() {
  asking = new AbortController();
  const limit = setTimeout(() => asking?.abort(), 10000);
  try {
    const answer = await fetch(location.href, { signal: asking.signal, cache: "no-store", credentials: "same-origin", redirect: "error" });
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (going && !document.hidden) renew(page);
    pause = PAUSE;
  } catch {
    pause = Math.min(pause * 2, LONGEST);
    if (going && !document.hidden) toggle.textContent = "No answer";
  } finally {
    clearTimeout(limit);
    asking = null;
    next();
  }
}

function renew(page) {
  toggle.textContent = "Live";
  const time = one("footer time"), now = one("footer time", page);
  if (time && now) time.replaceWith(now);
  for (const region of all("[data-live]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh) { if (region.dataset.live !== "rows") region.replaceChildren(); continue; }
    if (region.dataset.live === "rows") renewRows(region, fresh);
    else if (region.innerHTML !== fresh.innerHTML && !region.contains(document.activeElement)) region.replaceChildren(...fresh.childNodes);
  }
  if (!one("#rows") && page.getElementById("rows")) location.reload();  // the first task of an empty list
  count();
}

// A list under somebody's hands keeps its rows where they are; what is new waits above them for a word.
function renewRows(rows, fresh) {
  const held = rows.contains(document.activeElement) || picked().length > 0 || rows.getBoundingClientRect().top < -80;
  const there = new Map([...rows.children].map((row) => [row.id, row]));
  const added = [...fresh.children].filter((row) => !there.has(row.id));
  if (held) {
    for (const row of [...fresh.children]) if (there.has(row.id)) exchange(there.get(row.id), row);
    offer(added.length);
    return;
  }
  offer(0);
  const made = [...fresh.children].map((row) => {
    const old = there.get(row.id);
    if (old) return exchange(old, row);
    if (there.size) row.classList.add("new");
    return row;
  });
  rows.replaceChildren(...made);
}

function exchange(old, row) {
  const box = one('input[name="id"]', old), active = document.activeElement;
  if (old.outerHTML === row.outerHTML) return old;
  const focus = old.contains(active) ? (active === box ? 'input[name="id"]' : "a.name") : null;
  if (box?.checked) one('input[name="id"]', row).checked = true;
  old.replaceWith(row);
  if (focus) one(focus, row)?.focus({ preventScroll: true });
  return row;
}

function offer(number) {
  let button = one("#fresh");
  if (!number) return button?.remove();
  if (!button) {
    button = document.createElement("button");
    button.id = "fresh";
    button.type = "button";
    button.addEventListener("click", () => location.assign(location.href));
    one("table.tasks").before(button);
  }
  button.textContent = number >= boxes().length ? "New tasks: show" : `${number} new: show`;
}

function setLive(on) {
  going = on;
  kept.set("live", on ? "on" : "off");
  toggle.setAttribute("aria-pressed", String(on));
  toggle.textContent = on ? "Live" : "Paused";
  if (on) next(0);
  else { clearTimeout(timer); asking?.abort(); }
}

if (toggle) {
  toggle.hidden = false;
  setLive(going);
  toggle.addEventListener("click", () => setLive(!going));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(timer); asking?.abort(); }
    else { pause = PAUSE; next(0); }
  });
  addEventListener("pageshow", ({ persisted }) => { if (persisted) next(0); });
  addEventListener("pagehide", () => { clearTimeout(timer); asking?.abort(); });
}

// --- an action on many, step by step

const steps = one("form[data-auto]");
if (steps) {
  one("[data-script]").hidden = false;
  const go = setTimeout(() => steps.submit(), 150);
  one("#stop").addEventListener("click", () => clearTimeout(go));
}

// --- keys

const help = one("#help");
const keysOn = one("#keys-on");
keysOn.checked = kept.get("keys", "on") === "on";
keysOn.addEventListener("change", () => kept.set("keys", keysOn.checked ? "on" : "off"));
const helpButton = one("#help-open");
helpButton.hidden = false;
helpButton.addEventListener("click", () => help.showModal());

function step(by) {
  const links = all("#rows a.name, .groups .message a");
  const row = document.activeElement?.closest("#rows tr, .groups li");
  const at = links.findIndex((link) => row?.contains(link));
  const to = links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + by))];
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
}

const actions = {
  j: () => step(1),
  k: () => step(-1),
  x: () => { const box = one('input[name="id"]', document.activeElement?.closest("#rows tr") ?? document.createElement("i")); box?.click(); },
  a: () => pickAll(picked().length === 0),
  "/": () => { const field = one("#q"); if (field) { field.focus(); field.select(); } else location.assign(`${document.body.dataset.root}/`); },
  p: () => toggle && setLive(!going),
  "?": () => help.showModal(),
  1: () => location.assign(`${document.body.dataset.root}/`),
  2: () => location.assign(`${document.body.dataset.root}/failures`),
  3: () => location.assign(`${document.body.dataset.root}/workers`),
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) return;
  const typing = target.matches("input:not([type=checkbox]), select, textarea");
  if (typing) { if (key === "Escape") target.blur(); return; }
  if (!keysOn.checked && key !== "?") return;
  if (Object.hasOwn(actions, key)) { event.preventDefault(); actions[key](); }
});

count();
