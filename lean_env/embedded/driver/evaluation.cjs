'use strict';
/**
 * The rules on what Lean's interpreter may run. Elaborating evaluates terms: a tactic's configuration, an automatic parameter, a macro,
 * `#eval`; and the kernel evaluates `Lean.reduceBool`. Compiled code trusts its types, and with a proof of a false equation
 * (by `sorry`, say) any value passes for any type: whoever has code run can do whatever the module can do. So the
 * interpreter asks here first (see ASKED in patch.py), whatever the syntax was that led to it:
 *
 *   - a constant of an imported module may be evaluated, and one that is data: constructors and literals alone;
 *   - anything else is code, and `onCode` is called before it runs. In a guarded text it is refused, unless it is the
 *     challenge's own and nothing stands before it that the challenge does not have (a solution is often the challenge's
 *     file, with its macros). To refuse is to throw `Refused`; the process then has to end, because the throw leaves Lean
 *     in the middle of its work.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');
const statements = require('./statements.cjs');

const ASKED = 'getaddrinfo';       // the import that the module calls
const [, KERNEL, INITIALIZER] = [0, 1, 2];       // the interpreter's entries; 0 evaluates a constant

// Functions of the library that build data, and that the elaborator puts into configurations and quoted syntax.
const BUILDERS = new Set(['OfNat.ofNat', 'instOfNatNat', 'instOfNat', 'Int.instNegInt', 'Neg.neg', 'HPow.hPow', 'instHPow', 'Monoid.Pow', 'instPowNat',
  'instNatPowNat', 'Array.empty', 'Array.push', 'List.toArray', 'Lean.mkAtom', 'String.toRawSubstring', 'String.toSubstring', ...[1, 2, 3, 4, 5, 6, 7, 8].map(n => `Lean.Name.mkStr${n}`)]);

class Refused extends Error {
  constructor(name) { super(`${name} would be evaluated`); this.constant = name; }
}

let mode = { guarded: false, base: null, challenge: null, history: false, onCode: () => {} };
/**
 * Run `action` in the present mode with some changes.
 *   guarded     is the text a solution, or a part of one?
 *   challenge   null, or { env (borrowed), changesCode (see guard.cjs), intact: nothing stands before in the solution that the
 *               challenge does not have, but for theorems }
 *   base        the environment that the text begins in (borrowed), or null for that of its imports
 *   history     has code of the base run, or does it change what code does? (Then its process is known for that.)
 *   onCode      see above
 */
function during(changes, action) {
  const before = mode;
  mode = { ...mode, ...changes };
  try { return action(); } finally { mode = before; }
}

/** Is a constant (its Name borrowed) of an imported module a constructor, a type, or a value of a type that is no function's (`Lean.Meta.Simp.defaultMaxSteps : Nat`)? */
function isImportedValue(env, name) {
  if (!constants.imported(env, name)) return false;
  const c = constants.find(env, name);
  if (!c) return false;
  const kind = constants.kindOf(c), type = constants.type(c);
  // An abbreviation may stand for functions: `unexpandListNil : Lean.PrettyPrinter.Unexpander`.
  const value = kind === constants.CONSTRUCTOR || kind === constants.INDUCTIVE || (expressions.isConstant(type) && isInductive(env, abi.field(type, 0)));
  abi.dec(c);
  return value;
}

function isInductive(env, name) {
  const c = constants.find(env, name), inductive = c !== null && constants.kindOf(c) === constants.INDUCTIVE;
  if (c) abi.dec(c);
  return inductive;
}

/** Is it a value as above, or what the elaborator makes of values: a projection, a call of a function in BUILDERS, a definition by such? */
const isImportedData = (env, name) => isImportedValue(env, name)
  || (constants.imported(env, name) && (BUILDERS.has(abi.kindText(name)) || constants.isProjection(env, name) || isData(env, name)));

/** Is a constant (its Name borrowed) defined by constructors and literals alone? */
function isData(env, name) {
  const c = constants.find(env, name);
  if (!c) return false;
  const data = constants.kindOf(c) === constants.DEF && expressions.isData(constants.value(c), n => isImportedData(env, n));
  abi.dec(c);
  return data;
}

/** May a constant of the text be evaluated as data, without a question to anybody? */
function isPlainData(env, name) {
  if (!isData(env, name) || replacesCode(env, name)) return false;
  if (!mode.guarded) return !mode.history;
  if (mode.challenge?.changesCode && !mode.challenge.intact) return false;
  // Syntax becomes a tactic: the guard must have seen it, so that Lean must have quoted it.
  const c = constants.find(env, name), isSyntax = expressions.isConstant(constants.type(c), 'Lean.Syntax');
  abi.dec(c);
  return !isSyntax || QUOTED.test(abi.kindText(name));
}
const QUOTED = /(^|\.)_auto(Param|_[0-9]+)$/;

/**
 * Has a text declared a name that the compiler gives to a part of a definition's code? The interpreter would run it in the
 * part's place. `_unsafe_rec` is also Lean's own name for the code of a recursive function, so that only `name`'s counts.
 */
function replacesCode(env, name) {
  let found = false;
  constants.eachAdded(env, other => {
    const text = abi.kindText(other);
    found ||= PART.test(text) || (text.endsWith('._unsafe_rec') && expressions.sameName(abi.field(other, 0), name));
  });
  return found;
}
const PART = /(^|\.)_(closed_|boxed|redArg|lam_|elam|lambda_|spec|at_|rarg|cstage|override)[^.]*(\.|$)/;

/** Is it code of the base, of which the process is known to have run some? (Lean makes a notation's printer when it is first needed.) */
const isKnown = (env, name) => mode.history && mode.base !== null && constants.has(mode.base, name) && !(mode.guarded && replacesCode(env, name));

/** Is a constant the challenge's own, at a place where the solution has nothing but what the challenge has? */
function isChallenges(env, name) {
  return mode.challenge?.intact === true && constants.has(mode.challenge.env, name) && statements.differences(mode.challenge.env, env, name, { exact: true }).length === 0;
}

/** The interpreter's question, as the module calls it: returns 0 if it may go on. */
function ask(entry, env, name) {
  if (entry !== INITIALIZER) [env, name] = [abi.referred(env), abi.referred(name)];
  if (entry === KERNEL) {          // its environment is of another kind, and nothing needs it
    if (mode.guarded) throw new Refused(abi.nameText(name));
  } else {
    if (constants.imported(env, name) || isKnown(env, name) || isPlainData(env, name)) return 0;
    if (mode.guarded && !isChallenges(env, name)) throw new Refused(abi.nameText(name));
  }
  code();
  return 0;
}

/** Code of the text is about to run, or may be run without a further question. */
const code = () => mode.onCode();

module.exports = { ASKED, Refused, ask, code, during, isImportedValue };
