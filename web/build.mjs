// Builds the page into archcalc/page/built; with a folder's name the one that needs no program behind
// it, into that folder (docs/play.py adds Pyodide and archcalc).
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const here = fileURLToPath(new URL(".", import.meta.url));
const still = process.argv[2];
const engine = { name: "engine", setup: (bundle) => bundle.onResolve({ filter: /^\.\/engine\.js$/ }, () => ({ path: join(here, "src", still ? "pyodide.js" : "engine.js") })) };
const out = still ?? join(here, "..", "archcalc", "page", "built");
await mkdir(out, { recursive: true });
const { metafile } = await build({
  metafile: true,
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

// What is bundled asks that its licence goes with it.
const packages = new Set(Object.keys(metafile.inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter(Boolean));
if (still) packages.add("pyodide");
const licences = [];
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const text = await readFile(join(folder, "LICENSE"), "utf8").catch(() => `${license}: https://www.npmjs.com/package/${name}`);
  licences.push(`${name} ${version}\n\n${text.trim()}\n`);
}
await writeFile(join(out, "LICENSES.txt"), licences.join(`\n${"-".repeat(72)}\n\n`));
