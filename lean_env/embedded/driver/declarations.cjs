'use strict';
/** The declarations of a command, with the spans of their parts in the text, from which data/lean_file.py cuts theorems. */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');
const infotree = require('./infotree.cjs');
const proof = require('./proof.cjs');
const statements = require('./statements.cjs');
const syntax = require('./syntax.cjs');

const COMMAND = 'Lean.Parser.Command.', TERM = 'Lean.Parser.Term.', TACTIC = 'Lean.Parser.Tactic.';
const HOLES = new Set([TERM + 'sorry', TACTIC + 'tacticSorry', TACTIC + 'tacticAdmit', TACTIC + 'tacticStop_']);
const SIGNATURES = new Set([COMMAND + 'declSig', COMMAND + 'optDeclSig']);
const VALUES = new Set([COMMAND + 'declValSimple', COMMAND + 'declValEqns', COMMAND + 'whereStructInst']);
// What a term stands in that ends with it, so that lines may follow: `have h : p := by …`.
const ENDS = new Set([COMMAND + 'declValSimple', ...['matchAlt', 'basicFun', 'letIdDecl', 'letPatDecl', 'haveIdDecl', 'structInstFieldDef'].map(name => TERM + name),
  'Lean.calcStep', 'Lean.calcFirstStep', TACTIC + 'exact', TACTIC + 'refine']);

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

/** The declarations (their syntax) that a command holds: behind each `… in`, and all of a `mutual` block. */
function inside(stx) {
  const kind = syntax.kind(stx);
  if (kind === COMMAND + 'in') return inside(syntax.child(stx, 2));
  if (kind === COMMAND + 'mutual') return syntax.children(syntax.child(stx, 1)).flatMap(inside);
  return declarationParts(stx, kind) ? [stx] : [];
}

/**
 * The declarations that a command consists of: [{ kind, name (empty: it has none), namespace (that it stands in), private, span, keyword,
 * id, signature, value, doc, inner (see `innerNames`), holes: [{ span, layout, replaced }] }]; spans as code point offsets [start, end). See `holeIn` for `layout`.
 */
function declarations(stx, namespace, source) {
  return inside(stx).map(x => declaration(x, namespace, source));
}

function declaration(stx, namespace, source) {
  const [modifiers, body] = declarationParts(stx, syntax.kind(stx)), at = s => s ? [source.offset(s[0]), source.offset(s[1])] : null;
  const items = syntax.children(body);
  const bodyKind = syntax.kind(body), kind = bodyKind.startsWith(COMMAND) ? bodyKind.slice(COMMAND.length) : 'lemma';
  const id = items.find(x => syntax.kind(x) === COMMAND + 'declId') ?? optionalId(items);
  const signature = items.find(x => SIGNATURES.has(syntax.kind(x)));
  const value = items.find(x => VALUES.has(syntax.kind(x)));
  const doc = syntax.child(syntax.child(modifiers, 0), 0);
  const written = id ? syntax.identName(id) : '';
  const holes = [];
  for (const item of [...syntax.children(modifiers), ...items]) collect(item, value, item === value, null, source, holes);
  const private_ = /^private$/m.test(syntax.tokenText(modifiers, source));
  const type = signature && syntax.find(signature, new Set([TERM + 'typeSpec'])), facts = {
    kind, name: written && fullName(namespace, written), namespace: namespace === '[anonymous]' ? '' : namespace, private: private_, span: at(syntax.span(stx)),
    keyword: at(syntax.span(items.find(x => syntax.isToken(x) && syntax.span(x)) ?? abi.nil)), doc: at(syntax.span(doc)),
    id: at(id && syntax.span(id)), signature: at(signature && syntax.span(signature)), value: at(value && syntax.span(value)), holes,
    inner: innerNames(body), constant: null, theorem: null, open: [],
  };
  if (type && syntax.span(type)) types.set(facts, syntax.span(syntax.child(type, 1)));
  return facts;
}

/** The names that `where` and `let rec` declare in a declaration, as they are written. */
function innerNames(body) {
  const names = [], read = syntax.kindReader();
  const go = stx => {
    if (!syntax.isNode(stx)) return;
    if (read(stx) === TERM + 'letRecDecl') syntax.eachToken(syntax.find(stx, LET_DECL, read) ?? stx, token => { const name = syntax.identName(token); if (name) names.push(name); return true; });
    syntax.children(stx).forEach(go);
  };
  go(body);
  return names;
}
const LET_DECL = new Set([TERM + 'letDecl']);

/** An instance may have a name. */
const optionalId = items => items.filter(x => syntax.kind(x) === 'null').flatMap(syntax.children).find(x => syntax.kind(x) === COMMAND + 'declId');

/** Is it a written `sorry`, `admit` or `stop`? */
const isHole = (stx, kind) => HOLES.has(kind) || syntax.atomText(syntax.child(stx, 0)) === 'sorry';

/** Places of every `sorry`, `admit` and `stop` that is written in a tree. */
function collectHoles(stx, source, into, read = syntax.kindReader()) {
  if (!syntax.isNode(stx)) return;
  if (isHole(stx, read(stx))) { const s = syntax.span(stx); if (s) into.push([source.offset(s[0]), source.offset(s[1])]); return; }
  for (const c of syntax.children(stx)) collectHoles(c, source, into, read);
}

/** The holes of a part of a declaration: `path` is what a node stands in, innermost first; those outside of the value have no layout. */
function collect(stx, value, inValue, path, source, into, read = syntax.kindReader()) {
  if (!syntax.isNode(stx)) return;
  const kind = read(stx);
  if (isHole(stx, kind)) {
    const hole = syntax.span(stx) && holeIn(stx, kind, value, inValue, path, source);
    if (hole) into.push(hole);
    return;
  }
  for (const c of syntax.children(stx)) collect(c, value, inValue, { stx, kind, outer: path }, source, into, read);
}

/**
 * A hole, and how a proof takes its place. `layout`: 'value' (all of the declaration's value, from `:=` on: `:= by`, and lines
 * below), 'lines' (tactics may stand one below the other there), 'tactic' (one tactic), 'end' (a term that ends what it stands in),
 * 'term', or '' (what stands there is no part of a proof). `replaced`: the span that gives way.
 */
function holeIn(stx, kind, value, inValue, path, source) {
  const at = s => [source.offset(s[0]), source.offset(s[1])], span = at(syntax.span(stx)), last = x => at(syntax.span(x))[1] === span[1];
  if (!inValue) return { span, layout: '', replaced: span };
  const term = kind === TERM + 'sorry', whole = term ? stx : wholeBlock(path);
  if (whole && syntax.kind(value) === COMMAND + 'declValSimple' && same(syntax.child(value, 1), whole)) return { span, layout: 'value', replaced: [at(syntax.span(value))[0], span[1]] };
  if (term) return { span, layout: ends(path) && last(path.stx) ? 'end' : 'term', replaced: span };
  const list = path && path.kind === 'null' && path.outer?.kind === TACTIC + 'tacticSeq1Indented';
  return { span, layout: list && last(path.stx) ? 'lines' : 'tactic', replaced: span };
}

/** The nearest node above that is more than a list. */
function ends(path) {
  while (path?.kind === 'null') path = path.outer;
  return path !== null && ENDS.has(path.kind);
}

const same = (a, b) => JSON.stringify(syntax.span(a)) === JSON.stringify(syntax.span(b));

/** The `by` block (its syntax) of which a tactic, with this path, is the only one; or null. */
function wholeBlock(path) {
  const [list, indented, sequence, block] = [path, path?.outer, path?.outer?.outer, path?.outer?.outer?.outer];
  return block?.kind === TERM + 'byTactic' && sequence.kind === TACTIC + 'tacticSeq' && indented.kind === TACTIC + 'tacticSeq1Indented'
    && syntax.children(list.stx).filter(x => syntax.span(x)).length === 1 ? block.stx : null;
}

/**
 * What has come of declarations between two environments, with the command's info trees (all borrowed): adds `constant` (text; null
 * where there is none: an example's is not kept), `theorem` (is it one, or is its type a proposition? null: there is no telling), and,
 * if `sorries` (were there some so far?), `open`: names of what its type rests on that is left open.
 */
function describe(declared, before, after, trees, sorries) {
  for (const item of declared) {
    const name = item.name ? itsName(item, after) : newInstance(item, before, after), c = name && constants.find(after, name);
    item.constant = c ? abi.nameText(name) : null;
    item.theorem = c ? constants.kindOf(c) === constants.THEOREM || proof.isProposition(after, constants.type(c)) : statesProposition(item, before, trees);
    item.open = c && sorries ? openBeneath(after, constants.type(c)) : [];
    for (const o of [name, c]) if (o) abi.dec(o);
  }
}

/** Is the type that is written in a declaration a proposition? null: none is, or it was not elaborated. */
function statesProposition(item, env, trees) {
  const state = types.has(item) ? infotree.asGoal(trees, types.get(item), env) : null;
  if (!state) return null;
  const known = proof.isOfProposition(state);
  proof.free(state);
  return known;
}
const types = new WeakMap();      // declarations -> [start, end) in bytes of the type that is written

/** Name (owned) of the constant of a declaration that has one: a private one's is longer than what is written. */
function itsName(item, env) {
  const name = abi.parseName(item.name);
  if (!item.private) return name;
  return abi.call('l_Lean_mkPrivateName', abi.inc(env), name);
}

/** Name (owned) of what an instance without a name has been called: the one new constant that is an instance's, or null. */
function newInstance(item, before, after) {
  if (item.kind !== 'instance') return null;
  let found = null;
  constants.eachAdded(after, name => {
    const last = abi.kindText(name).split('.').pop();
    const old = found === null && last.startsWith('inst') ? constants.find(before, name) : 0;
    if (old === null) found = abi.inc(name); else if (old) abi.dec(old);
  });
  return found;
}

/**
 * The theorems that stand in the file, for Lean, and are no declaration of their own: [{ name, line (from 1), how, sorry (does it use it?) }].
 * how: 'field' (of a structure), 'inside' (of another declaration, by `where` or `let rec`), 'made' (by an attribute or a macro). `declared`: what the command declares.
 */
function besides(declared, before, after) {
  const own = new Set(declared.map(item => item.constant)), found = [];
  constants.eachNew(after, before, (name, c) => {
    const line = constants.kindOf(c) === constants.THEOREM ? lineOf(after, name) : null, text = line === null ? '' : abi.nameText(name);
    if (line === null || own.has(text)) return;
    const how = constants.isProjection(after, name) ? 'field' : declared.some(item => item.inner.some(inner => text === `${item.constant}.${inner}`)) ? 'inside' : 'made';
    found.push({ name: text, line, how, sorry: usesSorry(c) });
  });
  return found.sort((a, b) => a.line - b.line || (a.name < b.name ? -1 : 1));
}

/** The line (from 1) in which a constant of the text is declared, or null for what Lean makes by itself. */
function lineOf(env, name) {
  const ranges = abi.option(abi.call('l_Lean_MapDeclarationExtension_find_x3f___boxed', abi.nil, abi.nil, abi.inc(abi.referred(abi.lookUp('l_Lean_declRangeExt'))),
    abi.inc(env), abi.inc(name), LOCAL, abi.box(0)));
  if (ranges === null) return null;
  const line = abi.unbox(abi.field(abi.field(abi.field(ranges, 1), 0), 0));      // of the selected range's first position
  abi.dec(ranges);
  return line;
}
const LOCAL = abi.box(1);         // EnvExtension.AsyncMode: of what this branch of the environment has

const SORRY = 'sorryAx';
/** Does a constant (borrowed) use `sorry` itself? */
function usesSorry(c) {
  let found = false;
  for (const part of [constants.type(c), constants.value(c)]) if (part !== null) expressions.eachConstant(part, n => { found ||= abi.kindText(n) === SORRY; });
  return found;
}

/** Names (text) of the constants beneath a type (borrowed) that use `sorry`; of theorems counts what they state. */
function openBeneath(env, type) {
  const found = new Set(), rest = statements.worklist();
  expressions.eachConstant(type, rest.add);
  for (const [name, text] of rest) {
    const c = constants.imported(env, name) ? null : constants.find(env, name);
    if (!c) continue;
    const parts = [constants.type(c), ...(constants.kindOf(c) !== constants.THEOREM && constants.value(c) !== null ? [constants.value(c)] : [])];
    for (const part of parts) expressions.eachConstant(part, n => { if (abi.kindText(n) === SORRY) found.add(text); else rest.add(n); });
    constants.constructors(c).forEach(rest.add);
    abi.dec(c);
  }
  return [...found].sort();
}

module.exports = { besides, declarations, describe, collectHoles };
