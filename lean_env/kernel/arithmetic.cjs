'use strict';
/**
 * Acceleration of arithmetic on Nat: numbers are computed in place of unfolding definitions. A function is accelerated only once its declaration is known to be what
 * its name says: by its type, and by its defining equations, which are compared with acceleration off, on variables. Of those
 * that have no body, or recurse in ways for which no equations hold by definition, only given ones are accelerated.
 */

const equal = require('./equal.cjs');
const literals = require('./literals.cjs');
const reduce = require('./reduce.cjs');
const terms = require('./terms.cjs');
const { Session } = require('./environment.cjs');
const { named } = require('./names.cjs');
const { Undecided } = require('./verdicts.cjs');

const { NAT, BOOL, ZERO, SUCC, TRUE, FALSE } = literals;
const LARGEST = 1n << 24n;          // exponent, and places to shift by
const LARGEST_POWER = 1 << 27;       // binary digits
const UNARY = terms.arrow(NAT, NAT), BINARY = terms.arrow(NAT, NAT, NAT), RELATION = terms.arrow(NAT, NAT, BOOL);

const call = name => (...xs) => terms.apply(terms.constantOf(named(`Nat.${name}`)), xs);
const [add, sub, mul, div, pow, beq, ble, pred, shiftLeft, shiftRight] =
  ['add', 'sub', 'mul', 'div', 'pow', 'beq', 'ble', 'pred', 'shiftLeft', 'shiftRight'].map(call);
const succ = x => terms.app(SUCC, x);
const X = terms.fvar(NAT, 1), Y = terms.fvar(NAT, 2);       // variables in equations

/** A power, unless it is so large that it should not be tried. */
function power(a, b) {
  if (b > LARGEST) return null;
  if (a > 1n && size(a) * Number(b) > LARGEST_POWER) throw new Undecided('limit.memory', 'a power is too large');
  return a ** b;
}

function gcd(a, b) {
  while (a !== 0n) [a, b] = [b % a, a];
  return b;
}

const size = n => { const text = n.toString(16); return 4 * (text.length - 1) + parseInt(text[0], 16).toString(2).length; };
const number = f => (...ns) => { const n = f(...ns); return n === null ? null : terms.nat(n); };
const truth = f => (...ns) => (f(...ns) ? TRUE : FALSE);

/** By name: type, function on numbers (null: too large), equations, and the functions that the equations rest on. */
const FUNCTIONS = {
  add: { type: BINARY, compute: number((a, b) => a + b), equations: [[add(X, ZERO), X], [add(X, succ(Y)), succ(add(X, Y))]] },
  sub: { type: BINARY, compute: number((a, b) => (a > b ? a - b : 0n)),
    equations: [[sub(X, ZERO), X], [sub(X, succ(Y)), pred(sub(X, Y))], [pred(ZERO), ZERO], [pred(succ(X)), X]] },
  mul: { type: BINARY, compute: number((a, b) => a * b), equations: [[mul(X, ZERO), ZERO], [mul(X, succ(Y)), add(mul(X, Y), X)]], rests: ['add'] },
  pow: { type: BINARY, compute: number(power),
    equations: [[pow(X, ZERO), succ(ZERO)], [pow(X, succ(Y)), mul(pow(X, Y), X)]], rests: ['mul'] },
  beq: { type: RELATION, compute: truth((a, b) => a === b),
    equations: [[beq(ZERO, ZERO), TRUE], [beq(ZERO, succ(Y)), FALSE], [beq(succ(X), ZERO), FALSE], [beq(succ(X), succ(Y)), beq(X, Y)]] },
  ble: { type: RELATION, compute: truth((a, b) => a <= b),
    equations: [[ble(ZERO, ZERO), TRUE], [ble(ZERO, succ(Y)), TRUE], [ble(succ(X), ZERO), FALSE], [ble(succ(X), succ(Y)), ble(X, Y)]] },
  shiftLeft: { type: BINARY, compute: number((a, b) => (b > LARGEST ? null : a << b)),
    equations: [[shiftLeft(X, ZERO), X], [shiftLeft(X, succ(Y)), shiftLeft(mul(succ(succ(ZERO)), X), Y)]], rests: ['mul'] },
  shiftRight: { type: BINARY, compute: number((a, b) => (b > LARGEST ? null : a >> b)),
    equations: [[shiftRight(X, ZERO), X], [shiftRight(X, succ(Y)), div(shiftRight(X, Y), succ(succ(ZERO)))]], rests: ['div'] },
  div: { type: BINARY, compute: number((a, b) => (b === 0n ? 0n : a / b)) },
  mod: { type: BINARY, compute: number((a, b) => (b === 0n ? a : a % b)) },
  gcd: { type: BINARY, compute: number(gcd) },
  land: { type: BINARY, compute: number((a, b) => a & b) },
  lor: { type: BINARY, compute: number((a, b) => a | b) },
  xor: { type: BINARY, compute: number((a, b) => a ^ b) },
  log2: { type: UNARY, compute: number(n => (n === 0n ? 0n : BigInt(size(n) - 1))) },
};
const BY_NAME = new Map(Object.entries(FUNCTIONS).map(([text, f]) => [named(`Nat.${text}`), { ...f, arity: f.type === UNARY ? 1 : 2 }]));

/** Looks whether the constant that was just declared may be accelerated, and notes it in the environment. */
function consider(environment, { name, kind, type, levelParams }, given) {
  const f = BY_NAME.get(name);
  if (f === undefined || type !== f.type || levelParams.length !== 0) return;
  if (!literals.hasNat(environment) || (f.type === RELATION && !literals.hasBool(environment))) return;
  if (kind === 'def' && f.equations !== undefined ? holds(environment, f) : given) environment.accelerated.add(name);
}

/** Do the equations of a function hold by definition, and are the functions known on which they rest? */
function holds(environment, { equations, rests = [] }) {
  if (!rests.every(text => environment.accelerated.has(named(`Nat.${text}`)))) return false;
  const session = new Session(environment, false);
  const isDeclared = ([left]) => {
    const found = environment.find(terms.head(left).a, 'def');
    return found !== null && found.levelParams.length === 0 && [UNARY, BINARY, RELATION].includes(found.type);
  };
  return equations.every(isDeclared) && equations.every(([left, right]) => equal.areEqual(session, left, right));
}

/** The value of an accelerated function on numbers, or null. Arguments with free variables are not looked at. */
function compute(session, term) {
  if (!session.accelerate || term.kind !== terms.APP || term.depth !== 0) return null;
  const f = terms.head(term);
  if (f === SUCC) return successor(session, term);
  if (f.kind !== terms.CONST || !session.environment.accelerated.has(f.a)) return null;
  const { arity, compute: value } = BY_NAME.get(f.a), xs = terms.args(term);
  if (xs.length !== arity) return null;
  const numbers = [];
  for (const x of xs) {
    const n = literals.numberOf(reduce.whnf(session, x));
    if (n === null) return null;
    numbers.push(n);
  }
  return value(...numbers);
}

/** Nat.succ on a number. */
function successor(session, term) {
  if (term.a !== SUCC || !literals.hasNat(session.environment)) return null;
  const n = literals.numberOf(reduce.whnf(session, term.b));
  return n === null ? null : terms.nat(n + 1n);
}

Object.assign(exports, { consider, compute });
