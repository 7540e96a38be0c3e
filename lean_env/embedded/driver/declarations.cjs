'use strict';
/** What a command declares, with the places of its parts: the facts from which `data/` cuts theorems. */

const abi = require('./abi.cjs');
const syntax = require('./syntax.cjs');

const COMMAND = 'Lean.Parser.Command.';
const HOLES = new Set(['Lean.Parser.Term.sorry', 'Lean.Parser.Tactic.tacticSorry', 'Lean.Parser.Tactic.tacticAdmit', 'Lean.Parser.Tactic.tacticStop_']);
const SIGNATURES = new Set([COMMAND + 'declSig', COMMAND + 'optDeclSig']);
const VALUES = new Set([COMMAND + 'declValSimple', COMMAND + 'declValEqns', COMMAND + 'whereStructInst']);

/** Full name of a declaration in a namespace (`_root_.` leaves it), both as text. */
function fullName(namespace, written) {
  if (written.startsWith('_root_.')) return written.slice('_root_.'.length);
  return namespace && namespace !== '[anonymous]' ? `${namespace}.${written}` : written;
}

/** `lemma` is a macro of Mathlib (and of our core header): modifiers, then the declaration as a group. */
function declarationParts(stx, kind) {
  if (kind === COMMAND + 'declaration' || kind === 'lemma') return [syntax.child(stx, 0), syntax.child(stx, 1)];
  return null;
}

/**
 * The declaration that a command consists of, or null:
 * { kind, name, private, start, keyword, id, signature, value, valueKind, doc, holes } — spans as code point offsets [start, end).
 */
function declaration(stx, namespace, source) {
  const kind = syntax.kind(stx), parts = declarationParts(stx, kind);
  if (!parts) return null;
  const [modifiers, body] = parts, at = s => s ? [source.offset(s[0]), source.offset(s[1])] : null;
  const items = syntax.children(body);
  const bodyKind = syntax.kind(body), name = bodyKind.startsWith(COMMAND) ? bodyKind.slice(COMMAND.length) : 'lemma';
  const id = items.find(x => syntax.kind(x) === COMMAND + 'declId');
  const signature = items.find(x => SIGNATURES.has(syntax.kind(x)));
  const value = items.find(x => VALUES.has(syntax.kind(x)));
  const doc = syntax.child(syntax.child(modifiers, 0), 0);
  const written = id ? syntax.identName(id) : '';
  const valueKind = value && syntax.kind(value);
  const holes = [];
  if (value) collectHoles(value, source, holes);
  // `:= v` is atom, then v; equations and structure instances are the value as they stand
  const simple = valueKind === COMMAND + 'declValSimple' ? syntax.child(value, 1) : null;
  const byBlock = simple && syntax.kind(simple) === 'Lean.Parser.Term.byTactic';
  const private_ = /^private$/m.test(syntax.tokenText(modifiers, source));
  return {
    kind: name, name: written && fullName(namespace, written), private: private_, keyword: at(syntax.span(items.find(x => syntax.isToken(x)) ?? abi.nil)),
    modifiers: at(syntax.span(modifiers)), doc: at(syntax.span(doc)),
    id: at(id && syntax.span(id)), signature: at(signature && syntax.span(signature)), value: at(value && syntax.span(value)),
    valueKind: !value ? null : byBlock ? 'by' : simple ? 'term' : 'equations', holes,
  };
}

/** Places of every `sorry`, `admit` and `stop` that is written in a tree. */
function collectHoles(stx, source, into, read = syntax.kindReader()) {
  if (!syntax.isNode(stx)) return;
  if (HOLES.has(read(stx)) || syntax.atomText(syntax.child(stx, 0)) === 'sorry') { const s = syntax.span(stx); if (s) into.push([source.offset(s[0]), source.offset(s[1])]); return; }
  for (const c of syntax.children(stx)) collectHoles(c, source, into, read);
}

module.exports = { declaration, collectHoles };
