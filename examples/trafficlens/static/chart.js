// The history of a domain as small drawings, with the same in words for whoever cannot see them.

import { h, svg } from "./dom.js";
import { exact, monthName, share, short } from "./format.js";

const [WIDTH, HEIGHT, PAD] = [116, 30, 3];

/** A line with the ground below it filled. */
export function sparkline(history) {
  const values = history.map(([, visits]) => visits);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = HEIGHT - 2 * PAD;
  const points = values.map((value, i) => [
    PAD + (i * (WIDTH - 2 * PAD)) / Math.max(1, values.length - 1),
    HEIGHT - PAD - (high > low ? ((value - low) / (high - low)) * room : room / 2),
  ]);
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  const [x, y] = points.at(-1);
  return svg(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", class: "spark", "aria-label": inWords(history) },
    svg("path", { class: "ground", d: `M${line}L${x} ${HEIGHT}L${PAD} ${HEIGHT}Z` }),
    svg("path", { class: "line", d: `M${line}` }),
    svg("circle", { class: "dot", cx: x, cy: y, r: 2.4 }),
  );
}

function inWords(history) {
  const [[first, from], [last, to]] = [history[0], history.at(-1)];
  return `${short(from)} visits in ${monthName(first)}, ${short(to)} in ${monthName(last)}`;
}

/** A bar for each month, from zero. */
export function bars(history) {
  const most = Math.max(...history.map(([, visits]) => visits));
  return h(
    "ol", { class: "bars" },
    ...history.map(([month, visits]) =>
      h(
        "li", { title: `${monthName(month)}: ${exact(visits)} visits` },
        h("span", { class: "value" }, short(visits)),
        h("span", { class: "column", "aria-hidden": "true" }, sized("height", visits / most)),
        h("span", { class: "month" }, monthName(month).slice(0, 3)),
      ),
    ),
  );
}

/** One bar of all sources. */
export function mix(sources) {
  const words = sorted(sources).map(([name, part]) => `${name} ${share(part)}`).join(", ");
  return h(
    "span", { class: "mix", role: "img", "aria-label": `Sources: ${words}`, title: words },
    ...Object.entries(sources).map(([name, part]) => {
      const piece = sized("width", part);
      piece.dataset.source = name;
      return piece;
    }),
  );
}

/** The sources as a list, the largest first. */
export function legend(sources) {
  return h(
    "ul", { class: "legend" },
    ...sorted(sources).map(([name, part]) =>
      h("li", {}, h("i", { "data-source": name, "aria-hidden": "true" }), h("span", {}, name), h("b", {}, share(part))),
    ),
  );
}

const sorted = (sources) => Object.entries(sources).sort(([, a], [, b]) => b - a);

function sized(what, part) {
  const piece = h("i");
  piece.style[what] = `${Math.max(0, Math.min(1, part)) * 100}%`;
  return piece;
}
