/**
 * Builds what the wheel serves, src/settled/web/static/{waiter,settled,submit,latest,batch}.js, from src; `--check` writes
 * nothing but says whether the committed files are those, and as small as promised. `--modules` builds dist/, for the tests.
 */
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const here = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(here("package.json"), "utf8"));
const LIMITS = { waiter: 4_096, settled: 8_192, submit: 2_048, latest: 1_024, batch: 6_144 }; // bytes, gzipped
// Names of fields that are nobody else's: not of the wire, the browser, or what pages see.
const OURS = `alive back callers clock close crowd deadline do due errors etag expected first flying forbidden freshFrom held holds
  latest listen lookedAt manual missingSince network nonsense page plain polls pruned redirects retryAfter send
  signedOut spares start state stream streams verdict wait wall wanted endless broken`;

const css = {
  name: "css as text, minified",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { outputFiles } = await build({ entryPoints: [path], minify: true, write: false });
      return { contents: outputFiles[0].text.trim(), loader: "text" };
    }),
};
const beside = {
  name: "the waiter is a file beside this one",
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/wait\.ts$/ }, () => ({ path: "./waiter.js", external: true })),
};
const common = { bundle: true, format: "esm", target: "es2022", plugins: [css], logLevel: "warning" };
const shared = (what) => ({ WATCHERS: JSON.stringify(`settled ${version}${what}`) }); // never with another build

if (process.argv.includes("--modules")) {
  const names = ["index", "wire", "machine", "page", "element", "batch", "define", "react", "vue", "svelte"];
  const entryPoints = names.map((name) => here(`src/${name}.ts`));
  const external = ["react", "vue", "svelte", "svelte/*"];
  await build({ ...common, entryPoints, external, splitting: true, outdir: here("dist"), define: shared(" modules") });
} else {
  const nameCache = {}; // one for all: a page may load two of them, which then share their waits
  for (const [name, entry] of Object.entries({ waiter: "waiter", settled: "define", submit: "submit", latest: "latest", batch: "batch" })) {
    const options = { entryPoints: [here(`src/${entry}.ts`)], write: false, define: shared("") };
    if (!["waiter", "settled"].includes(name)) options.plugins = [beside, css];
    const { outputFiles } = await build({ ...common, ...options });
    const { code } = await minify(outputFiles[0].text, {
      module: true,
      ecma: 2022,
      compress: { passes: 3, unsafe_arrows: true, pure_getters: true, reduce_funcs: false },
      mangle: { properties: { regex: new RegExp(`^(${OURS.split(/\s+/).join("|")})$`) } },
      nameCache,
      format: { preamble: `/* settled ${version} MIT, js/src */` },
    });
    await deliver(name, `${code}\n`);
  }
}

async function deliver(name, text) {
  const size = gzipSync(text, { level: 9 }).length;
  console.log(`${name}.js: ${size} bytes gzipped, of ${LIMITS[name]}`);
  if (size > LIMITS[name]) fail(`${name}.js has grown beyond its limit.`);
  const target = here(`../src/settled/web/static/${name}.js`);
  if (!process.argv.includes("--check")) return writeFile(target, text);
  const committed = await readFile(target, "utf8").catch(() => "");
  if (committed !== text) fail(`${name}.js as committed is not what js/src builds: run npm run build in js, commit it.`);
}

function fail(why) {
  console.error(why);
  process.exitCode = 1;
}
