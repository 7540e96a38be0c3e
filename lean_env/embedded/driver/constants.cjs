'use strict';
/**
 * Constants of an environment: find them and read their parts. ConstantInfo, as Lean's kernel keeps it: tag = kind below, field 0 = its value structure, whose field 0 is
 * (name, universe names, type), all borrowed from the constant.
 */

const abi = require('./abi.cjs');

const KINDS = ['axiom', 'def', 'theorem', 'opaque', 'quot', 'inductive', 'constructor', 'recursor'];
const [AXIOM, DEF, THEOREM, OPAQUE, , INDUCTIVE, CONSTRUCTOR, RECURSOR] = KINDS.keys();
const INDUCT = { parameters: 1, all: 3, constructors: 4 };    // fields of an inductive type's value structure

/** Constant of an environment by its Name (borrowed), owned; null if there is none. */
function find(env, name) {
  const found = abi.option(abi.W.l_Lean_Environment_find_x3f(abi.inc(env), abi.inc(name), 0));
  if (found) return found;        // else: what was given to the kernel alone (see rebuild.cjs)
  return abi.option(abi.call('lean_environment_find', abi.W.lean_elab_environment_to_kernel_env(abi.inc(env)), abi.inc(name)));
}
/** Has an environment a constant of that Name (borrowed)? */
function has(env, name) {
  const found = find(env, name);
  if (found) abi.dec(found);
  return found !== null;
}
/** Does the constant come from an imported module (and not from the text)? */
function imported(env, name) {
  const index = abi.W.l_Lean_Environment_getModuleIdxFor_x3f(env, name);
  abi.dec(index);
  return !abi.isScalar(index);
}
/** Is it the projection to a field of a structure? */
function isProjection(env, name) {
  const info = abi.option(abi.W.l_Lean_Environment_getProjectionFnInfo_x3f(abi.inc(env), abi.inc(name)));
  if (info) abi.dec(info);
  return info !== null;
}
/** Calls `visit(name, constant)` (both borrowed) for what an environment has beyond its imports. */
function eachAdded(env, visit) {
  const map = abi.W.l_Lean_Environment_constants(abi.inc(env));
  for (const [name, c] of abi.persistentPairs(abi.field(map, 1))) visit(name, c);      // stage 2 of the map: what no module brought
  abi.dec(map);
}
/** Calls `visit(name, constant)` (both borrowed) for what an environment has and `before`, from which it has come, has not. */
function eachNew(env, before, visit) {
  const [now, then] = [env, before].map(e => abi.W.l_Lean_Environment_constants(abi.inc(e)));
  for (const [name, c] of abi.persistentPairs(abi.field(now, 1), abi.field(then, 1))) if (!has(before, name)) visit(name, c);
  [now, then].forEach(abi.dec);
}

const kindOf = c => abi.tag(c);
const base = c => abi.field(abi.field(c, 0), 0);
const nameOf = c => abi.field(base(c), 0);
const universeNames = c => abi.field(base(c), 1);
const type = c => abi.field(base(c), 2);
const value = c => [DEF, THEOREM, OPAQUE].includes(kindOf(c)) ? abi.field(abi.field(c, 0), 1) : null;
const constructors = c => kindOf(c) === INDUCTIVE ? abi.listItems(abi.field(abi.field(c, 0), INDUCT.constructors)) : [];

module.exports = { KINDS, AXIOM, DEF, THEOREM, OPAQUE, INDUCTIVE, CONSTRUCTOR, RECURSOR, INDUCT, find, has, imported, isProjection, eachAdded, eachNew, kindOf, nameOf, universeNames, type, value, constructors };
