'use strict';
/**
 * Detection of inductive types that are neither plainly propositions nor plainly types. Lean's kernel decides in several places, in
 * several ways, whether an inductive type is a proposition, and up to 4.28 these could differ where its sort is computed
 * (`inductive T : f h`, with f h reducing to Prop): a proof of False (lean4 #14484 and those after it). So a theorem may rest
 * on no such type, whatever the kernel says.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const { SORT, PI, ANNOTATION } = require('./expressions.cjs');

const [ZERO, SUCC, MAX, IMAX] = [0, 1, 2, 3];                  // of Level

const isZero = level => abi.tag(level) === ZERO || ([MAX, IMAX].includes(abi.tag(level)) && isZero(abi.field(level, 1)) && (abi.tag(level) === IMAX || isZero(abi.field(level, 0))));

/** Is a level above 0 whatever its parameters are? */
function isPositive(level) {
  const tag = abi.tag(level);
  if (tag === MAX) return isPositive(abi.field(level, 0)) || isPositive(abi.field(level, 1));
  return tag === SUCC || (tag === IMAX && isPositive(abi.field(level, 1)));
}

/** Does the type of an inductive type end, after its binders, in a sort that is `Prop` or never is? */
function isPlain(type) {
  for (;;) {
    const tag = abi.tag(type);
    if (tag === PI) type = abi.field(type, 2);
    else if (tag === ANNOTATION) type = abi.field(type, 1);
    else return tag === SORT && (isZero(abi.field(type, 0)) || isPositive(abi.field(type, 0)));
  }
}

/** Is a constant (borrowed) an inductive type that is not plain? */
module.exports = c => constants.kindOf(c) === constants.INDUCTIVE && !isPlain(constants.type(c));
