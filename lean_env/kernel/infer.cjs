'use strict';
/**
 * Type inference. `checked` follows every rule of the type theory; `assumed` finds the type of a term that is known to have
 * one, and leaves out the checks. Terms have no loose bound variables; binders are opened with fresh free variables.
 */

const equal = require('./equal.cjs');
const levels = require('./levels.cjs');
const literals = require('./literals.cjs');
const reduce = require('./reduce.cjs');
const terms = require('./terms.cjs');
const { bindPi, instantiate } = require('./substitute.cjs');
const { demand, step } = require('./verdicts.cjs');
const { FVAR, SORT, CONST, APP, LAM, PI, LET, PROJ, NAT, STR } = terms;

/** The type of a term, by all the rules. */
const checked = (session, term) => infer(session, term, true);
/** The type of a term that has one. */
const assumed = (session, term) => infer(session, term, false);

function infer(session, term, check) {
  const known = session.checked.get(term) ?? (check ? undefined : session.assumed.get(term));
  if (known !== undefined) return known;
  step();
  const type = inferNew(session, term, check);
  (check ? session.checked : session.assumed).set(term, type);
  return type;
}

function inferNew(session, term, check) {
  switch (term.kind) {
    case FVAR: return term.a;
    case SORT: return terms.sort(levels.succ(term.a));
    case CONST: return inferConstant(session, term);
    case APP: return inferApplication(session, term, check);
    case LAM: return inferLambda(session, term, check);
    case PI: return inferPi(session, term, check);
    case LET: return inferLet(session, term, check);
    case PROJ: return inferProjection(session, term, check);
    case NAT: case STR: return literals.typeOf(session.environment, term);
    default: return demand(false, 'infer.variable', 'a loose bound variable');
  }
}

/** A constant: it is declared, is safe, and takes as many levels. */
function inferConstant(session, term) {
  demand(!session.declaration(term).unsafe, 'infer.constant', () => `${term.a} is unsafe or partial`);
  return session.constantType(term);
}

/** An application: the function's type is a ∀, and its domain is the argument's type. */
function inferApplication(session, term, check) {
  const xs = terms.args(term);
  let type = infer(session, terms.head(term), check), from = 0;
  for (let i = 0; i < xs.length; i++) {
    if (type.kind !== PI) {
      type = ensurePi(session, instantiate(type, xs.slice(from, i)));
      from = i;
    }
    if (check) {
      const domain = instantiate(type.a, xs.slice(from, i)), actual = infer(session, xs[i], true);
      demand(equal.areEqual(session, actual, domain), 'infer.application',
        () => `${terms.show(xs[i])} has type ${terms.show(actual)}, not ${terms.show(domain)}`);
    }
    type = type.b;
  }
  return instantiate(type, xs.slice(from));
}

/** Free variables for the binders (of one kind) at the head of a term, and the rest; `visit` gets every binder's type. */
function open(term, kind, visit) {
  const variables = [];
  let depth = term.depth;
  for (; term.kind === kind; term = term.b) {
    const type = instantiate(term.a, variables);
    visit(type);
    depth = Math.max(depth, type.depth) + 1;
    variables.push(terms.fvar(type, depth));
  }
  return [variables, instantiate(term, variables)];
}

/** A λ: its type is the ∀ over the body's type. */
function inferLambda(session, term, check) {
  const [variables, body] = open(term, LAM, type => { if (check) sortOf(session, type, true); });
  return bindPi(variables, infer(session, body, check));
}

/** A ∀: its universe is the imax of those of domain and body. */
function inferPi(session, term, check) {
  const domains = [];
  const [, body] = open(term, PI, type => domains.push(sortOf(session, type, check)));
  return terms.sort(domains.reduceRight((level, domain) => levels.imax(domain, level), sortOf(session, body, check)));
}

/** A let: the value has the type, and the body is typed with the value put in. */
function inferLet(session, term, check) {
  if (check) {
    sortOf(session, term.a, true);
    const actual = infer(session, term.b, true);
    demand(equal.areEqual(session, actual, term.a), 'infer.let', () => `a value has type ${terms.show(actual)}, not ${terms.show(term.a)}`);
  }
  return infer(session, instantiate(term.c, [term.b]), check);
}

/**
 * A projection: the term's type is the named inductive type, which has one constructor. Out of a proposition only proofs are
 * projected, and the fields before that on which its type depends must be proofs too.
 */
function inferProjection(session, term, check) {
  const structType = reduce.whnf(session, infer(session, term.c, check));
  const f = terms.head(structType), xs = terms.args(structType);
  const inductive = f.kind === CONST ? session.environment.find(f.a, 'inductive') : null;
  demand(inductive !== null && f.a === term.a, 'infer.projection', () => `${terms.show(term.c)} is not of type ${term.a}`);
  demand(inductive.ctors.length === 1, 'infer.projection', () => `${term.a} has not one constructor`);
  demand(xs.length === inductive.numParams + inductive.numIndices, 'infer.projection', () => `${term.a} has not all its arguments`);
  const isProof = isProposition(session, structType);
  const ctor = terms.constant(inductive.ctors[0], f.b);
  const demandProof = type => demand(!isProof || isProposition(session, type), 'infer.projection', () => `data out of a proof of ${term.a}`);
  let type = session.constantType(ctor);
  for (const x of xs.slice(0, inductive.numParams)) type = instantiate(ensurePi(session, type).b, [x]);
  for (let i = 0; i < term.b; i++) {
    type = ensurePi(session, type);
    if (type.b.loose > 0) demandProof(type.a);
    type = instantiate(type.b, [terms.proj(term.a, i, term.c)]);
  }
  type = reduce.whnf(session, type);
  demand(type.kind === PI, 'infer.projection', () => `${term.a} has no field ${term.b}`);
  demandProof(type.a);
  return type.a;
}

/** The type as a ∀. */
function ensurePi(session, type) {
  const normal = reduce.whnf(session, type);
  demand(normal.kind === PI, 'infer.function', () => `${terms.show(normal)} is not a type of functions`);
  return normal;
}

/** The universe level of a type: the type's type must be a sort. */
function sortOf(session, type, check) {
  const sort = reduce.whnf(session, infer(session, type, check));
  demand(sort.kind === SORT, 'infer.sort', () => `${terms.show(type)} is not a type`);
  return sort.a;
}

/** Is a type (that has a type) a proposition, whatever the level parameters are? */
const isProposition = (session, type) => levels.isZero(sortOf(session, type, false));

Object.assign(exports, { checked, assumed, sortOf, isProposition });
