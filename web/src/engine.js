// One call, whatever answers it: the program that serves this page, or the notebook around it.

const inside = parent !== window && location.protocol === "about:"; // a frame without an address
const waiting = new Map();
const me = Math.random().toString(36).slice(2); // a notebook may show one widget in many frames
let asked = 0;

if (inside) {
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || !waiting.has(data?.number)) return;
    waiting.get(data.number)(data.answer);
    waiting.delete(data.number);
  });
}

function called(what, signal) {
  return new Promise((resolve, reject) => {
    const number = `${me}-${++asked}`;
    waiting.set(number, resolve);
    signal?.addEventListener("abort", () => { waiting.delete(number); reject(signal.reason); });
    parent.postMessage({ number, ...what }, "*"); // what has no address has no origin to name
  });
}

const posted = (where, data, signal) =>
  fetch(where, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data), signal });

export async function ask(request, signal) {
  if (inside) return called({ request }, signal);
  const response = await posted("ask", request, signal);
  if (!response.ok) throw new Error(`the program answered ${response.status}`);
  return response.json();
}

// What the program was started with; `since` is the edition that is known.
export async function opened(since = "") {
  if (inside) return called({ opened: true });
  const response = await fetch(since ? `opened?${since}` : "opened");
  return response.status === 200 ? response.json() : null;
}

export const save = async (text, stamp) => (await posted("save", { text, stamp })).json();

// Whether a link can lead here.
export const linked = !inside;
export const loading = "";
export const ready = Promise.resolve();
