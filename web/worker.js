// archcalc in Python in WebAssembly: a request in JSON to an answer in JSON.
import { loadPyodide } from "./pyodide/pyodide.mjs";

let respond;

async function begin() {
  const here = new URL(".", import.meta.url).href;
  const archive = fetch(`${here}archcalc.zip`).then((response) => response.arrayBuffer());
  const python = await loadPyodide({ indexURL: `${here}pyodide/` });
  python.unpackArchive(await archive, "zip", { extractDir: python.runPython("import site; site.getsitepackages()[0]") });
  python.runPython("import importlib; importlib.invalidate_caches()");
  respond = python.runPython("from archcalc.page.answer import respond; respond");
}

onmessage = ({ data }) => postMessage({ answer: respond(data) });
begin().then(() => postMessage({ ready: true }), (error) => postMessage({ failed: String(error) }));
