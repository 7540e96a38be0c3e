'use strict';
/**
 * The premises of a goal: the definitions, lemmas and hypotheses of the text that matter for it, from the elaborated goal and
 * the environment. Every name is given as it can be written at the goal. The fields are those of lean_env/premises.py.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');
const { principles, together } = require('./principles.cjs');
const proof = require('./proof.cjs');
const statements = require('./statements.cjs');

const { DEF, THEOREM, INDUCTIVE, CONSTRUCTOR, RECURSOR, find, imported, isProjection, kindOf, type, value } = constants;
const { CONST, FREE, APP, LAMBDA, PI, LET, ANNOTATION, SORT, CHILDREN, eachConstant } = expressions;
const AUXILIARY = /^(match_\d+|_.*|brecOn(_\d+)?|below(_\d+)?|rec(_\d+)?|recOn|casesOn|binductionOn|noConfusion\w*|ctorIdx|ctorElim|elim|ofNat|toCtorIdx|splitter|eq_\d+)$/;
const RECURSION = /^(brecOn(_\d+)?|rec(_\d+)?|fix|_unary|_mutual)$/;
const SHAPES = { Exists: '∃', And: '∧', Or: '∨', Iff: '↔', Not: '¬', Eq: '=' };
const LEMMAS = 12;                // told of at most, …
const CLOSE = 0.4;                // … with at least this part of the best one's score
const SELECTS = '';               // key beside the lemmas' names
const UNFOLDED = 4;               // definitions around a shape

const last = name => name & 1 ? '' : abi.tag(name) === 1 ? abi.text(abi.field(name, 1)) : String(abi.unbox(abi.field(name, 1)));
/** A name's parts as text, without what Lean puts before a private one. */
function parts(name) {
  const found = [];
  for (; !(name & 1); name = abi.field(name, 0)) {
    if (abi.tag(name) === 2 && found.length) break;      // _private.Module.0
    found.unshift(last(name));
  }
  return found;
}
const quoted = part => /^[\p{L}_][\p{L}\p{N}_'!?₀-₉]*$/u.test(part) ? part : `«${part}»`;
/** The function and the arguments of an application (borrowed). */
function application(e) {
  const args = [];
  for (; abi.tag(e) === ANNOTATION || abi.tag(e) === APP; e = abi.tag(e) === APP ? abi.field(e, 0) : abi.field(e, 1)) if (abi.tag(e) === APP) args.unshift(abi.field(e, 1));
  return [e, args];
}
const isConst = e => abi.tag(e) === CONST;
const IDENTIFIER = 3;             // tag of syntax

class Premises {
  constructor(state, { lemmas, usable }) {
    this.state = state;
    this.env = proof.environment(state);
    this.lemmas = lemmas;
    this.usable = usable;         // what is known of lemmas, by their names as they are written
    this.held = [];               // owned objects, given back at the end
    this.taken = new Map();       // constants by key
    const { mctx, decl } = proof.mainGoal(state);
    this.held.push(decl);
    this.instantiate = e => { const v = proof.instantiated(mctx, abi.inc(e)); this.held.push(v); return v; };
    this.lctx = abi.field(decl, 1);
    this.target = this.instantiate(abi.field(decl, 2));
    this.locals = proof.locals(this.lctx).map(d => ({ id: abi.field(d, 1), name: abi.field(d, 2), type: this.instantiate(abi.field(d, 3)) }));
    this.mentioned = expressions.freeVariables([this.target, ...this.locals.map(l => l.type)]);      // the variables that types and the target speak of
    this.localNames = new Set(this.locals.map(l => parts(l.name)[0]));
  }

  constant(name) {
    const key = abi.nameKey(name);
    if (!this.taken.has(key)) { const c = find(this.env, name); if (c) this.held.push(c); this.taken.set(key, c); }
    return this.taken.get(key);
  }
  isOwn(name) { return !imported(this.env, name) && this.constant(name) !== null; }
  isInstance(name) { return (abi.call('l_Lean_Meta_isInstanceCore___boxed', abi.inc(this.env), abi.inc(name)) >>> 1 & 1) === 1; }

  /** A name as it is written here: the shortest end of it that means it alone. */
  written(name) {
    const all = parts(name).map(quoted);
    for (let n = 1; n <= all.length; n++) {
      const text = n > 1 || this.isIdentifier(all.at(-1)) ? all.slice(-n).join('.') : `«${all.at(-1)}»`;
      if (!this.localNames.has(parts(name)[all.length - n]) && this.means(text, name)) return text;
    }
    return `_root_.${all.join('.')}`;
  }
  /** Does Lean read a text as a name here? Not if it is a keyword. */
  isIdentifier(text) {
    const parsed = abi.W.l_Lean_Parser_runParserCategory(abi.inc(this.env), abi.parseName('term'), abi.string(text), abi.string('<input>'));
    const found = abi.tag(parsed) === 1 && abi.tag(abi.field(parsed, 0)) === IDENTIFIER;
    abi.dec(parsed);
    return found;
  }
  means(text, name) {
    const [namespace, open] = proof.scope(this.state), id = abi.parseName(text);
    const found = abi.call('l_Lean_ResolveName_resolveGlobalName___boxed', abi.inc(this.env), abi.inc(abi.constant('l_Lean_Options_empty')), abi.inc(namespace), abi.inc(open), id);
    const meanings = abi.listItems(found), alone = meanings.length === 1 && abi.isNil(abi.field(meanings[0], 1)) && expressions.sameName(abi.field(meanings[0], 0), name);
    abi.dec(found);
    return alone;
  }

  /** Own constants of an expression, by key; what Lean makes of a definition for itself is looked through. */
  symbols(expression, into = new Map(), seen = new Set()) {
    eachConstant(expression, name => {
      const key = abi.nameKey(name);
      if (seen.has(key)) return;
      seen.add(key);
      if (!this.isOwn(name)) return;
      const c = this.constant(name), kind = kindOf(c);
      if (kind === CONSTRUCTOR || kind === RECURSOR || isProjection(this.env, name) || (AUXILIARY.test(last(name)) && kind !== INDUCTIVE)) {
        const owner = abi.field(name, 0);
        if (!(owner & 1) && this.isOwn(owner) && kindOf(this.constant(owner)) === INDUCTIVE) this.add(into, owner);
        else if (value(c) !== null) this.symbols(value(c), into, seen);
      } else if (kind === INDUCTIVE || kind === DEF) this.add(into, name);
      // An instance stands for what it is made of.
      if (kind === DEF && this.isInstance(name)) this.symbols(value(c), into, seen);
    });
    return into;
  }
  add(into, name) { this.held.push(abi.inc(name)); into.set(abi.nameKey(name), name); }

  isRecursive(name) {
    let found = false;
    const seen = new Set(), go = e => eachConstant(e, n => {
      const key = abi.nameKey(n);
      if (seen.has(key)) return;
      seen.add(key);
      if (RECURSION.test(last(n))) found = true;
      else if (AUXILIARY.test(last(n)) && this.isOwn(n) && value(this.constant(n)) !== null) go(value(this.constant(n)));
    });
    if (value(this.constant(name)) !== null) go(value(this.constant(name)));
    return found;
  }
  /** What the type of a constant ends in: 'Prop', 'Type' (any other sort), or ''. */
  sort(name) {
    let t = type(this.constant(name));
    while (abi.tag(t) === PI) t = abi.field(t, 2);
    return abi.tag(t) !== SORT ? '' : abi.tag(abi.field(t, 0)) === 0 ? 'Prop' : 'Type';      // Level.zero
  }
  isPredicate(name) { return this.sort(name) === 'Prop'; }
  /** Is a definition another name for a type, or one that Lean unfolds by itself? */
  isAlias(name) { return this.sort(name) === 'Type' || (abi.call('l_Lean_getReducibilityStatusCore___boxed', abi.inc(this.env), abi.inc(name)) >>> 1) === 0; }
  isRecursiveType(c) { return abi.scalar(abi.field(c, 0), 0) === 1; }

  /** What stands at the head of a proposition, under definitions of the text: '∀', one of SHAPES, or ''; and its binders. */
  shape(e) {
    for (let n = 0; n <= UNFOLDED; n++) {
      const [f, args] = application(e);
      if (abi.tag(f) === PI) {
        const names = [];
        let x = f;
        for (; abi.tag(x) === PI; x = abi.field(x, 2)) names.push(/_@/.test(abi.kindText(abi.field(x, 0))) ? '' : parts(abi.field(x, 0)).join('.'));
        const [conclusion] = application(x);
        return { shape: '∀', names, gives: names.length === 1 && isConst(conclusion) && abi.kindText(abi.field(conclusion, 0)) === 'Exists' };
      }
      if (!isConst(f)) return { shape: '' };
      const name = abi.field(f, 0), text = abi.kindText(name);
      if (text in SHAPES) return { shape: SHAPES[text] };
      if (!this.isOwn(name) || kindOf(this.constant(name)) !== DEF || this.isRecursive(name)) return { shape: '' };
      e = value(this.constant(name));
      for (let i = 0; i < args.length && abi.tag(e) === LAMBDA; i++) e = abi.field(e, 2);
    }
    return { shape: '' };
  }

  /** The calls of functions of the text in the goal as Lean prints them, with a variable among the arguments. */
  calls(goals) {
    const found = new Map(), seen = new Set();
    const go = e => {
      if ((e & 1) || seen.has(e)) return;
      seen.add(e);
      const [f, args] = application(e);
      if (isConst(f) && args.length && this.isOwn(abi.field(f, 0)) && kindOf(this.constant(abi.field(f, 0))) === DEF
        && !isProjection(this.env, abi.field(f, 0)) && !AUXILIARY.test(last(abi.field(f, 0))) && !this.isInstance(abi.field(f, 0)) && args.some(a => abi.tag(a) === FREE)
        && (abi.call('l_Lean_Expr_hasLooseBVars___boxed', abi.inc(e)) >>> 1 & 1) === 0) found.set(e, { name: abi.field(f, 0), free: args.filter(a => abi.tag(a) === FREE).length / args.length });
      if (args.length) [f, ...args].forEach(go);
      else if (abi.tag(e) in CHILDREN) CHILDREN[abi.tag(e)].forEach(i => go(abi.field(e, i)));
    };
    goals.forEach(go);
    const told = new Map();
    for (const [e, { name, free }] of found) {
      const text = proof.printed(this.state, this.lctx, e);
      if (!told.has(text) && !text.includes('✝')) told.set(text, { text, function: this.written(name), recursive: this.isRecursive(name), free });
    }
    return [...told.values()].sort((a, b) => b.free - a.free);
  }

  /** The lemmas that share symbols with the goal: rare symbols count most, and what else a lemma speaks of counts against it. */
  related(near, far) {
    const byText = new Map(), named = [];
    constants.eachAdded(this.env, (name, c) => { if (kindOf(c) === THEOREM) byText.set(parts(name).join('.'), name); });
    for (const text of this.lemmas) {
      const name = byText.get(text);
      if (name === undefined) continue;
      this.held.push(abi.inc(name));
      named.push({ name, symbols: [...this.symbols(type(this.constant(name))).keys()] });
    }
    const uses = new Map();
    for (const { symbols } of named) for (const s of symbols) uses.set(s, (uses.get(s) ?? 0) + 1);
    const weight = s => 1 / (1 + Math.log2(uses.get(s)));
    const scored = named.map(({ name, symbols }, place) => {
      const shared = symbols.filter(s => near.has(s) || far.has(s)).reduce((sum, s) => sum + weight(s) * (near.has(s) ? 1 : 0.5), 0);
      const other = symbols.filter(s => !near.has(s) && !far.has(s)).length;
      return { name, place, score: shared / (shared + other + 0.5) };
    });
    const best = Math.max(0, ...scored.map(l => l.score));
    return scored.filter(l => l.score > 0 && l.score >= CLOSE * best).sort((a, b) => b.score - a.score || b.place - a.place).slice(0, LEMMAS)
      .filter(l => !this.isOpen(l.name)).map(l => this.lemma(this.written(l.name)));
  }
  isOpen(name) { return statements.restsOn(this.env, abi.nameText(name), SORRY)?.axioms.some(a => SORRY.has(a.name)); }
  /** A lemma by its name as it is written, and what it is of use to: each is tried once. */
  lemma(name) {
    if (!this.usable.has(name)) this.usable.set(name, { name, simp: this.works(`simp only [${name}]`), grind: this.works(`grind only [${name}]`) });
    return this.usable.get(name);
  }
  /** Has the text imported something that selects lemmas of the library? Asked once. */
  selects() {
    if (!this.usable.has(SELECTS)) this.usable.set(SELECTS, this.works('(suggestions; trivial)'));
    return this.usable.get(SELECTS);
  }
  works(tactic) {
    const { next, messages } = proof.tactic(this.state, `have : True := by ${tactic}`, 0);
    if (next) proof.free(next);
    return next !== null && !messages.some(m => m.severity === 'error');       // one that Lean recovers from
  }

  tell() {
    const near = new Map(), far = new Map();
    for (const e of [this.target, ...this.locals.map(l => l.type)]) this.symbols(e, near);
    for (const name of [...near.values()]) if (kindOf(this.constant(name)) === DEF) for (const other of together(this, name)) this.add(near, other);
    for (const name of near.values()) {
      const c = this.constant(name);
      const within = value(c) !== null ? [value(c)] : constants.constructors(c).map(n => type(this.constant(n)));
      for (const e of within) for (const [key, other] of this.symbols(e)) if (!near.has(key)) far.set(key, other);
    }
    const word = near_ => name => {
      const c = this.constant(name), inductive = kindOf(c) === INDUCTIVE;
      return { name: this.written(name), near: near_, kind: inductive ? (this.isPredicate(name) ? 'predicate' : 'type') : this.isInstance(name) ? 'instance' : this.isAlias(name) ? 'alias' : 'definition',
        recursive: inductive ? this.isRecursiveType(c) : this.isRecursive(name), constructors: constants.constructors(c).map(n => this.written(n)) };
    };
    const { shape, names } = this.shape(this.target);
    return {
      shape, ...(names && { names }),
      constants: [...[...near.values()].map(word(true)), ...[...far.values()].map(word(false))],
      methods: this.methods([...near.values()].map(name => value(this.constant(name))).filter(v => v !== null)),
      locals: this.locals.map(l => this.local(l)),
      calls: this.calls([this.target, ...this.locals.map(l => l.type)]),
      lemmas: this.related(near, far),
      selects: this.selects(),
    };
  }
  /** The arguments of a derivation's type: those that are variables (their names), and those that are none, as they are written. */
  indices(args) {
    const variables = args.filter(a => abi.tag(a) === FREE).map(a => this.locals.find(l => expressions.sameName(l.id, abi.field(a, 0)))).filter(Boolean);
    return { variables: variables.map(l => parts(l.name).join('.')), arguments: args.filter(a => abi.tag(a) !== FREE).map(a => proof.printed(this.state, this.lctx, a)) };
  }
  local({ id, name, type: t }) {
    const [f, args] = application(t), c = isConst(f) ? this.constant(abi.field(f, 0)) : null, inductive = c !== null && kindOf(c) === INDUCTIVE;
    const own = inductive && this.isOwn(abi.field(f, 0)), recursive = inductive && this.isRecursiveType(c);
    return { name: parts(name).join('.'), accessible: (abi.call('l_Lean_Name_hasMacroScopes___boxed', abi.inc(name)) >>> 1 & 1) === 0,
      type: inductive ? this.written(abi.field(f, 0)) : '', own,
      predicate: inductive && this.isPredicate(abi.field(f, 0)), recursive, principles: own && recursive ? principles(this, id, [f, args]) : [],
      function: abi.tag(t) === PI, sort: abi.tag(t) === SORT, shape: this.shape(t).shape, gives: this.shape(t).gives ?? false,
      variable: this.mentioned.has(abi.nameKey(id)), ...(inductive && this.isPredicate(abi.field(f, 0)) && this.indices(args)) };
  }
  /** Functions of the library's classes (`Append.append`) that stand in the goal, or in some definitions, with an instance of the text. */
  methods(definitions) {
    const found = new Set(), seen = new Set();
    const go = e => {
      if ((e & 1) || seen.has(e)) return;
      seen.add(e);
      const [f, args] = application(e);
      if (isConst(f) && imported(this.env, abi.field(f, 0)) && isProjection(this.env, abi.field(f, 0))) {
        for (const a of args) {
          const used = this.symbols(a, new Map());
          const [g] = application(a);
          if (!isConst(g) || ![...used.values()].length) continue;
          const own = [];
          eachConstant(a, n => { if (this.isOwn(n) && this.isInstance(n)) own.push(n); });
          if (!own.length) continue;
          found.add(abi.nameText(abi.field(f, 0)));
          const c = imported(this.env, abi.field(g, 0)) ? this.constant(abi.field(g, 0)) : null;
          if (c && value(c) !== null) eachConstant(value(c), n => { if (isProjection(this.env, n)) found.add(abi.nameText(n)); });
        }
      }
      const tag = abi.tag(e);
      if (tag in CHILDREN) CHILDREN[tag].forEach(i => go(abi.field(e, i)));
    };
    [this.target, ...this.locals.map(l => l.type), ...definitions].forEach(go);
    return [...found];
  }
  free() { this.held.forEach(abi.dec); }
}
const SORRY = new Set(['sorryAx']);

/**
 * The premises of a proof state's first goal. `text`: of the text before the theorem, { lemmas: full names of its theorems, in
 * its order; usable: a map that is kept with it }.
 */
function premises(state, text) {
  const found = new Premises(state, text);
  try { return found.tell(); } finally { found.free(); }
}

module.exports = premises;
