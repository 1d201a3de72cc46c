// One call, whatever answers it: archcalc itself in a worker, with nothing behind it.

const SECONDS = 30; // how long an answer may take, on a phone
const TOO_LONG = { ok: false, problems: [{ line: 0, column: 0, path: [], message: "this takes too long, and was stopped", hint: "install archcalc: the command line has no limit" }] };

let worker, started, known, timer;
let waiting = []; // { request, signal, resolve, reject }, the first of which is being answered
let begun = false;

export const loading = "archcalc itself is being loaded into this page, once (9 MB). Until it is there only GoogLeNet's first numbers are shown.";
export let ready;

function start() {
  worker = new Worker("worker.js", { type: "module" });
  begun = false;
  started = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.ready) { begun = true; resolve(); next(); }
      else if (data.failed) { reject(new Error(data.failed)); fail(new Error(data.failed)); }
      else answered(data.answer);
    };
    worker.onerror = (event) => { const error = new Error(event.message || "the engine did not load"); reject(error); fail(error); };
  });
  started.catch(() => {});
  return started;
}

function fail(error) {
  for (const each of waiting.splice(0)) each.reject(error);
}

function answered(answer) {
  clearTimeout(timer);
  waiting.shift().resolve(JSON.parse(answer));
  next();
}

function next() {
  // What nobody waits for any more is not asked.
  waiting = waiting.filter((each) => !each.signal?.aborted || (each.resolve(TOO_LONG), false));
  if (!begun || !waiting.length) return;
  worker.postMessage(JSON.stringify(waiting[0].request));
  timer = setTimeout(() => {
    worker.terminate();
    waiting.shift().resolve(TOO_LONG);
    start();
  }, SECONDS * 1000);
}

ready = start();

// What the build computed, so that there is something to see at once.
const first = fetch("first.json").then((response) => response.json()).catch(() => ({}));

export async function ask(request, signal) {
  if (!begun) {
    known ??= await first;
    const found = known[JSON.stringify(request)];
    if (found) return found;
  }
  return new Promise((resolve, reject) => {
    waiting.push({ request, signal, resolve, reject });
    if (begun && waiting.length === 1) next();
  });
}

export const opened = async () => null;
export const save = async () => ({ ok: false, message: "there is no file" });
export const linked = true;
