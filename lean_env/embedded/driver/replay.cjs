'use strict';
/**
 * The second lock: what a theorem rests on is given to Lean's kernel once more, from the constants alone. Whatever the
 * solution did while it was elaborated (options, tactics, how its declarations came into the environment), only what the
 * kernel accepts here counts. As the program lean4checker does it, in the process and for one theorem.
 *
 * Declaration by tag: 0 axiom, 1 definition, 2 theorem, 3 opaque (each with the value structure of its ConstantInfo),
 * 6 inductive (universe names, number of parameters, [(name, type, [(constructor, type)])]; is it unsafe?).
 */

const abi = require('./abi.cjs');
const expressions = require('./expressions.cjs');

// ConstantInfo by tag
const [AXIOM, DEF, THEOREM, OPAQUE, , INDUCTIVE, CONSTRUCTOR, RECURSOR] = [0, 1, 2, 3, 4, 5, 6, 7];
const INDUCT = { parameters: 1, all: 3, constructors: 4 };    // fields of InductiveVal
const base = c => abi.field(abi.field(c, 0), 0);
const type = c => abi.field(base(c), 2);

/**
 * Let the kernel check theorem `name` (borrowed Name) of `env` and, before it, every constant that it rests on and `before`
 * does not have (environments borrowed). `token`: a cancel token, or 0. Returns null if it accepts them all, else the
 * name (text) of the first one that it does not.
 */
module.exports = function replay(before, env, name, token) {
  const { W } = abi;
  let kernel = W.lean_elab_environment_to_kernel_env(abi.inc(before));
  const cancel = token ? abi.some(abi.inc(token)) : abi.nil;
  const started = new Set();
  let refused = null;

  const find = (e, n) => abi.option(W.l_Lean_Environment_find_x3f(abi.inc(e), abi.inc(n), 0));
  const isOld = n => { const c = find(before, n); if (c) abi.dec(c); return c !== null; };

  const add = (n, declaration) => {
    const result = W.lean_add_decl(kernel, 0, declaration, cancel);      // spends the environment
    abi.dec(declaration);
    if (abi.tag(result) === 1) kernel = abi.inc(abi.field(result, 0));
    else { kernel = 0; refused = abi.nameText(n); }
    abi.dec(result);
  };

  /** All constants of an expression first. A cycle cannot close: the kernel does not know what has not been added. */
  const needs = expression => expressions.eachConstant(expression, n => { if (!refused) constant(n); });

  const family = c => {
    const value = abi.field(c, 0), members = abi.listItems(abi.field(value, INDUCT.all)).map(n => find(env, n));
    const constructors = m => abi.listItems(abi.field(abi.field(m, 0), INDUCT.constructors)).map(n => find(env, n));
    const built = members.map(m => [m, constructors(m)]);
    for (const [m, own] of built) {
      started.add(abi.nameText(abi.field(base(m), 0)));
      own.forEach(k => started.add(abi.nameText(abi.field(base(k), 0))));
    }
    for (const [m, own] of built) { needs(type(m)); own.forEach(k => needs(type(k))); }
    if (!refused) {
      const pair = k => abi.ctor(0, [abi.inc(abi.field(base(k), 0)), abi.inc(type(k))]);
      const types = built.map(([m, own]) => abi.ctor(0, [abi.inc(abi.field(base(m), 0)), abi.inc(type(m)), abi.list(own.map(pair))]));
      add(abi.field(base(c), 0), abi.ctor(6, [abi.inc(abi.field(base(c), 1)), abi.inc(abi.field(value, INDUCT.parameters)), abi.list(types)], [0]));
    }
    for (const [m, own] of built) { abi.dec(m); own.forEach(abi.dec); }
  };

  const constant = n => {
    const text = abi.nameText(n);
    if (started.has(text)) return;
    started.add(text);
    if (isOld(n)) return;
    const c = find(env, n);
    if (!c) { refused = text; return; }
    const kind = abi.tag(c), value = abi.field(c, 0);
    if (kind === CONSTRUCTOR) constant(abi.field(value, 1));             // field 1: its inductive type
    else if (kind === RECURSOR) constant(abi.field(abi.field(value, 1), 0));   // field 1: all types of the family
    else if (kind === INDUCTIVE) family(c);
    else if ([AXIOM, DEF, THEOREM, OPAQUE].includes(kind)) {
      needs(type(c));
      if (kind !== AXIOM && !refused) needs(abi.field(value, 1));
      if (!refused) add(n, abi.ctor(kind, [abi.inc(value)]));
    } else refused = text;
    abi.dec(c);
  };

  constant(name);
  if (kernel) abi.dec(kernel);
  abi.dec(cancel);
  return refused;
};
