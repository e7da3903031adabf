/**
 * Builds what the wheel serves, src/settled/web/static/{waiter,settled}.js, from src; `--check` builds nothing but says
 * whether the committed files are those, and as small as promised. `--modules` builds the modules one by one, for tests.
 */
import { readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(here("package.json"), "utf8"));
const LIMITS = { "waiter.js": 4_096, "settled.js": 8_192 }; // bytes, gzipped
const css = {
  name: "css as text, minified",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { outputFiles } = await build({ entryPoints: [path], minify: true, write: false });
      return { contents: outputFiles[0].text.trim(), loader: "text" };
    }),
};
const common = { bundle: true, format: "esm", target: "es2022", plugins: [css], logLevel: "warning" };

if (process.argv.includes("--modules")) {
  const names = ["index", "machine", "page", "words", "element", "define", "react", "vue", "svelte"].filter((name) => existsSync(here(`src/${name}.ts`)));
  const external = ["react", "vue", "svelte", "svelte/*"];
  const entryPoints = names.map((name) => here(`src/${name}.ts`));
  await build({ ...common, entryPoints, external, splitting: true, outdir: here("dist"), sourcemap: true, define: { WATCHERS: JSON.stringify(`settled.modules.${version}`) } });
} else {
  const { outputFiles } = await build({
    ...common,
    entryPoints: { waiter: here("src/index.ts"), settled: here("src/define.ts") },
    outdir: here("."),
    write: false,
    minify: true,
    define: { WATCHERS: JSON.stringify(`settled.watchers.${version}`) }, // shared by the two files, not across versions
    banner: { js: `/* settled ${version}, MIT licence; readable source: js/src in the project, or the npm package */` },
  });
  const check = process.argv.includes("--check");
  for (const { path, text } of outputFiles) {
    const name = path.split("/").at(-1);
    const target = here(`../src/settled/web/static/${name}`);
    const size = gzipSync(text, { level: 9 }).length;
    console.log(`${name}: ${size} bytes gzipped, of ${LIMITS[name]}`);
    if (size > LIMITS[name]) fail(`${name} has grown beyond its limit.`);
    if (!check) await writeFile(target, text);
    else if ((await readFile(target, "utf8").catch(() => "")) !== text)
      fail(`${name} as committed is not what js/src builds. Run npm run build in js, and commit it.`);
  }
}

function fail(why) {
  console.error(why);
  process.exitCode = 1;
}
