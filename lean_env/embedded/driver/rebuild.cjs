'use strict';
/**
 * Checking an export (NDJSON, see export.cjs) by Lean's kernel: its declarations are rebuilt and added one by one. The process
 * that wrote the export has elaborated a solution, so nothing in it is trusted: this file checks its form, the kernel all else.
 *
 * Declaration by tag: 0 axiom, 1 definition, 2 theorem, 3 opaque (each with the value structure of its ConstantInfo),
 * 6 inductive (universe names, number of parameters, [(name, type, [(constructor, type)])]; is it unsafe?).
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');

const LARGEST = 2 ** 20 - 1;      // of indices and counts: Lean panics at bound variables beyond it

class Malformed extends Error {}
const must = (condition, what) => { if (!condition) throw new Malformed(what); };
const count = n => { must(Number.isInteger(n) && n >= 0 && n <= LARGEST, 'a count'); return n; };
const text = s => { must(typeof s === 'string' && s.isWellFormed(), 'a text'); return s; };
/** A Nat (owned) of decimal digits. */
const natural = digits => { must(/^[0-9]+$/.test(digits), 'a number'); return abi.option(abi.call('l_String_toNat_x3f', abi.string(digits))); };
const list = xs => { must(Array.isArray(xs), 'a list'); return xs; };
const object = x => { must(typeof x === 'object' && x !== null, 'an object'); return x; };

/** The names, levels and expressions of an export by their numbers (owned by the table; what the methods answer is, too). */
class Table {
  constructor() {
    this.names = [abi.nil];
    this.levels = [abi.call('lean_level_mk_zero', abi.nil)];
    this.expressions = [];
    this.reach = [];              // of each expression: how many binders around it it needs
  }

  at(items, i) { must(Number.isInteger(i) && items[i] !== undefined, 'an undefined number'); return items[i]; }
  name(i) { return abi.inc(this.at(this.names, i)); }
  level(i) { return abi.inc(this.at(this.levels, i)); }
  nameList(indices) { return abi.list(list(indices).map(i => this.name(i))); }

  /** An expression that stands alone: no bound variable is free in it. */
  closed(i) {
    const found = this.at(this.expressions, i);
    must(this.reach[i] === 0, 'a loose bound variable');
    return abi.inc(found);
  }

  /** Take in a line; false if it declares constants. */
  define(line) {
    if ('in' in line) this.add(this.names, line.in, this.newName(line));
    else if ('il' in line) this.add(this.levels, line.il, this.newLevel(line));
    else if ('ie' in line) this.newExpression(line);
    else return false;
    return true;
  }

  add(items, index, made) { must(index === items.length, 'numbers out of order'); items.push(made); }

  newName(line) {
    const { pre, str, i } = object(line.str ?? line.num), before = this.at(this.names, pre);
    if (line.str !== undefined) return abi.call('l_Lean_Name_str___override', abi.inc(before), abi.string(text(str)));
    return abi.call('l_Lean_Name_num___override', abi.inc(before), natural(String(i)));
  }

  newLevel(line) {
    if ('succ' in line) return abi.call('l_Lean_Level_succ___override', this.level(line.succ));
    if ('param' in line) return abi.call('l_Lean_Level_param___override', this.name(line.param));
    const parts = list(line.max ?? line.imax);
    must(parts.length === 2, 'a level');
    parts.forEach(i => this.at(this.levels, i));
    return abi.call(`l_Lean_Level_${'max' in line ? 'max' : 'imax'}___override`, ...parts.map(i => this.level(i)));
  }

  newExpression(line) {
    const parts = [];             // [expression's number, how many binders of this one stand around it]
    const part = (i, binders = 0) => { this.at(this.expressions, i); parts.push([i, binders]); return i; };
    const make = (symbol, ...args) => abi.call(`l_Lean_Expr_${symbol}___override`, ...args);
    const own = i => abi.inc(this.expressions[i]);
    let made, least = 0;
    if ('bvar' in line) { least = count(line.bvar) + 1; made = make('bvar', abi.box(line.bvar)); }
    else if ('sort' in line) made = make('sort', this.level(line.sort));
    else if ('const' in line) {
      const { name, us } = object(line.const);
      list(us).forEach(i => this.at(this.levels, i));
      made = make('const', this.name(name), abi.list(us.map(i => this.level(i))));
    } else if ('app' in line) {
      const { fn, arg } = object(line.app);
      part(fn); part(arg);
      made = make('app', own(fn), own(arg));
    } else if ('lam' in line || 'forallE' in line) {
      const { name, type, body, binderInfo } = object(line.lam ?? line.forallE), info = expressions.BINDERS.indexOf(binderInfo);
      must(info >= 0, 'a binder');
      part(type); part(body, 1);
      made = make('lam' in line ? 'lam' : 'forallE', this.name(name), own(type), own(body), info);
    } else if ('letE' in line) {
      const { name, type, value, body, nondep } = object(line.letE);
      part(type); part(value); part(body, 1);
      made = make('letE', this.name(name), own(type), own(value), own(body), nondep === true ? 1 : 0);
    } else if ('proj' in line) {
      const { typeName, idx, struct } = object(line.proj);
      part(struct);
      made = make('proj', this.name(typeName), abi.box(count(idx)), own(struct));
    } else if ('natVal' in line) {
      made = make('lit', abi.ctor(0, [natural(text(line.natVal))]));
    } else {
      made = make('lit', abi.ctor(1, [abi.string(text(line.strVal))]));
    }
    this.add(this.expressions, line.ie, made);
    this.reach.push(Math.max(least, ...parts.map(([i, binders]) => Math.max(0, this.reach[i] - binders))));
  }

  free() { [...this.names, ...this.levels, ...this.expressions].forEach(abi.dec); }
}

// ---- declarations ----

const constant = (table, d) => abi.ctor(0, [table.name(d.name), table.nameList(d.levelParams), table.closed(d.type)]);
const safe = d => must((d.safety ?? 'safe') === 'safe' && d.isUnsafe !== true, 'an unsafe declaration');

/** ReducibilityHints, see export.cjs. */
function hints(h) {
  const plain = ['opaque', 'abbrev'].indexOf(h);
  if (plain >= 0) return abi.box(plain);
  const height = count(object(h).regular);
  return abi.ctor(2, [], [height & 255, height >>> 8 & 255, height >>> 16 & 255, 0]);
}

const FORMS = {
  axiom: (t, d) => abi.ctor(0, [abi.ctor(0, [constant(t, d)], [0])]),
  def: (t, d) => abi.ctor(1, [abi.ctor(0, [constant(t, d), t.closed(d.value), hints(d.hints), t.nameList([d.name])], [1])]),
  thm: (t, d) => abi.ctor(2, [abi.ctor(0, [constant(t, d), t.closed(d.value), t.nameList([d.name])])]),
  opaque: (t, d) => abi.ctor(3, [abi.ctor(0, [constant(t, d), t.closed(d.value), t.nameList([d.name])], [0])]),
  inductive(t, { types, ctors }) {
    const typed = ({ name, type }, ...rest) => abi.ctor(0, [t.name(name), t.closed(type), ...rest]);
    list(types).concat(list(ctors)).forEach(x => safe(object(x)));
    must(types.length > 0, 'an inductive declaration without types');
    const own = ({ ctors: names }) => list(names).map(n => { const found = ctors.find(c => c.name === n); must(found, 'a constructor'); return typed(found); });
    const family = types.map(x => typed(x, abi.list(own(x))));
    return abi.ctor(6, [t.nameList(types[0].levelParams), abi.box(count(types[0].numParams)), abi.list(family)], [0]);
  },
};

/** Is a declaration one that the environment (borrowed) has, word for word? Lean makes some of the library's lemmas when they are needed. */
function isThere(env, table, d) {
  const name = table.name(d.name), found = constants.find(env, name);
  abi.dec(name);
  if (!found) return false;
  const type = table.closed(d.type), value = d.value === undefined ? null : table.closed(d.value), known = constants.value(found);
  const equal = (a, b) => { let same = true; return expressions.equal(a, b, (n, m) => { same &&= expressions.sameName(n, m); }) && same; };
  const same = equal(type, constants.type(found)) && (value === null ? known === null : known !== null && equal(value, known));
  [found, type, ...(value === null ? [] : [value])].forEach(abi.dec);
  return same;
}

/**
 * Give the declarations of an export to Lean's kernel, after the environment `before`; `challenge`: the environment that a
 * challenge makes of it (both borrowed). `token`: a cancel token,
 * or 0. Returns { env (owned: the environment with all of them, or null), refused (text: what the kernel does not accept, or null),
 * types (names, as text, of the inductive types among them that the challenge has not) }.
 */
module.exports = function rebuild(before, ndjson, token, challenge = before) {
  const table = new Table(), cancel = token ? abi.some(abi.inc(token)) : abi.nil;
  let env = abi.inc(before), refused = null;
  const types = [];

  const declare = (kind, d) => {
    safe(d);
    const first = kind === 'inductive' ? object(list(d.types)[0]) : d;
    if (isThere(before, table, first)) return;
    if (kind === 'inductive') types.push(...d.types.map(x => table.at(table.names, object(x).name)).filter(n => !constants.has(challenge, n)).map(abi.nameText));
    const declaration = FORMS[kind](table, d), result = abi.call('lean_elab_add_decl', env, 0, declaration, cancel);      // spends the environment
    abi.dec(declaration);
    if (abi.tag(result) === 1) env = abi.inc(abi.field(result, 0));
    else { env = 0; refused = abi.nameText(table.at(table.names, first.name)); }
    abi.dec(result);
  };

  try {
    for (const source of ndjson.split('\n').slice(1, -1)) {      // between the description of the file and the last line's end
      const line = object(JSON.parse(source));
      if (table.define(line)) continue;
      const [kind] = Object.keys(line);
      must(Object.hasOwn(FORMS, kind), 'a declaration');
      declare(kind, object(line[kind]));
      if (refused) break;
    }
  } catch (error) {
    if (!(error instanceof Malformed || error instanceof SyntaxError)) throw error;
    refused = `an export with ${error.message} in the wrong place`;
  } finally { table.free(); abi.dec(cancel); }
  if (refused === null) return { env, refused, types };
  if (env) abi.dec(env);
  return { env: null, refused, types };
};
