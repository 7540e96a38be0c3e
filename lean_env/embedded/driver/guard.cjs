'use strict';
/**
 * The guard of solutions: checks the syntax tree of each command against the rules before Lean runs it. The rules come with
 * the request (lean_env/rules.py has them and the reasons); this file only applies them.
 *
 * A command is allowed if the challenge has the very same one (token for token), or if
 *   - its kind is in `commands`, or it is a declaration whose kind is in `declarations` with modifiers in `modifiers`,
 *   - no node in it has a kind in `refused`, no part of an identifier is in `names`, no declared name is one that Lean keeps for
 *     itself, every option set and attribute used is in
 *     `options` and `attributes`, and
 *   - every value of a configuration consists of literals and constructors (Lean evaluates what stands there).
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const evaluation = require('./evaluation.cjs');
const syntax = require('./syntax.cjs');

const COMMAND = 'Lean.Parser.Command.', TERM = 'Lean.Parser.Term.', TACTIC = 'Lean.Parser.Tactic.';
const SWITCHES = new Set([TACTIC + 'posConfigItem', TACTIC + 'negConfigItem']), VALUES = new Set([TACTIC + 'valConfigItem', TACTIC + 'config']);
const DATA = new Set(['num', 'str', 'char', 'scientific', 'null', 'term-_', 'term[_]', 'term#[_,]', 'term{}', 'choice',
  ...['paren', 'hygienicLParen', 'tuple', 'app', 'anonymousCtor', 'typeAscription', 'structInst', 'structInstFields', 'structInstField',
    'structInstFieldDef', 'structInstFieldEqns', 'optEllipsis'].map(name => TERM + name)]);
// Where a constant gets its name, or a part of it.
const DECLARING = new Set([COMMAND + 'declId', COMMAND + 'namespace', COMMAND + 'ctor', COMMAND + 'structSimpleBinder', COMMAND + 'structExplicitBinder',
  COMMAND + 'structImplicitBinder', COMMAND + 'structInstBinder', COMMAND + 'structParent', COMMAND + 'structCtor', TERM + 'letRecDecl']);
const QUOTING = new Set([TERM + 'binderTactic']);
const FIELD_NAME = TERM + 'structInstLVal';
const PREFIXES = ['', 'Bool.', 'Option.', 'Lean.', 'Lean.Meta.'];      // of names that may be written short
const ATTRIBUTE = new Set(['Lean.Parser.Term.attrInstance', 'Lean.Parser.Command.eraseAttr']);

/** `rules` as they come in a request, as sets. */
function compile(rules) {
  const set = name => new Set(rules[name] ?? []);
  const options = rules.options ?? [];
  const dangerous = new RegExp([...(rules.dangerous ?? []), ...(rules.names ?? [])].map(w => w.replace(/[^A-Za-z_]/g, '\\$&')).join('|') || '$^');
  return {
    commands: set('commands'), declarations: set('declarations'), modifiers: set('modifiers'), attributes: set('attributes'),
    refused: set('refused'), settings: set('settings'), names: set('names'),
    dangerous: source => dangerous.test(source),
    option: name => options.some(o => o.endsWith('.') ? name.startsWith(o) : name === o),
  };
}

const THEOREMS = new Set([COMMAND + 'theorem', 'lemma']), INSTANCE = COMMAND + 'instance';
// Commands that run code. A solution may repeat the challenge's (it is often the same file), but they are not run again:
// what they call may have become something else in front of them.
const RUNNING = new Set(['eval', 'evalBang', 'runCmd', 'runElab', 'runMeta'].flatMap(name => [COMMAND + name, 'Lean.' + name]));

/**
 * A theorem's modifiers are trusted where the challenge declares the same name with the same ones (and, if they change code, the
 * same statement), and stands behind the same `… in`; an instance, where the challenge's is the same but for its value.
 */
const modifierKey = (modifiers, body, source) => {
  if (syntax.kind(body) === INSTANCE) return [syntax.tokenText(modifiers, source), ...syntax.children(body).slice(0, -1).map(x => syntax.tokenText(x, source))].join('\n');
  const part = kind => { const found = syntax.children(body).find(x => syntax.kind(x) === COMMAND + kind); return found ? syntax.tokenText(found, source) : ''; };
  const statement = changesCode(modifiers, source) ? part('declSig') : '';      // it says which code takes which one's place
  return [syntax.kind(body), part('declId'), syntax.tokenText(modifiers, source), statement].join('\n');
};

/** What of a challenge's command a solution may repeat: the whole command, and the modifiers of what it declares. */
function trustedTexts(stx, source) {
  const texts = [syntax.tokenText(stx, source)];
  if (syntax.kind(stx) === COMMAND + 'declaration' && [INSTANCE, ...THEOREMS].includes(syntax.kind(syntax.child(stx, 1)))) texts.push(modifierKey(syntax.child(stx, 0), syntax.child(stx, 1), source));
  if (syntax.kind(stx) === COMMAND + 'in') texts.push(...prefixKeys(stx, source).map(key => key.text));
  if (syntax.kind(stx) === COMMAND + 'mutual') for (const c of syntax.children(syntax.child(stx, 1))) texts.push(...trustedTexts(c, source).slice(1));
  return texts;
}

/** Each command before the theorem of `… in …`, and its modifiers, trusted before that theorem alone: [{ stx, text }]. */
function prefixKeys(stx, source) {
  const prefixes = [];
  for (; syntax.kind(stx) === COMMAND + 'in'; stx = syntax.child(stx, 2)) prefixes.push(syntax.child(stx, 0));
  if (syntax.kind(stx) !== COMMAND + 'declaration' || !THEOREMS.has(syntax.kind(syntax.child(stx, 1)))) return [];
  const key = modifierKey(syntax.child(stx, 0), syntax.child(stx, 1), source);
  return [...prefixes.map(prefix => ({ stx: prefix, text: `${syntax.tokenText(prefix, source)}\nin\n${key}` })), { stx, text: key }];
}

/**
 * Follows a solution's commands along the challenge's (their texts, as `commandText` gives them): `next(stx, source)` says
 * whether all so far are the challenge's, in its order, but for theorems, which add nothing that runs.
 */
function follower(texts) {
  let place = 0, intact = true;
  return (stx, source) => {
    const text = commandText(stx, source);
    if (text === texts[place]) place++;
    else if (!isPlainTheorem(stx) || changesCode(stx, source)) intact = false;
    return intact;
  };
}

/** A command's tokens; of a theorem without definitions inside only its name, whatever its proof. */
const commandText = (stx, source) => isPlainTheorem(stx) && !changesCode(stx, source) ? `theorem\n${syntax.tokenText(syntax.find(stx, new Set([COMMAND + 'declId'])), source)}` : syntax.tokenText(stx, source);

const isPlainTheorem = stx => [COMMAND + 'declaration', 'lemma'].includes(syntax.kind(stx)) && THEOREMS.has(syntax.kind(stx) === 'lemma' ? 'lemma' : syntax.kind(syntax.child(stx, 1)))
  && !syntax.find(stx, new Set([TERM + 'letRecDecl', TERM + 'whereDecls', TERM + 'letrec', TACTIC + 'letrec']));

/** null, or { what, text, span } of the first thing in the command that is not allowed. `trusted` holds the
 * challenge's texts, `env` is the environment before the command (borrowed). */
function examine(stx, rules, trusted, source, env) {
  const verso = source.source.includes('verso') || source.source.includes('/-') ? versoIn(stx) : null;
  if (verso) return { what: 'syntax', text: syntax.firstToken(verso, source), span: syntax.span(verso) };
  if (trusted.has(syntax.tokenText(stx, source))) return null;
  const kind = syntax.kind(stx);
  const refuse = (what, node, text) => ({ what, text: text ?? syntax.firstToken(node, source), span: syntax.span(node) });
  if (kind === '' || kind === 'null') return null;           // what is left of a command that did not parse
  if (kind === COMMAND + 'in') {
    const known = prefixKeys(stx, source).some(key => key.stx === syntax.child(stx, 0) && trusted.has(key.text));
    return (known ? null : examine(syntax.child(stx, 0), rules, trusted, source, env)) ?? examine(syntax.child(stx, 2), rules, trusted, source, env);
  }
  if (kind === COMMAND + 'mutual') {
    for (const c of syntax.children(syntax.child(stx, 1))) { const r = examine(c, rules, trusted, source, env); if (r) return r; }
    return null;
  }
  if (kind === COMMAND + 'declaration' || kind === 'lemma') {
    const modifiers = syntax.child(stx, 0), body = syntax.child(stx, 1);
    const bodyKind = kind === 'lemma' ? 'lemma' : syntax.kind(body), keyword = syntax.firstToken(body, source);
    const known = bodyKind === INSTANCE && trusted.has(modifierKey(modifiers, body, source));
    if (!known && (!rules.declarations.has(bodyKind) || keyword === 'class')) return refuse('command', body);
    if (!trusted.has(modifierKey(modifiers, body, source))) {
      for (const m of syntax.children(modifiers).slice(1)) {
        const attributes = syntax.find(m, new Set(['Lean.Parser.Term.attributes']));
        const r = attributes ? examineTree(attributes, rules, source, env) : rules.modifiers.has(syntax.tokenText(m, source)) || !syntax.span(m) ? null : refuse('modifier', m);
        if (r) return r;
      }
    }
    return examineTree(body, rules, source, env);
  }
  if (!rules.commands.has(kind)) return refuse('command', stx);
  return examineTree(stx, rules, source, env);
}

/** The first node of a doc comment that is not plain text, or of an option that makes such; or null. These may hold code (#eval, and declarations). */
function versoIn(stx) {
  const read = syntax.kindReader();
  const go = s => {
    if (!syntax.isNode(s)) return null;
    if (read(s) === VERSO || setsVerso(s)) return s;
    for (const c of syntax.children(s)) { const found = go(c); if (found) return found; }
    return null;
  };
  return go(stx);
}
const VERSO = COMMAND + 'versoCommentBody';
const setsVerso = stx => syntax.atomText(syntax.child(stx, 0)) === 'set_option' && syntax.identName(syntax.child(stx, 1)).startsWith('doc.verso');

/** The rules that hold at every depth. */
function examineTree(root, rules, source, env) {
  const read = syntax.kindReader(), refuse = (what, text, stx) => ({ what, text, span: syntax.span(stx) });
  const namesMatter = rules.dangerous(source.source);
  const go = (stx, quoted) => {
    if (!syntax.isNode(stx)) return namesMatter && syntax.identName(stx).split('.').some(part => rules.names.has(part)) ? refuse('name', syntax.identName(stx), stx) : null;
    const kind = read(stx);
    if (rules.refused.has(kind)) return refuse('syntax', syntax.firstToken(stx, source), stx);
    if (syntax.atomText(syntax.child(stx, 0)) === 'set_option') {       // a command, a term, a tactic, a step of `grind`, …
      const option = syntax.identName(syntax.child(stx, 1));
      if (!rules.option(option)) return refuse('option', option, stx);
    } else if (ATTRIBUTE.has(kind)) {
      const attribute = syntax.firstToken(syntax.child(stx, 1), source);
      if (!rules.attributes.has(attribute)) return refuse('attribute', attribute, stx);
    } else if (SWITCHES.has(kind) || VALUES.has(kind)) {
      const words = syntax.tokenText(stx, source).split('\n');
      const on = words.some((w, i) => rules.settings.has(w.replace(/^\+/, '')) && words[0] !== '-' && !(words[i + 1] === ':=' && words[i + 2] === 'false'));
      if (on) return refuse('syntax', words.join(''), stx);
      if (VALUES.has(kind) && !isData(syntax.child(stx, 3), read, env, quoted)) return refuse('configuration', words.join(''), stx);
    }
    if (DECLARING.has(kind)) {
      const name = declaredNames(stx, kind, read).find(n => KEPT.test(n) || (WORDS.test(n) && kind !== COMMAND + 'ctor'));
      if (name) return refuse('name', name, stx);
    }
    // The tactics of an automatic parameter are read here, and their names where they are used.
    for (const c of syntax.children(stx)) { const r = go(c, quoted || QUOTING.has(kind)); if (r) return r; }
    return null;
  };
  return go(root, false);
}

// Parts of names that Lean and its compiler give, and words of configurations (a constructor of an own type is none of them).
const KEPT = /(^|[.«])_(auto|closed|lam|elam|lambda|redArg|boxed|spec|at_|unsafe_rec|cstage|override|private|hyg|tmp|rarg|@)/;
const WORDS = /(^|\.)(true|false|none|some)$/;

/** The names that a node of a kind in DECLARING gives, as they are written. */
function declaredNames(stx, kind, read) {
  const names = [], add = token => { if (syntax.identName(token)) names.push(syntax.identName(token)); };
  if (kind === TERM + 'letRecDecl') syntax.eachToken(syntax.find(stx, new Set([TERM + 'letDecl'])) ?? stx, token => { add(token); return names.length > 0; });
  else for (const c of syntax.children(stx)) if (!syntax.isNode(c)) add(c); else if (read(c) === 'null') syntax.children(c).forEach(d => { if (!syntax.isNode(d)) add(d); });
  return names;
}

/** The first thing in a block of tactics that is not allowed, as `examine` tells it, or null. */
const examineTactics = examineTree;

const lastPart = name => name.slice(name.lastIndexOf('.') + 1);

/** Is a term (its syntax) made of literals and of constructors of imported types? `quoted`: of no name but these words. */
function isData(term, read, env, quoted) {
  const own = ownNames(env);
  const go = stx => {
    if (abi.isScalar(stx)) return true;
    if (syntax.isNode(stx)) {
      const kind = read(stx);
      if (kind === TERM + 'dotIdent') return !quoted && !own().has(lastPart(syntax.identName(syntax.child(stx, 1))));      // `.pos`: of the expected type
      return kind === FIELD_NAME || kind === 'hygieneInfo' || (DATA.has(kind) && syntax.children(stx).every(go));
    }
    const name = syntax.identName(stx);
    if (quoted) return ['', 'true', 'false', 'none', 'some'].includes(name);
    return name === '' || (!own().has(lastPart(name)) && PREFIXES.some(prefix => isImportedValue(env, prefix + name)));
  };
  return go(term);
}

function isImportedValue(env, text) {
  const name = abi.parseName(text), value = evaluation.isImportedValue(env, name);
  abi.dec(name);
  return value;
}

/** The last parts of the names of what the text has declared so far: a function of no arguments that looks once. */
function ownNames(env) {
  let found = null;
  return () => {
    if (!found) { found = new Set(); constants.eachAdded(env, name => found.add(lastPart(abi.kindText(name)))); }
    return found;
  };
}

// Attributes by which one constant's code becomes another's.
const CHANGING = new Set(['implemented_by', 'extern', 'export', 'csimp', 'init', 'builtin_init', 'computed_field', 'macro_inline', 'never_extract']);

/**
 * Does a command change what compiled code does, so that evaluating what looks like data may run something else? What it
 * declares counts as code of the text, though nothing has run yet.
 */
function changesCode(stx, source) {
  const read = syntax.kindReader();
  const go = s => syntax.isNode(s) && ((ATTRIBUTE.has(read(s)) && CHANGING.has(syntax.firstToken(syntax.child(s, 1), source))) || syntax.children(s).some(go));
  return (/@\[|attribute/.test(source.source) && go(stx)) || (/verso|\/-/.test(source.source) && versoIn(stx) !== null);
}

/** Does a command do nothing but run code? */
const onlyRuns = stx => RUNNING.has(syntax.kind(stx));

module.exports = { compile, commandText, follower, trustedTexts, examine, examineTactics, changesCode, onlyRuns };
