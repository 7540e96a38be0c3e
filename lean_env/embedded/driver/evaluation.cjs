'use strict';
/**
 * What Lean's interpreter may run. Elaborating evaluates terms: a tactic's configuration, an automatic parameter, a macro,
 * `#eval`; and the kernel evaluates `Lean.reduceBool`. Compiled code trusts its types, and with a proof of a false equation
 * (by `sorry`, say) any value passes for any type: whoever has code run can do whatever the module can do. So the
 * interpreter asks here first (see ASKED in patch.py), whatever the syntax was that led to it:
 *
 *   - a constant of an imported module may be evaluated, and one that is data: constructors and literals alone;
 *   - anything else is code, and `onCode` is called before it runs. In a guarded text it is refused, unless the challenge
 *     has the very same constant, down to all that it uses (a solution is often the challenge's file, with its macros).
 *     Then `Refused` is thrown, and the process has to end, because the throw leaves Lean in the middle of its work.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');
const statements = require('./statements.cjs');

const ASKED = 'getaddrinfo';       // the import that the module calls
const [, KERNEL, INITIALIZER] = [0, 1, 2];       // the interpreter's entries; 0 evaluates a constant

// Functions of the library that build data, and that the elaborator puts into configurations and quoted syntax.
const BUILDERS = new Set(['OfNat.ofNat', 'instOfNatNat', 'instOfNat', 'Int.instNegInt', 'Neg.neg', 'Array.empty', 'Array.push', 'List.toArray',
  'Lean.mkAtom', ...[1, 2, 3, 4, 5, 6, 7, 8].map(n => `Lean.Name.mkStr${n}`)]);

class Refused extends Error {
  constructor(name) { super(`${name} would be evaluated`); this.constant = name; }
}

let mode = { guarded: false, challenge: null, onCode: () => {} };
/** Run `action` in the present mode with some changes: { guarded, challenge (an environment, borrowed, or null), onCode }. */
function during(changes, action) {
  const before = mode;
  mode = { ...mode, ...changes };
  try { return action(); } finally { mode = before; }
}

/** Does a constant (its Name borrowed) of an imported module stand for data, or for a type? */
function isImportedData(env, name) {
  if (!constants.imported(env, name)) return false;
  if (BUILDERS.has(abi.kindText(name))) return true;
  const c = constants.find(env, name);
  if (!c) return false;
  const kind = constants.kindOf(c), closed = expressions.isConstant(constants.type(c));     // `Lean.Meta.Simp.defaultMaxSteps : Nat`
  abi.dec(c);
  return closed || kind === constants.CONSTRUCTOR || kind === constants.INDUCTIVE || isData(env, name);
}

/** Is a constant (its Name borrowed) defined by constructors and literals alone? */
function isData(env, name) {
  const c = constants.find(env, name);
  if (!c) return false;
  const data = constants.kindOf(c) === constants.DEF && expressions.isData(constants.value(c), n => isImportedData(env, n));
  abi.dec(c);
  return data;
}

/** Has the challenge this constant, with the same meaning? */
function isChallenges(env, name) {
  const c = mode.challenge && constants.find(mode.challenge, name);
  if (!c) return false;
  abi.dec(c);
  return statements.differences(mode.challenge, env, name).length === 0;
}

/** The interpreter's question, as the module calls it: returns 0 if it may go on. */
function ask(entry, env, name) {
  if (entry !== INITIALIZER) [env, name] = [abi.referred(env), abi.referred(name)];
  if (entry !== KERNEL && (constants.imported(env, name) || isData(env, name))) return 0;
  if (mode.guarded && !isChallenges(env, name)) throw new Refused(abi.nameText(name));
  mode.onCode();
  return 0;
}

module.exports = { ASKED, Refused, ask, during, isData, isImportedData };
