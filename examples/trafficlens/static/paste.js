// What was pasted, as domains in the order given; and a list as a link.

const MOST = 1_000; // the server answers no more at once

/**
 * `{keys, over, twice, strange}`: the domains, each once; how many were too many, and how many came again; and the
 * pieces that are no domain.
 */
export function domainsIn(text) {
  const pieces = text.split(/[\s,;|"'`<>()[\]{}]+/).filter((piece) => /[^\W_]/u.test(piece) || /\p{L}/u.test(piece));
  const keys = new Set();
  const strange = new Set();
  let twice = 0;
  for (const piece of pieces) {
    const key = domainOf(piece);
    if (!key) strange.add(piece);
    else if (keys.has(key)) twice += 1;
    else keys.add(key);
  }
  return { keys: [...keys].slice(0, MOST), over: Math.max(0, keys.size - MOST), twice, strange: [...strange] };
}

/** The server has the last word; this is to know at once which rows there will be, and which are the same. */
function domainOf(piece) {
  try {
    const { hostname } = new URL(`http://${piece.replace(/^([a-z][a-z0-9+.-]*:)?\/\//i, "")}`);
    const host = hostname.replace(/\.$/, "").replace(/^www\./, "");
    return /^((?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-|\d+$)[a-z0-9-]{1,63}(?<!-)$/.test(host) ? host : null;
  } catch {
    return null;
  }
}

/** The list is in the fragment: it stays in the browser, whoever logs addresses on the way. */
export const linkOf = (keys) => `${location.pathname}${location.search}#${keys.join(",")}`;

export const listIn = (hash) => domainsIn(decodeSafely(hash.slice(1))).keys;

function decodeSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
