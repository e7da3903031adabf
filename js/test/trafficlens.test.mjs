// The page of examples/trafficlens: what was pasted becomes domains, and what is shown becomes a file.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const page = (name) => import(new URL(`../../examples/trafficlens/static/${name}.js`, import.meta.url));
const { domainsIn } = await page("paste");
const { table } = await page("export");

test("the page takes for a domain what the server does", async () => {
  const cases = JSON.parse(await readFile(new URL("../../tests/examples/trafficlens/domains.json", import.meta.url)));
  for (const [pasted, domain] of cases) {
    if (pasted.trim().includes(" ")) continue; // two pieces here
    assert.deepEqual(domainsIn(pasted).keys, domain ? [domain] : [], pasted);
  }
});

test("any mess is a list in the order given, each domain once", () => {
  const mess = `1. https://www.b.com/x, a.com;c.com\n"B.com" | <a href='http://d.org/'>d</a> (e.net)\t* f.io`;
  const { keys, twice } = domainsIn(mess);
  assert.deepEqual(keys, ["b.com", "a.com", "c.com", "d.org", "e.net", "f.io"]);
  assert.equal(twice, 1);
});

test("what is no domain is told, and left out", () => {
  const { keys, strange } = domainsIn("a.com nonsense 127.0.0.1 --- 5");
  assert.deepEqual(keys, ["a.com"]);
  assert.deepEqual(strange, ["nonsense", "127.0.0.1", "5"]);
});

test("of too many domains the first thousand are taken, and the others counted", () => {
  const { keys, over } = domainsIn(Array.from({ length: 1_200 }, (_, i) => `n${i}.com`).join(" "));
  assert.deepEqual([keys.length, keys.at(-1), over], [1_000, "n999.com", 200]);
});

const value = { visits: 12, growth: -0.5, duration: 60, pages: 2, bounce: 0.5, sources: { direct: 1 }, history: [["2026-09", 24], ["2026-10", 12]], category: 'a, "b"' };
const rows = [
  { key: "a.com", item: { found: true, settled: true, value, got_at: "2026-11-01T00:00:00.000Z", age: 1 }, heard: 0 },
  { key: "b.com", item: { found: false, settled: true, last_error: { reason: "exception", message: "=1+1\nno", type: "PublicError" } }, heard: 0 },
];

test("a file has a line for each row, quoted as spreadsheets expect it", () => {
  assert.deepEqual(table(rows, ",").split("\r\n"), [
    "domain,state,visits,growth,duration,pages,bounce,category,direct,2026-09,2026-10,got_at,error,basis",
    'a.com,ready,12,-0.5,60,2,0.5,"a, ""b""",1,24,12,2026-11-01T00:00:00.000Z,,',
    `b.com,failed,,,,,,,,,,,"'=1+1\nno",`,
    "",
  ]);
  assert.equal(table(rows, "\t").split("\r\n")[2].split("\t").at(-2), "'=1+1 no");
});
