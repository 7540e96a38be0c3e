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
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');

const { AXIOM, INDUCTIVE, CONSTRUCTOR, RECURSOR, INDUCT, find, kindOf, nameOf, universeNames, type, value } = constants;

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
    const info = abi.field(c, 0), members = abi.listItems(abi.field(info, INDUCT.all)).map(n => find(env, n));
    const built = members.map(m => [m, constants.constructors(m).map(n => find(env, n))]);
    for (const [m, own] of built) [m, ...own].forEach(k => started.add(abi.nameKey(nameOf(k))));
    for (const [m, own] of built) [m, ...own].forEach(k => needs(type(k)));
    if (!refused) {
      const pair = k => abi.ctor(0, [abi.inc(nameOf(k)), abi.inc(type(k))]);
      const types = built.map(([m, own]) => abi.ctor(0, [abi.inc(nameOf(m)), abi.inc(type(m)), abi.list(own.map(pair))]));
      add(nameOf(c), abi.ctor(6, [abi.inc(universeNames(c)), abi.inc(abi.field(info, INDUCT.parameters)), abi.list(types)], [0]));
    }
    for (const [m, own] of built) [m, ...own].forEach(abi.dec);
  };

  const constant = n => {
    const key = abi.nameKey(n);
    if (started.has(key)) return;
    started.add(key);
    if (isOld(n)) return;
    const c = find(env, n);
    if (!c) { refused = abi.nameText(n); return; }
    const kind = kindOf(c), info = abi.field(c, 0);
    if (kind === CONSTRUCTOR) constant(abi.field(info, 1));             // field 1: its inductive type
    else if (kind === RECURSOR) constant(abi.field(abi.field(info, 1), 0));   // field 1: all types of the family
    else if (kind === INDUCTIVE) family(c);
    else if (kind === AXIOM || value(c) !== null) {
      needs(type(c));
      if (kind !== AXIOM && !refused) needs(value(c));
      if (!refused) add(n, abi.ctor(kind, [abi.inc(info)]));
    } else refused = abi.nameText(n);
    abi.dec(c);
  };

  constant(name);
  if (kernel) abi.dec(kernel);
  abi.dec(cancel);
  return refused;
};
