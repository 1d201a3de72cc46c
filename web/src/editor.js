// The editor: YAML, problems at their places, completion of what a spec is written with.

import { autocompletion } from "@codemirror/autocomplete";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";

const style = HighlightStyle.define([
  { tag: tags.definition(tags.propertyName), color: "var(--key)" },
  { tag: tags.propertyName, color: "var(--key)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--soft)" },
]);

const mark = StateEffect.define();
const marked = StateField.define({
  create: () => Decoration.none,
  update(found, transaction) {
    found = found.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(mark)) {
        const { doc } = transaction.state;
        const line = effect.value;
        found = line > 0 && line <= doc.lines
          ? Decoration.set([Decoration.line({ class: "cm-shown" }).range(doc.line(line).from)])
          : Decoration.none;
      }
    }
    return found;
  },
  provide: (field) => EditorView.decorations.from(field),
});

// Names that are defined in the text, by a key at this depth of a section.
function keysOf(text, section) {
  const block = new RegExp(`^${section}:[^\\n]*\\n((?:[ #].*\\n?|\\n)*)`, "m").exec(text);
  return block ? [...block[1].matchAll(/^  ([\w.-]+):/gm)].map((found) => found[1]) : [];
}

// Whether a member of a row, a layer that is a list, comes next.
function inRow(lead) {
  const open = [];
  for (const mark of lead.replace(/"[^"]*"/g, "")) {
    if ("[{".includes(mark)) open.push(mark);
    else if ("]}".includes(mark)) open.pop();
  }
  return /^\s+[\w.-]+:\s*\[/.test(lead) && open.length === 1 && /[[,]\s*$/.test(lead);
}

function completions(words) {
  return (context) => {
    const { text: line, from: start } = context.state.doc.lineAt(context.pos);
    const before = line.slice(0, context.pos - start);
    const word = /[\w.]*$/.exec(before)[0];
    const from = context.pos - word.length;
    const lead = before.slice(0, before.length - word.length);
    const known = words();
    if (!known || (!word && !context.explicit && !/[:,{]\s$/.test(lead))) return null;
    const text = context.state.doc.toString();
    const operators = () => Object.entries(known.operators).map(([label, told]) => ({ label, type: "class", info: told.about }));
    const named = (names, type) => names.map((label) => ({ label, type }));
    let options;
    if (/\bop:\s*$/.test(lead)) options = operators();
    else if (/\bblock:\s*$/.test(lead)) options = named(keysOf(text, "blocks"), "namespace");
    else if (/\b(from|share|outputs):\s*\[?[\w\s,.]*$/.test(lead)) options = named(keysOf(text, "layers"), "variable");
    else {
      const op = /\bop:\s*(\w+)\b[^}]*[,{]\s*$/.exec(lead);
      if (op) {
        const fields = known.operators[op[1]]?.fields ?? [];
        options = [
          ...fields.map(([label, info]) => ({ label, info, type: "property", apply: `${label}: ` })),
          ...known.layer.map((label) => ({ label, type: "keyword", apply: `${label}: ` })),
        ];
      } else if (/^\s+[\w.-]+:\s+$/.test(lead) || inRow(lead)) options = [...operators(), ...named(keysOf(text, "blocks"), "namespace")];
      else if (/[{,]\s*$/.test(lead)) options = known.layer.map((label) => ({ label, type: "keyword", apply: `${label}: ` }));
      else if (lead === "") options = known.spec.map((label) => ({ label, type: "keyword", apply: `${label}: ` }));
    }
    return options ? { from, options, validFor: /^[\w.]*$/ } : null;
  };
}

export function editor(parent, { changed, moved, words }) {
  let quiet = false;
  let shown = 0;
  const view = new EditorView({
    parent,
    extensions: [
      basicSetup,
      yaml(),
      syntaxHighlighting(style),
      lintGutter(),
      marked,
      autocompletion({ override: [completions(words)] }),
      EditorView.contentAttributes.of({ "aria-label": "Spec in YAML", spellcheck: "false" }),
      EditorView.updateListener.of((update) => {
        if (quiet) return;
        if (update.docChanged) changed(view.state.doc.toString());
        if (update.selectionSet && !update.docChanged && view.hasFocus) {
          moved(view.state.doc.lineAt(view.state.selection.main.head).number);
        }
      }),
    ],
  });
  return {
    get text() {
      return view.state.doc.toString();
    },
    set(text) {
      quiet = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: 0 } });
      quiet = false;
    },
    problems(found) {
      const { doc } = view.state;
      const diagnostics = found.map((problem) => {
        const line = doc.line(Math.min(Math.max(problem.line, 1), doc.lines));
        const from = Math.min(line.from + Math.max(problem.column - 1, 0), line.to);
        const word = /^[\w.=]+/.exec(line.text.slice(from - line.from));
        const message = [problem.message, problem.hint].filter(Boolean).join("\n");
        return { from, to: Math.min(from + (word?.[0].length ?? 1), line.to), severity: "error", message };
      });
      view.dispatch(setDiagnostics(view.state, diagnostics.sort((a, b) => a.from - b.from)));
    },
    // The problems below take room from it: what is being written stays in sight.
    keep() {
      if (view.hasFocus) requestAnimationFrame(() => view.dispatch({ effects: EditorView.scrollIntoView(view.state.selection.main.head) }));
    },
    show(line) {
      if (line === shown) return;
      shown = line;
      const effects = [mark.of(line)];
      if (line > 0 && line <= view.state.doc.lines && !view.hasFocus) {
        effects.push(EditorView.scrollIntoView(view.state.doc.line(line).from, { y: "center" }));
      }
      view.dispatch({ effects });
    },
    go(line, column) {
      const found = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
      view.dispatch({ selection: { anchor: Math.min(found.from + Math.max(column - 1, 0), found.to) }, scrollIntoView: true });
      view.focus();
    },
  };
}
