import { ask, linked, loading, opened, ready, save } from "./engine.js";
import { bytes, element, field, timeline } from "./draw.js";
import { editor } from "./editor.js";
import * as link from "./link.js";
import { thin } from "./thin.js";

const $ = (id) => document.getElementById(id);
const state = { name: "googlenet", text: null, variant: null, vars: {}, input: null, batch: 1, convention: "macs", dtype: "float32", training: false, columns: null, detail: "stage", layer: null };
const FRESH = { text: null, variant: null, vars: {}, input: null, batch: 1, layer: null };
let known = null; // networks, columns, conventions, dtypes
let words = null; // what completion offers
let shown = null; // the last answer that was whole
let ours = ""; // the text as the zoo or the file has it
let file = null; // { file, stamp } of what the program watches
let controller = null;
const open = new Set(); // stages that are open

const text = editor($("editor"), {
  changed(content) {
    state.text = content === ours && state.name ? null : content;
    later();
  },
  moved(line) {
    const at = Object.entries(shown?.places ?? {}).filter(([, place]) => place <= line).at(-1);
    if (at) highlight(at[0], "text");
  },
  words: () => words,
});

// --- asking

const network = () => {
  const { name, text: written, variant, vars, input, batch } = state;
  return written != null ? { text: written, variant, vars, input, batch } : { name, variant, vars, input, batch };
};

let timer = 0;
function later() {
  clearTimeout(timer);
  timer = setTimeout(refresh, 150);
}

async function refresh() {
  controller?.abort();
  controller = new AbortController();
  const { signal } = controller;
  const { training, dtype, convention, columns, detail } = state;
  document.body.dataset.busy = "";
  let answer;
  try {
    answer = await ask({ ask: "analyze", ...network(), training, dtype, convention, columns, diagram: detail }, signal);
  } catch (error) {
    if (signal.aborted) return;
    answer = { ok: false, problems: [{ line: 0, column: 0, message: "archcalc does not answer", hint: String(error.message ?? error) }] };
  }
  if (signal.aborted) return;
  delete document.body.dataset.busy;
  const problems = answer.ok ? [] : answer.problems;
  text.problems(problems.filter((problem) => problem.line));
  tell(problems);
  text.keep();
  $("stale").hidden = answer.ok || !shown;
  if (!answer.ok) $("stale").textContent = `${problems[0].message}. These are the numbers before that.`;
  $("numbers").classList.toggle("stale", !answer.ok);
  $("drawing").classList.toggle("stale", !answer.ok);
  if (answer.ok) show(answer);
  remember();
}

async function remember() {
  if (linked) history.replaceState(null, "", await link.written(state));
}

function tell(problems) {
  const tab = document.querySelector("[data-pane=spec]");
  if (problems.length) tab.dataset.problems = problems.length;
  else delete tab.dataset.problems;
  $("problems").replaceChildren(...problems.map((problem) => element("li", {},
    element("button", { type: "button", onclick: () => { pane("spec"); text.go(problem.line, problem.column); } },
      problem.line ? `line ${problem.line}` : "spec"),
    ` ${problem.message}`, problem.hint ? element("span", { class: "note" }, ` ${problem.hint}`) : null)));
}

// --- what was answered

function show(answer) {
  shown = answer;
  if (state.text == null && text.text !== answer.text) {
    ours = answer.text;
    text.set(answer.text);
  }
  const { network: about } = answer;
  document.title = `${about.name} · archcalc`;
  $("title").textContent = about.name;
  const edition = [about.title + (about.year ? ` (${about.year})` : ""), about.edition].filter(Boolean).join(": ");
  const sources = about.source.filter((source) => /^https?:\/\//.test(source)).slice(0, 2);
  $("about").replaceChildren(edition, ...sources.flatMap((source) => [" ", element("a", { href: source, rel: "noopener noreferrer" }, new URL(source).hostname.replace("www.", ""))]));
  if (document.activeElement !== $("network")) $("network").value = state.text == null ? state.name : "";
  variants(answer);
  totals(answer);
  controls(answer);
  table(answer);
  ways(answer);
  memory(answer);
  diagram(answer.diagram);
  if (state.layer) why(state.layer, null, true);
  highlight(state.layer);
}

function variants({ variants: names, network: { variant } }) {
  $("variant-label").hidden = names.length < 2;
  $("variant").replaceChildren(...names.map((name) => element("option", { value: name, selected: name === variant }, name)));
}

function totals({ totals: found }) {
  $("totals").replaceChildren(...Object.entries(found).map(([name, value]) => {
    const explained = { params: () => why(null), depth: () => why(null) }[name] ?? (() => { $("ways").open = true; $("ways").scrollIntoView({ behavior: "smooth", block: "nearest" }); });
    const asks = ["params", "depth", "FLOPs"].includes(name) || name === Object.keys(found)[2];
    return element("div", {}, element("dt", {}, name), element("dd", {}, asks ? element("button", { type: "button", title: "Why?", onclick: explained }, value) : value));
  }));
}

function controls(answer) {
  const inputs = Object.entries(answer.inputs);
  const focused = document.activeElement;
  if (!$("inputs").contains(focused)) {
    $("inputs").replaceChildren(element("legend", {}, inputs.length > 1 ? "Inputs" : "Input"), ...inputs.map(([name, shape]) => {
      const box = element("input", { value: shape.join("x"), size: 11, "aria-label": `Shape of ${name}`, inputmode: "text", spellcheck: "false" });
      box.addEventListener("change", () => {
        const sizes = box.value.split(/[x×, ]+/).filter(Boolean).map(Number);
        const whole = sizes.length > 0 && sizes.every((size) => Number.isSafeInteger(size) && size > 0);
        box.setCustomValidity(box.value.trim() && !whole ? "a shape is written 3x224x224" : "");
        if (!box.reportValidity()) return;
        state.input = box.value.trim() ? { ...Object.fromEntries(inputs), ...state.input, [name]: sizes } : null;
        later();
      });
      return inputs.length > 1 ? element("label", {}, name, " ", box) : box;
    }));
  }
  const variables = Object.entries(answer.vars);
  $("variables").hidden = !variables.length;
  const where = $("variables").querySelector("div");
  if (!where.contains(focused)) where.replaceChildren(...variables.map(([name, value]) => variable(name, value)));
  $("batch").value = state.batch;
  $("convention").value = state.convention;
  $("dtype").value = state.dtype;
  $("training").checked = state.training;
  $("detail").value = state.detail;
}

function variable(name, value) {
  const set = (found) => { state.vars = { ...state.vars, [name]: found }; state.input = null; later(); };
  const id = `var-${name}`;
  const label = element("label", { for: id }, name);
  if (typeof value === "boolean") {
    return element("div", { class: "variable" }, label, element("input", { id, type: "checkbox", checked: value, onchange: (event) => set(event.target.checked) }), element("span"));
  }
  if (Number.isInteger(value) && value > 0) {
    const step = value >= 64 && value % 32 === 0 ? 32 : value >= 64 && value % 8 === 0 ? 8 : 1;
    const range = element("input", { id, type: "range", min: step, max: Math.max(2 * value, 8 * step), step, value });
    const box = element("input", { type: "number", value, "aria-label": name });
    range.addEventListener("input", () => { box.value = range.value; set(Number(range.value)); });
    box.addEventListener("change", () => { range.value = box.value; set(Number(box.value)); });
    return element("div", { class: "variable" }, label, range, box);
  }
  const box = element("input", { id, value: value == null ? "" : typeof value === "string" ? value : JSON.stringify(value), spellcheck: "false" });
  box.addEventListener("change", () => {
    let found = box.value;
    try { found = JSON.parse(found); } catch { /* a word */ }
    set(found);
  });
  return element("div", { class: "variable" }, label, box, element("span"));
}

function table(answer) {
  const { columns, rows, sums, hidden } = answer.table;
  $("table").classList.toggle("usual", !state.columns); // of which some give way where it is narrow
  const [head, body, foot] = ["thead", "tbody", "tfoot"].map((name) => $("table").querySelector(name));
  head.replaceChildren(element("tr", {}, ...columns.map((column) => element("th", { scope: "col", "data-column": column.name, class: column.right ? "n" : null }, column.header))));
  body.replaceChildren(...rows.flatMap((row) => [line(row, columns), ...(open.has(row.name) ? inner(row, columns) : [])]));
  foot.replaceChildren(element("tr", {}, ...sums.map((sum, k) => element(k ? "td" : "th", { "data-column": columns[k].name, class: columns[k].right ? "n" : null, scope: k ? null : "row" }, k ? sum : "total"))));
  $("hidden").textContent = hidden.length ? `Without a line of their own: ${hidden.slice(0, 6).join(", ")}${hidden.length > 6 ? ` and ${hidden.length - 6} more` : ""}.` : "";
}

const inner = (row, columns) => (row.layers ?? []).map((each) => line(each, columns, row.name));

function line(row, columns, within = "") {
  const cells = row.cells.map((cell, k) => {
    const { name, right } = columns[k];
    if (k === 0) {
      const label = within ? cell.replace(`${within}.`, "") : cell;
      const choose = element("button", { type: "button", class: "name", onclick: () => why(row.name) }, label);
      const fold = row.layers ? element("button", { type: "button", class: "fold", "aria-expanded": String(open.has(row.name)), "aria-label": `Layers of ${row.name}`, onclick: (event) => toggle(event, row) }, "▸") : null;
      return element("th", { scope: "row" }, fold, choose);
    }
    const asks = right && cell !== "" && cell !== "0";
    return element("td", { "data-column": name, class: right ? "n" : null }, asks ? element("button", { type: "button", class: "why", title: `Why ${cell}?`, onclick: () => why(row.name, name) }, cell) : cell);
  });
  const made = element("tr", { "data-layer": row.name, class: within ? "in" : null }, ...cells);
  made.addEventListener("mouseenter", () => highlight(row.name, "table"));
  return made;
}

function toggle(event, row) {
  const shut = open.delete(row.name);
  if (!shut) open.add(row.name);
  event.currentTarget.setAttribute("aria-expanded", String(!shut));
  const at = event.currentTarget.closest("tr");
  if (shut) while (at.nextSibling?.classList.contains("in")) at.nextSibling.remove();
  else at.after(...inner(row, shown.table.columns));
}

function ways({ conventions }) {
  $("ways").querySelector("tbody").replaceChildren(...conventions.map((way) => element("tr", { class: way.name === state.convention ? "chosen" : null },
    element("th", { scope: "row" }, element("button", { type: "button", class: "name", title: "Count so", onclick: () => { state.convention = way.name; later(); } }, way.header)),
    element("td", { class: "n" }, way.number ?? "fails"),
    element("td", { class: "words" }, way.failure || way.about, way.tool ? element("span", { class: "note" }, ` ${way.tool}`) : null,
      way.blind.length ? element("span", { class: "bad" }, ` Here not counted: ${way.blind.join(", ")}.`) : null))));
}

function memory({ memory: found }) {
  const where = $("memory").querySelector("div");
  $("memory").hidden = !found;
  if (!found) return;
  const parts = Object.entries(found.parts).map(([name, size]) => element("div", {}, element("dt", {}, name), element("dd", {}, bytes(size))));
  where.replaceChildren(element("dl", { class: "parts" }, ...parts, element("div", { class: "sums" }, element("dt", {}, "at most"), element("dd", {}, bytes(found.most)))),
    timeline(found, (layer) => why(layer)) ?? "", element("p", { class: "note" }, found.peak ? `Most activations are there while ${found.peak} runs. Each bar is a layer.` : ""));
}

// --- the drawing

const root = $("diagram").attachShadow({ mode: "open" });
let dark = false;

function diagram(svg) {
  // A drawing of its own style; it knows the system's colours, the page may have others.
  const fitting = svg.replaceAll("@media (prefers-color-scheme:dark)", dark ? "@media all" : "@media not all");
  root.innerHTML = svg ? `<style>:host{display:block}svg{max-width:100%;height:auto;display:block;margin:auto}g[data-layer]{cursor:pointer}
    g[data-layer]:hover>rect,g.on>rect,g.on>circle{stroke-width:3}g[data-layer]:focus-visible{outline:2px solid #3b7dc4}</style>${fitting}`
    : "<p>This network has too many layers to be drawn here.</p>";
  for (const node of root.querySelectorAll("g[data-layer]")) {
    const layer = node.dataset.layer;
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", `Why ${layer}`);
    node.addEventListener("click", (event) => { event.stopPropagation(); why(layer); });
    node.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); why(layer); } });
    node.addEventListener("mouseenter", () => highlight(layer, "drawing"));
  }
}

// Text, table and drawing point at each other: the layer itself, else the block it stands in.
function highlight(layer, from = "") {
  const nearest = (found) => {
    for (let name = layer ?? ""; name; name = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "") {
      const hits = found(name);
      if (hits.length) return hits;
    }
    return [];
  };
  const rows = [...$("table").querySelectorAll("tr[data-layer]")];
  const boxes = [...root.querySelectorAll("g[data-layer]")];
  const within = (name) => (each) => each.dataset.layer === name;
  const hits = nearest((name) => rows.filter(within(name)));
  for (const row of rows) row.classList.toggle("on", hits.includes(row));
  const drawn = nearest((name) => { const same = boxes.filter(within(name)); return same.length ? same : boxes.filter((each) => each.dataset.layer.startsWith(`${name}.`)).slice(0, 1); });
  for (const box of boxes) box.classList.toggle("on", drawn.includes(box));
  if (from !== "text") text.show(shown?.places[(layer ?? "").split(".")[0]] ?? 0);
  if (from === "text" || from === "why") hits[0]?.scrollIntoView({ block: "nearest" });
  if ((from === "text" || from === "why") && drawn[0]) drawn[0].scrollIntoView({ block: "nearest" });
}

// --- why

async function why(layer, quantity = null, again = false) {
  state.layer = layer;
  const answer = await ask({ ask: "explain", ...network(), convention: state.convention, layer });
  if (state.layer !== layer) return;
  const told = answer.ok ? answer.html : null;
  $("why").hidden = false;
  if (told == null) $("reason").replaceChildren(...answer.problems.map((problem) => element("p", {}, [problem.message, problem.hint].filter(Boolean).join(" "))));
  else $("reason").innerHTML = told; // made by archcalc, which makes every text in it safe
  const names = { macs: "MACs", params: "parameters" };
  for (const term of $("reason").querySelectorAll("dt")) term.classList.toggle("asked", term.textContent === (names[quantity] ?? quantity));
  const seen = layer ? field(shown?.fields[layer] ?? last(layer)) : null;
  $("field").replaceChildren(...(seen ? [seen] : []));
  if (!again) {
    highlight(layer, "why");
    $("why").scrollTop = 0;
    remember();
  }
}

// What the last layer of a block sees.
function last(block) {
  const within = Object.keys(shown?.fields ?? {}).filter((name) => name.startsWith(`${block}.`));
  return within.length ? shown.fields[within.at(-1)] : null;
}

function shut() {
  $("why").hidden = true;
  state.layer = null;
  highlight(null);
}

// --- the page

function pane(name) {
  document.querySelector(".panes").dataset.shown = name;
  for (const tab of document.querySelectorAll(".tabs button")) tab.setAttribute("aria-pressed", String(tab.dataset.pane === name));
}

function notice(words, ...more) {
  $("notice").hidden = !words;
  $("notice").replaceChildren(words ?? "", ...more);
}

function themed(choice) {
  dark = choice ? choice === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  if (shown) { diagram(shown.diagram); highlight(state.layer); }
}

function load(change) {
  Object.assign(state, FRESH, change);
  open.clear();
  if (state.text != null) { ours = ""; text.set(state.text); }
  if (state.layer == null) $("why").hidden = true;
  refresh();
}

async function take(dropped) {
  if (!dropped) return;
  notice(`Reading ${dropped.name} ...`);
  const thinned = await thin(dropped);
  const content = new Uint8Array(await thinned.arrayBuffer());
  let binary = "";
  for (let k = 0; k < content.length; k += 32768) binary += String.fromCharCode(...content.subarray(k, k + 32768));
  let answer;
  try { answer = await ask({ ask: "take", file: thinned.name.slice(-200), content: btoa(binary) }); }
  catch { answer = { ok: false, problems: [{ message: "is too large for the page", hint: "try 'archcalc import'" }] }; }
  if (!answer.ok) {
    notice(`${dropped.name}: ${answer.problems.map((problem) => [problem.message, problem.hint].filter(Boolean).join(" ")).join("; ")}`);
    return;
  }
  notice(null);
  load({ name: null, text: answer.text });
}

async function watch() {
  if (!file || document.hidden) return;
  const found = await opened(file.stamp).catch(() => null);
  if (!found || found.stamp === file.stamp) return;
  const touched = text.text !== file.text;
  file = found;
  const again = () => { notice(null); state.text = found.text; text.set(found.text); refresh(); };
  if (touched) notice(`${found.file} was changed on the disk. `, element("button", { type: "button", onclick: again }, "Load it"));
  else again();
}

function listen() {
  $("network").addEventListener("change", () => { if ($("network").value.trim()) load({ name: $("network").value.trim() }); });
  $("network").addEventListener("focus", () => $("network").select());
  $("variant").addEventListener("change", () => {
    const variant = $("variant").value;
    Object.assign(state, { variant, vars: {}, input: null, layer: null });
    if (state.text == null) Object.assign(state, { name: variant, variant: null });
    $("why").hidden = true;
    refresh();
  });
  $("batch").addEventListener("change", () => { if ($("batch").reportValidity()) { state.batch = Math.max(1, Math.floor(Number($("batch").value) || 1)); later(); } });
  for (const name of ["convention", "dtype", "detail"]) $(name).addEventListener("change", () => { state[name] = $(name).value; later(); });
  $("training").addEventListener("change", () => { state.training = $("training").checked; later(); });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const tab of document.querySelectorAll(".tabs button")) tab.addEventListener("click", () => pane(tab.dataset.pane));
  $("close").addEventListener("click", shut);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !$("why").hidden) shut(); });
  $("theme").addEventListener("click", () => { const choice = dark ? "light" : "dark"; try { localStorage.theme = choice; } catch { /* private */ } themed(choice); });
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { take($("file").files[0]); $("file").value = ""; });
  $("share").addEventListener("click", async () => {
    const address = new URL(await link.written(state), location.href).href;
    try { await navigator.clipboard.writeText(address); notice("The link is copied."); } catch { notice(address); }
    setTimeout(() => notice(null), 4000);
  });
  $("save").addEventListener("click", async () => {
    const content = text.text;
    const answer = await save(content, file.stamp).catch(() => ({ ok: false, message: "archcalc does not answer" }));
    if (answer.ok) { file.stamp = answer.stamp; file.text = content; }
    notice(answer.ok ? `${file.file} is saved.` : answer.message);
    if (answer.ok) setTimeout(() => notice(null), 3000);
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      document.body.classList.toggle("dropping", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    }, true);
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  for (const form of document.querySelectorAll("#tools form")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = Object.fromEntries(new FormData(form));
      if (given.other) given.other = { name: given.other };
      const where = $("tools").querySelector(".result");
      where.replaceChildren(element("p", { class: "note" }, "..."));
      const answer = await ask({ ask: form.dataset.ask, ...network(), convention: state.convention, dtype: state.dtype, ...given })
        .catch((error) => ({ ok: false, problems: [{ message: "archcalc does not answer", hint: String(error.message ?? error) }] }));
      if (answer.ok) where.innerHTML = answer.html; // as in why()
      else where.replaceChildren(...answer.problems.map((problem) => element("p", { class: "bad" }, [problem.message, problem.hint].filter(Boolean).join(" "))));
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (!stored()) themed(); });
  addEventListener("hashchange", async () => { const found = await link.read(location.hash); if (found) load({ name: null, ...found }); });
}

function stored() {
  try { return localStorage.theme; } catch { return undefined; }
}

async function begin() {
  themed(stored());
  listen();
  if (loading) {
    notice(loading);
    ready.then(() => { notice(null); document.body.dataset.engine = "ready"; }, (error) => notice(`archcalc could not be loaded: ${error.message}`));
  }
  $("share").hidden = !linked;
  const [told, begun] = await Promise.all([linked ? link.read(location.hash) : null, opened().catch(() => null)]);
  if (begun?.file) {
    file = begun;
    $("save").hidden = false;
    load({ name: null, ...told, text: begun.text });
    setInterval(watch, 1500);
  } else load(told ? { name: null, ...told } : { name: begun?.text ? null : "googlenet", ...begun });
  known = await ask({ ask: "networks" });
  $("networks").replaceChildren(...known.families.flatMap((family) => family.names.map((name) => element("option", { value: name }, `${family.title}${family.year ? ` (${family.year})` : ""}`))));
  $("convention").replaceChildren(...known.conventions.map(([name, about]) => element("option", { value: name, title: about }, name)));
  $("dtype").replaceChildren(...known.dtypes.map((name) => element("option", { value: name }, name)));
  $("machine").replaceChildren(...known.machines.map(([name, title]) => element("option", { value: name }, title)));
  $("convention").value = state.convention;
  $("dtype").value = state.dtype;
  $("columns").querySelector("div").replaceChildren(...known.columns.filter(([name]) => name !== "stage").map(([name, header]) => element("label", { class: "check" },
    element("input", { type: "checkbox", value: name, checked: (state.columns ?? known.shown).includes(name), disabled: name === "layer", onchange: () => {
      state.columns = [...$("columns").querySelectorAll("input:checked")].map((box) => box.value);
      later();
    } }), header)));
  // Not before somebody writes: making every operator takes a while.
  $("editor").addEventListener("focusin", async () => { words = await ask({ ask: "words" }); }, { once: true });
}

begin();
