'use strict';
/**
 * Loaded before the driver by tests: `export` answers three questions more, which are asked in place of names.
 *
 *   ["*"]            the constants that the imports have: a line [name, kind, has it a body, and is it safe?] for each
 *   ["?", name, …]   the names of those whose bodies Lean's kernel accepts, a line each: each is given to it as a new constant
 *   ["!", export]    the declaration that Lean's kernel does not accept after the imports (rebuild.cjs), if there is one
 */

const path = require('path'), process = require('process');
const { isMainThread } = require('worker_threads');
const folder = path.dirname(process.argv[1] ?? '.'), driver = name => path.resolve(folder, `${name}.cjs`);
if (!isMainThread) return;          // the watchdog's thread loads this, too

const abi = require(driver('abi')), constants = require(driver('constants'));
const { DEF, THEOREM, OPAQUE, find, kindOf, type, universeNames, value } = constants;
const SAFE = 1;                     // of a definition; of an opaque constant it is 0: not unsafe

/** [name, constant] (borrowed) of a hash map of constants: its size, and an array of lists of pairs. */
function* pairs(map) {
  for (let bucket of abi.arrayItems(abi.field(map, 1))) {
    for (; !abi.isScalar(bucket); bucket = abi.field(bucket, 2)) yield [abi.field(bucket, 0), abi.field(bucket, 1)];
  }
}

function hasBody(c) {
  if (value(c) === null) return false;
  const flag = abi.scalar(abi.field(c, 0), 0);
  return kindOf(c) === THEOREM || flag === (kindOf(c) === DEF ? SAFE : 0);
}

function all(env) {
  const map = abi.W.l_Lean_Environment_constants(abi.inc(env)), lines = [];
  for (const [name, c] of pairs(abi.field(map, 0))) lines.push(JSON.stringify([abi.nameText(name), constants.KINDS[kindOf(c)], hasBody(c)]));
  abi.dec(map);
  return lines;
}

/** A constant with a body as a declaration of another name. */
function copy(c, name) {
  const header = abi.ctor(0, [abi.inc(name), abi.inc(universeNames(c)), abi.inc(type(c))]), body = abi.inc(value(c));
  const itself = abi.list([abi.inc(name)]);
  if (kindOf(c) === DEF) return abi.ctor(DEF, [abi.ctor(0, [header, body, abi.inc(abi.field(abi.field(c, 0), 2)), itself], [SAFE])]);
  return abi.ctor(kindOf(c), [abi.ctor(0, [header, body, itself], kindOf(c) === OPAQUE ? [0] : [])]);
}

function accepted(env, names) {
  const kernel = abi.W.lean_elab_environment_to_kernel_env(abi.inc(env)), other = abi.parseName('a.name.that.is.new');
  const isAccepted = text => {
    const name = abi.parseName(text), c = find(env, name);
    abi.dec(name);
    if (!c) return false;
    const declaration = copy(c, other), result = abi.W.lean_add_decl(abi.inc(kernel), 0, declaration, abi.nil), accepts = abi.tag(result) === 1;
    [declaration, result, c].forEach(abi.dec);
    return accepts;
  };
  const found = names.filter(isAccepted);
  [kernel, other].forEach(abi.dec);
  return found;
}

function refused(env, ndjson) {
  const found = require(driver('rebuild'))(env, ndjson, 0);
  if (found.env) abi.dec(found.env);
  return found.refused === null ? [] : [found.refused];
}

const exported = require(driver('export'));
const answer = lines => ({ ndjson: lines.join('\n'), given: 0, declarations: 0 });
require.cache[driver('export')].exports = (env, names, ...rest) => {
  if (names[0] === '*') return answer(all(env));
  if (names[0] === '!') return answer(refused(env, names[1]));
  return names[0] === '?' ? answer(accepted(env, names.slice(1))) : exported(env, names, ...rest);
};
