// One call, whatever answers it: the program that serves this page.

export async function ask(request, signal) {
  const response = await fetch("ask", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw new Error(`the program answered ${response.status}`);
  return response.json();
}

// What the program was started with; `since` is the edition that is known.
export async function opened(since = "") {
  const response = await fetch(since ? `opened?${since}` : "opened");
  return response.status === 200 ? response.json() : null;
}

export async function save(text, stamp) {
  const response = await fetch("save", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text, stamp }),
  });
  return response.json();
}

export const loading = "";
export const ready = Promise.resolve();
