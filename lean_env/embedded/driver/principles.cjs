'use strict';
/**
 * Motives for induction on mutual and nested types. Lean's recursor has one motive for each type of the family: that of
 * the type at hand follows from the goal, the others are made here. What is claimed of another type of the family is the
 * goal with the functions and predicates of the text exchanged for those that they are defined together with; where there
 * are none, that the goal holds of everything in it.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const { CONST, FREE, APP, LAMBDA, PI, LET, ANNOTATION, PROJECTION, CHILDREN, eachConstant, sameName } = require('./expressions.cjs');
const proof = require('./proof.cjs');

const { DEF, INDUCTIVE, INDUCT, kindOf, type, value } = constants;
const TOGETHER = '_unsafe_rec';    // what a recursive function is compiled as; it calls the others' of its block
const HELD = { List: true, Array: true, Option: true };        // containers whose elements `∈` tells

const make = (symbol, ...args) => abi.call(`l_Lean_Expr_${symbol}___override`, ...args);
const part = (name, text) => abi.call('l_Lean_Name_str___override', abi.inc(name), abi.string(text));
const isNamed = (name, text) => !(name & 1) && abi.tag(name) === 1 && abi.text(abi.field(name, 1)) === text;
const head = e => { while (abi.tag(e) === APP || abi.tag(e) === ANNOTATION) e = abi.field(e, abi.tag(e) === APP ? 0 : 1); return e; };
const headName = e => abi.tag(head(e)) === CONST ? abi.field(head(e), 0) : null;
const telescope = t => { const found = []; for (; abi.tag(t) === PI; t = abi.field(t, 2)) found.push(t); return found; };
const argument = e => { while (abi.tag(e) === ANNOTATION) e = abi.field(e, 1); return abi.tag(e) === APP ? abi.field(e, 1) : null; };
const constantsOf = e => { const found = []; eachConstant(e, n => found.push(abi.nameKey(n))); return found; };

/** An expression (borrowed) with other constants in the place of some ({ key: name (borrowed) }); owned. */
function exchanged(expression, other) {
  const done = new Map(), own = e => abi.inc(go(e));
  const go = e => {
    if (!done.has(e)) done.set(e, build(e));
    return done.get(e);
  };
  const build = e => {
    const tag = abi.tag(e), at = i => abi.field(e, i);
    if (tag === CONST) { const name = other.get(abi.nameKey(at(0))); return name === undefined ? abi.inc(e) : make('const', abi.inc(name), abi.inc(at(1))); }
    if (!(tag in CHILDREN) || CHILDREN[tag].every(i => go(at(i)) === at(i))) return abi.inc(e);
    if (tag === APP) return make('app', own(at(0)), own(at(1)));
    if (tag === LAMBDA || tag === PI) return make(tag === PI ? 'forallE' : 'lam', abi.inc(at(0)), own(at(1)), own(at(2)), abi.scalar(e, 8));
    if (tag === LET) return make('letE', abi.inc(at(0)), own(at(1)), own(at(2)), own(at(3)), abi.scalar(e, 8));
    if (tag === ANNOTATION) return make('mdata', abi.inc(at(0)), own(at(1)));
    return tag === PROJECTION ? make('proj', abi.inc(at(0)), abi.inc(at(1)), own(at(2))) : abi.inc(e);
  };
  const made = abi.inc(go(expression));
  done.forEach(abi.dec);
  return made;
}

/** The functions that one of the text (a name) is defined together with, itself too: names, borrowed from `premises.held`. */
function together(premises, name) {
  const found = [], seen = new Set();
  const go = n => {
    const compiled = part(n, TOGETHER), c = premises.constant(compiled);
    abi.dec(compiled);
    if (c === null || value(c) === null || seen.has(abi.nameKey(n))) return;
    seen.add(abi.nameKey(n));
    found.push(abi.inc(n));
    eachConstant(value(c), used => { if (isNamed(used, TOGETHER)) go(abi.field(used, 0)); });
  };
  go(name);
  premises.held.push(...found);
  return found;
}

/** Does a function take something of a type as it stands in the family, or with the parameters of the type at hand? `like`: both types. */
function takes(premises, name, like) {
  const [least, most] = like.map(constantsOf);
  for (let t = type(premises.constant(name)); abi.tag(t) === PI; t = abi.field(t, 2)) {
    const taken = constantsOf(abi.field(t, 1));
    if (least.every(key => taken.includes(key)) && taken.every(key => most.includes(key))) return true;
  }
  return false;
}

/** What a claim about another type of the family speaks of in the place of what the goal speaks of: { key: name }. */
function counterparts(premises, goal, family, like) {
  const other = new Map();
  eachConstant(goal, name => {
    if (!premises.isOwn(name) || kindOf(premises.constant(name)) !== DEF) return;
    const block = together(premises, name);
    if (block.length < 2 || takes(premises, name, like)) return;
    const found = block.find(n => takes(premises, n, like));
    if (found !== undefined) other.set(abi.nameKey(name), found);
  });
  if (family) other.set(...family);
  return other;
}

/**
 * For a variable or hypothesis whose type (an application of an inductive type of the text) belongs to a family: what can be
 * claimed of the other types, likely ones first, each { name (of the recursor, as it is written), motives: [{ name, binders, body }] };
 * none where Lean's `induction` needs none.
 */
function principles(premises, id, application) {
  const [f, args] = application, own = abi.field(f, 0), c = premises.constant(own);
  const recursor = part(own, 'rec'), rule = premises.constant(recursor), parameters = abi.unbox(abi.field(abi.field(c, 0), INDUCT.parameters));
  premises.held.push(recursor);
  if (rule === null) return [];
  let t = type(rule);
  for (let i = 0; i < parameters; i++) t = abi.field(t, 2);
  const found = [];
  for (; abi.tag(t) === PI && /^motive_\d+$/.test(abi.kindText(abi.field(t, 0))); t = abi.field(t, 2)) found.push(t);
  if (found.length < 2) return [];
  const indices = args.slice(parameters);
  if (indices.some(i => abi.tag(i) !== FREE)) return [];
  const variables = abi.array([...indices, make('fvar', abi.inc(id))].map((x, n) => n < indices.length ? abi.inc(x) : x));
  const goal = goalAbout(premises, id);
  premises.held.push(variables);
  const claims = found.map((binder, before) => {
    const given = abi.array([...args.slice(0, parameters), ...Array(before).fill(f)].map(x => abi.inc(x)));
    const motive = abi.call('l_Lean_Expr_instantiateRev___boxed', abi.inc(abi.field(binder, 1)), given);
    premises.held.push(motive);
    return { name: abi.kindText(abi.field(binder, 0)), ...claim(premises, goal, own, [abi.field(binder, 1), motive], variables, indices.length) };
  }).filter(c => c.binders);
  const told = body => ({ name: premises.written(recursor), motives: claims.map(c => ({ name: c.name, binders: c.binders, body: body(c) })) });
  const ways = [told(c => c.exchanged ?? c.elements), told(c => c.elements)];
  return claims.some(c => c.exchanged) ? ways : ways.slice(1);
}

/** The goal after those hypotheses that speak of a variable (an expression, borrowed from `premises.held`). */
function goalAbout(premises, id) {
  const variable = abi.array([make('fvar', abi.inc(id))]);
  const about = premises.locals.filter(l => {
    const bound = abi.call('l_Lean_Expr_abstract___boxed', abi.inc(l.type), abi.inc(variable));
    const speaks = (abi.call('l_Lean_Expr_hasLooseBVars___boxed', abi.inc(bound)) >>> 1 & 1) === 1;
    abi.dec(bound);
    return speaks;
  });
  const facts = abi.array(about.map(l => make('fvar', abi.inc(l.id))));
  const goal = abi.W.l_Lean_LocalContext_mkForall___boxed(abi.inc(premises.lctx), facts, abi.inc(premises.target), abi.box(0), abi.box(1));
  abi.dec(variable);
  premises.held.push(goal);
  return goal;
}

/** What is claimed of a type of the family, whose motive's type is given as it stands there and with the parameters at hand, as text: { binders, exchanged (where it can be), elements }; of the type at hand nothing. */
function claim(premises, goal, own, motives, variables, indices) {
  const [, binders] = motives.map(telescope), like = motives.map(motive => abi.field(telescope(motive).at(-1), 1));
  const major = like[1], name = headName(major), fits = binders.length === indices + 1;
  if (name !== null && sameName(name, own)) return {};
  const isFamily = name !== null && premises.isPredicate(own) && premises.isOwn(name) && kindOf(premises.constant(name)) === INDUCTIVE;
  const other = fits ? counterparts(premises, goal, isFamily ? [abi.nameKey(own), name] : null, like) : new Map();
  const names = binders.map((_, n) => fresh(premises, n)), said = { binders: names.join(' '), elements: 'True' };
  if (fits && !indices) said.elements = ofElements(premises, major, own, names[0], 1, x => printedClaim(premises, [null], [x], goal, variables)) ?? 'True';
  if (!other.size) return said;
  const body = exchanged(goal, other);
  premises.held.push(body);
  return { ...said, exchanged: printedClaim(premises, binders, names, body, variables) };
}

/** That a claim holds of all that is of the type at hand in something of a type (borrowed); null where there is none that can be told. */
function ofElements(premises, t, own, x, depth, told) {
  const name = headName(t), y = fresh(premises, depth);
  if (name === null) return null;
  if (sameName(name, own)) return /\.\d$/.test(x) ? `∀ ${y}, ${y} = ${x} → ${told(y)}` : told(x);
  const text = abi.nameText(name);
  if (text in HELD) {
    const inner = ofElements(premises, argument(t), own, y, depth + 1, told);
    return inner && `∀ ${y} ∈ ${x}, ${inner}`;
  }
  if (text !== 'Prod') return null;
  const sides = [[abi.field(abi.field(t, 0), 1), `${x}.1`], [argument(t), `${x}.2`]];
  return sides.map(([side, y]) => ofElements(premises, side, own, y, depth, told)).filter(Boolean).join(' ∧ ') || null;
}

const fresh = (premises, n) => { let name = `x${n}`; while (premises.localNames.has(name)) name += "'"; return name; };

/** A goal (borrowed) about other variables, as Lean prints it: those of `binders`, or one of the same type. */
function printedClaim(premises, binders, names, goal, variables) {
  let e = abi.call('l_Lean_Expr_abstract___boxed', abi.inc(goal), abi.inc(variables));
  const types = binders[0] === null ? [premises.locals.find(l => abi.nameKey(l.id) === abi.nameKey(abi.field(abi.arrayItems(variables).at(-1), 0))).type] : binders.map(b => abi.field(b, 1));
  for (let n = types.length - 1; n >= 0; n--) e = make('lam', abi.parseName(names[n]), abi.inc(types[n]), e, 0);
  premises.held.push(e);
  return proof.printed(premises.state, premises.lctx, e).replace(/^fun .*? => /, '');
}

module.exports = { principles, together };
