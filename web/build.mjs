// Builds the page into archcalc/page/built; with a folder's name the one that needs no program behind
// it, into that folder (docs/play.py adds Pyodide and archcalc).
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const here = fileURLToPath(new URL(".", import.meta.url));
const still = process.argv[2];
const engine = { name: "engine", setup: (bundle) => bundle.onResolve({ filter: /^\.\/engine\.js$/ }, () => ({ path: join(here, "src", still ? "pyodide.js" : "engine.js") })) };
const out = still ?? join(here, "..", "archcalc", "page", "built");
await mkdir(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.js" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: out,
  legalComments: "none",
  logLevel: "warning",
  plugins: [engine],
});
await build({ absWorkingDir: here, entryPoints: { page: "src/page.css" }, bundle: true, minify: true, outdir: out, logLevel: "warning" });
for (const name of ["index.html", "icon.svg", ...(still ? ["worker.js"] : [])]) await copyFile(join(here, name), join(out, name));
