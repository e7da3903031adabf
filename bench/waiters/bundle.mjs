// Bundles adapters with what they import: node bundle.mjs OUTDIR FILE… ; settled's own files are served by the kit.

import { readFile } from "node:fs/promises";
import { build } from "esbuild";

const [outdir, ...entryPoints] = process.argv.slice(2);
const here = (path) => new URL(path, import.meta.url).pathname;

const celery = {
  name: "celery-progress comes from its Python package, as a classic script",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^celery-progress$/ }, () => ({ path: "celery-progress", namespace: "celery" }));
    onLoad({ filter: /.*/, namespace: "celery" }, async () => {
      const text = await readFile(here("node_modules/.python/celery_progress/static/celery_progress/celery_progress.js"));
      return { contents: `${text}\nexport { CeleryProgressBar };` };
    });
  },
};

await build({
  entryPoints,
  outdir,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  external: ["/waiter.js", "/settled.js"],
  nodePaths: [here("node_modules")], // for adapters that live elsewhere
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [celery],
  logLevel: "warning",
});
