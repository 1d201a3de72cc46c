// The whole state in a link: by name where the text is the zoo's.

const SHORT = { name: "n", variant: "v", convention: "c", dtype: "d", layer: "l", detail: "g" };
const DATA = { batch: "b", input: "i", vars: "x", columns: "k", training: "t" };
const USUAL = { convention: "macs", dtype: "float32", batch: 1, training: false, detail: "stage" };

async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

async function packed(text) {
  const bytes = await through(new TextEncoder().encode(text), new CompressionStream("deflate-raw"));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function unpacked(word) {
  const binary = atob(word.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  return new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw")));
}

export async function written(state) {
  const words = new URLSearchParams();
  for (const [key, short] of Object.entries(SHORT)) {
    if (state[key] && state[key] !== USUAL[key]) words.set(short, state[key]);
  }
  for (const [key, short] of Object.entries(DATA)) {
    const value = state[key];
    const empty = value == null || (typeof value === "object" && !Object.keys(value).length);
    if (!empty && value !== USUAL[key]) words.set(short, JSON.stringify(value));
  }
  if (state.text != null) words.set("s", await packed(state.text));
  return `#${words}`;
}

export async function read(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const state = {};
  for (const [key, short] of Object.entries(SHORT)) if (words.has(short)) state[key] = words.get(short);
  try {
    for (const [key, short] of Object.entries(DATA)) if (words.has(short)) state[key] = JSON.parse(words.get(short));
    if (words.has("s")) state.text = await unpacked(words.get("s"));
  } catch {
    return null; // a link that was cut off
  }
  return state.name || state.text != null ? state : null;
}
