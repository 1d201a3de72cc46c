// Answers requests, a line each, with the engine of the static page: node parity.mjs FOLDER
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { join, resolve } from "node:path";

const folder = resolve(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide", "pyodide.mjs")));
const python = await loadPyodide({ indexURL: `${join(folder, "pyodide")}/` });
const site = python.runPython("import site; site.getsitepackages()[0]");
python.unpackArchive(new Uint8Array(await readFile(join(folder, "archcalc.zip"))), "zip", { extractDir: site });
python.runPython("import importlib; importlib.invalidate_caches()");
const respond = python.runPython("from archcalc.page.answer import respond; respond");
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${respond(line)}\n`);
