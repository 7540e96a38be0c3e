'use strict';
/**
 * Proof irrelevance for comparing statements: finds the arguments of a function that are proofs, any two of which Lean takes for
 * equal. They are found from the types as they are written. Nothing is unfolded, reduced or unified: what would be a proof only
 * after that is none here.
 * Scopes: see expressions.cjs.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const { BOUND, SORT, CONST, LAMBDA, PI, LET, spine, under, withoutAnnotations } = require('./expressions.cjs');

const [ZERO, , MAX, IMAX, PARAMETER] = [0, 1, 2, 3, 4];        // of Level

/** Is a level 0 whatever the parameters of the text are? */
function isZero(level, levels) {
  const tag = abi.tag(level);
  if (tag === PARAMETER) {
    const found = levels?.get(abi.nameKey(abi.field(level, 0)));
    return found !== undefined && isZero(found.level, found.levels);
  }
  if (tag === MAX) return isZero(abi.field(level, 0), levels) && isZero(abi.field(level, 1), levels);
  return tag === ZERO || (tag === IMAX && isZero(abi.field(level, 1), levels));
}

// The library's marks on a binder's type, which stand for their first argument.
const MARKS = new Set(['outParam', 'semiOutParam', 'optParam', 'autoParam']);

/** What is known of the types in an environment (borrowed). To be freed. */
class Types {
  constructor(env) { this.env = env; this.known = new Map(); }

  free() { for (const c of this.known.values()) if (c) abi.dec(c); }

  constant(name) {
    const key = abi.nameKey(name);
    if (!this.known.has(key)) this.known.set(key, constants.find(this.env, name));
    return this.known.get(key);
  }

  /** A type without annotations and the library's marks. */
  plain(type) {
    for (;;) {
      const [head, args] = spine(type), name = abi.tag(head) === CONST && args.length > 0 ? abi.field(head, 0) : null;
      if (name === null || !MARKS.has(abi.kindText(name)) || !constants.imported(this.env, name)) return withoutAnnotations(type);
      type = args[0];
    }
  }

  /** The type of a head that is no application, and the scope in which that stands; null where it would have to be inferred. */
  ofHead(head, scope) {
    if (abi.tag(head) === CONST) {
      const c = this.constant(abi.field(head, 0));
      if (!c) return null;
      const given = abi.listItems(abi.field(head, 1)), levels = new Map();
      abi.listItems(constants.universeNames(c)).forEach((n, i) => { if (i < given.length) levels.set(abi.nameKey(n), { level: given[i], levels: scope.levels }); });
      return [constants.type(c), { binders: null, levels }];
    }
    if (abi.tag(head) !== BOUND) return null;
    let found = scope.binders;
    for (let i = abi.unbox(abi.field(head, 0)); i > 0 && found; i--) found = found.outer;
    return found && [found.type, { binders: found.outer, levels: found.levels }];
  }

  /** Is a type (borrowed) a proposition, as it is written? */
  isProposition(type, scope) {
    let [head, args] = spine(this.plain(type)), left = args.length;
    for (;;) {
      const tag = abi.tag(head);
      if ((tag === PI || tag === LET) && left === 0) [scope, head] = [under(scope, abi.field(head, 1)), abi.field(head, tag === PI ? 2 : 3)];
      else if (tag === LAMBDA && left > 0) { [scope, head] = [under(scope, abi.field(head, 1)), abi.field(head, 2)]; left--; }
      else break;
      [head, args] = spine(head);
      left += args.length;
    }
    let found = this.ofHead(head, scope);
    for (; found && left > 0; left--) found = this.applied(found);
    if (!found) return false;
    const sort = this.plain(found[0]);
    return abi.tag(sort) === SORT && isZero(abi.field(sort, 0), found[1].levels);
  }

  /** A function's type without its first binder; null where none is written. */
  applied([type, scope]) {
    type = this.plain(type);
    return abi.tag(type) === PI ? [abi.field(type, 2), under(scope, abi.field(type, 1))] : null;
  }

  /** Of each of a head's arguments (how many there are): must it be a proof? */
  proofPlaces(head, scope, count) {
    const places = new Array(count).fill(false);
    if (abi.tag(head) === LAMBDA) {
      for (let i = 0; i < count && abi.tag(head) === LAMBDA; i++) {
        places[i] = this.isProposition(abi.field(head, 1), scope);
        [scope, head] = [under(scope, abi.field(head, 1)), withoutAnnotations(abi.field(head, 2))];
      }
      return places;
    }
    let found = this.ofHead(head, scope);
    for (let i = 0; i < count && found; i++) {
      const type = this.plain(found[0]);
      if (abi.tag(type) !== PI) break;
      places[i] = this.isProposition(abi.field(type, 1), found[1]);
      found = this.applied(found);
    }
    return places;
  }
}

module.exports = { Types };
