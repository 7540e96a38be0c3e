'use strict';
/**
 * Readers of Lean's syntax trees: kinds, children, tokens and their spans. `Syntax` is missing (scalar), node (tag 1: info, kind, children), atom (tag 2: info, text)
 * or ident (tag 3: info, raw text, name, preresolved). Source info of parsed tokens is `original` (tag 0: leading, start,
 * trailing, end) with byte offsets. All trees here are borrowed.
 */

const abi = require('./abi.cjs');

const isNode = stx => abi.tag(stx) === 1 && !abi.isScalar(stx);
const isToken = stx => !abi.isScalar(stx) && abi.tag(stx) >= 2;
const children = stx => isNode(stx) ? abi.arrayItems(abi.field(stx, 2)) : [];
const child = (stx, i) => isNode(stx) && i < abi.arraySize(abi.field(stx, 2)) ? abi.arrayItem(abi.field(stx, 2), i) : abi.nil;

/** Kinds as text. Names are compared by address while a tree is alive, so that each is decoded once. */
function kindReader() {
  const seen = new Map();
  return stx => {
    if (!isNode(stx)) return '';
    const name = abi.field(stx, 1);
    let text = seen.get(name);
    if (text === undefined) seen.set(name, text = abi.kindText(name));
    return text;
  };
}
const kind = stx => isNode(stx) ? abi.kindText(abi.field(stx, 1)) : '';

/** [start, end) in bytes of a token that stands in the source, or null. */
function tokenSpan(token) {
  const info = abi.field(token, 0);
  if (abi.isScalar(info) || abi.tag(info) !== 0) return null;
  return [abi.unbox(abi.field(info, 1)), abi.unbox(abi.field(info, 3))];
}

/** Calls `visit` on every token of the tree, in order, until it returns true. */
function eachToken(stx, visit) {
  if (isToken(stx)) return visit(stx) === true;
  for (const c of children(stx)) if (eachToken(c, visit)) return true;
  return false;
}

/** The text of an atom (a keyword or symbol), or ''. */
const atomText = stx => !abi.isScalar(stx) && abi.tag(stx) === 2 ? abi.text(abi.field(stx, 1)) : '';

/** [start, end) in bytes of a tree, without the white space around it, or null where nothing of it stands in the source. */
function span(stx) {
  let start = -1, end = -1;
  eachToken(stx, token => { const s = tokenSpan(token); if (s) { if (start < 0) start = s[0]; end = Math.max(end, s[1]); } });
  return start < 0 ? null : [start, end];
}

/** The tokens of a tree as one text, comments and white space left out: equal for equal code. */
function tokenText(stx, source) {
  const parts = [];
  eachToken(stx, token => { const s = tokenSpan(token); if (s && s[1] > s[0]) parts.push(source.slice(s[0], s[1])); });
  return parts.join('\n');
}

/** First token of a tree as it is written. */
function firstToken(stx, source) {
  let text = '';
  eachToken(stx, token => { const s = tokenSpan(token); if (!s) return false; text = source.slice(s[0], s[1]); return true; });
  return text;
}

/** First descendant (or the tree itself) whose kind is in the set, or null. */
function find(stx, kinds, read = kindReader()) {
  if (!isNode(stx)) return null;
  if (kinds.has(read(stx))) return stx;
  for (const c of children(stx)) { const hit = find(c, kinds, read); if (hit) return hit; }
  return null;
}

/** The written name of an identifier token or of a `declId`, as Lean reads it. */
function identName(stx) {
  if (isNode(stx)) return identName(child(stx, 0));
  return !abi.isScalar(stx) && abi.tag(stx) === 3 ? abi.nameText(abi.field(stx, 2)) : '';
}

module.exports = { isNode, isToken, children, child, kind, kindReader, tokenSpan, atomText, eachToken, span, tokenText, firstToken, find, identName };
