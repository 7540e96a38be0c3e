'use strict';
/**
 * Reader of lean4export's format (NDJSON 3). Every line is an object that defines a name, a level or an expression by its
 * number, or declares constants. A line may use only what the lines before it define; nothing in a file is believed.
 */

const levels = require('./levels.cjs');
const names = require('./names.cjs');
const terms = require('./terms.cjs');
const { KINDS } = require('./quotients.cjs');
const { Undecided, demand } = require('./verdicts.cjs');

const BINDERS = new Set(['default', 'implicit', 'strictImplicit', 'instImplicit']);
const LONGEST = 1000000;            // digits of a number that is read
const HINTS = { opaque: -1, abbrev: Infinity };
const HAVE_VALUES = new Set(['def', 'thm', 'opaque']);
const ITEMS = { n: 'in', l: 'il', e: 'ie' }, WORDS = { in: 'name', il: 'level', ie: 'expression' };

const fail = detail => demand(false, 'format', detail);
const must = (condition, detail) => demand(condition, 'format', detail);

function object(value) {
  must(typeof value === 'object' && value !== null && !Array.isArray(value), 'an object is missing');
  return value;
}

/** A line, which must be an object. */
function parse(source) {
  let parsed;
  try { parsed = JSON.parse(source); } catch (error) { if (!(error instanceof SyntaxError)) throw error; fail('a line is not JSON'); }
  return object(parsed);
}

function list(value, item) {
  must(Array.isArray(value), 'a list is missing');
  return value.map(item);
}

function count(value) {
  must(Number.isSafeInteger(value) && value >= 0, 'a number is missing');
  return value;
}

function truth(value) {
  must(typeof value === 'boolean', 'true or false is missing');
  return value;
}

function text(value) {
  must(typeof value === 'string' && value.isWellFormed(), 'a text is missing');
  return value;
}

/** A line that defines a name, a level or an expression: which of them, and its number; or null. */
function itemIn(source) {
  if (!source.startsWith('{"i')) return itemAtEnd(source);
  const kind = ITEMS[source[3]];
  if (kind === undefined || source[4] !== '"' || source[5] !== ':') return itemAtEnd(source);
  let index = 0, i = 6;
  for (let c = source.charCodeAt(i); c >= 48 && c <= 57 && i < 20; c = source.charCodeAt(++i)) index = 10 * index + c - 48;
  return i > 6 && source[i] === ',' && (source[6] !== '0' || i === 7) && Number.isSafeInteger(index) ? { kind, index } : null;
}

/** The same where the number stands behind what it is for. */
function itemAtEnd(source) {
  const found = /,"(in|il|ie)":(0|[1-9][0-9]{0,14})\}$/.exec(source);
  return found === null ? null : { kind: found[1], index: Number(found[2]) };
}

/** What is said of one constant, or of a rule: fields, and terms, which are read when they are asked for, once in an epoch. */
class Part {
  constructor(reader, fields, type, value) {
    Object.assign(this, fields);
    this.reader = reader;
    this.line = reader.sources.length;      // it may use what stands before
    this.known = [null, null];
    this.indices = [type, value];
    this.epochs = [-1, -1];
  }

  read(i) {
    if (this.epochs[i] !== terms.now()) {
      this.known[i] = this.reader.term(this.indices[i], this.line);
      this.epochs[i] = terms.now();
    }
    return this.known[i];
  }

  get type() { return this.read(0); }
  get value() { return this.read(1); }
  get rhs() { return this.read(1); }
}

/**
 * Reads line by line; `line` answers a declaration, or null for a line that declares nothing. Lines that define something are
 * kept as they are until a declaration that is looked at needs them: most of what is given is never needed.
 */
class Reader {
  constructor() {
    this.sources = [null, null];            // lines that define something
    this.made = [names.anonymous, levels.zero];     // by line: what it defines, if that was needed
    this.lines = { in: new Map([[0, 0]]), il: new Map([[0, 1]]), ie: new Map() };    // by number: the line
    this.epoch = terms.now();
    this.started = false;
  }

  line(source) {
    const item = this.started ? itemIn(source) : null;
    if (item !== null) return this.define(item.kind, item.index, source);
    const line = parse(source);
    if (!this.started) {
      must('meta' in line, 'the first line is not the description of the file');
      this.started = true;
      const version = line.meta?.format?.version;
      must(version === undefined || /^3\./.test(version), 'the format is not version 3');
      return null;
    }
    const kind = Object.keys(MAKERS).find(key => key in line);
    if (kind !== undefined) return this.define(kind, count(line[kind]), source);
    const kinds = Object.keys(line);
    must(kinds.length === 1 && Object.hasOwn(DECLARATIONS, kinds[0]), 'a line of an unknown kind');
    return DECLARATIONS[kinds[0]](this, object(line[kinds[0]]));
  }

  define(kind, index, source) {
    must(!this.lines[kind].has(index), 'a number is defined twice');
    this.lines[kind].set(index, this.sources.length);
    this.sources.push(source);
    return null;
  }

  /** What a number stands for, in a line before line number `before`. */
  look(kind, index, before) {
    const at = this.lines[kind].get(count(index));
    must(at !== undefined && at < before, `an undefined ${WORDS[kind]}`);
    if (this.epoch !== terms.now()) this.forget();
    return this.made[at] ??= MAKERS[kind](new Line(this, at), parse(this.sources[at]));
  }

  /** Forgets the terms of an epoch that is over. */
  forget() {
    for (const at of this.lines.ie.values()) this.made[at] = undefined;
    this.epoch = terms.now();
  }

  term(index, before) { return this.look('ie', index, before); }

  // ---- of a declaration, which uses what stands before it ----

  name(index) { return this.look('in', index, this.sources.length); }

  /** A number of an expression, which is read later. */
  later(index) {
    must(this.lines.ie.has(count(index)), 'an undefined expression');
    return index;
  }

  /** A name that a constant can have. */
  constantName(index) { return nameOfConstant(this.name(index)); }

  /** A constant of a declaration: what all have, and other fields. */
  constant(kind, { name, levelParams, type, value }, fields) {
    const header = { kind, name: this.constantName(name), levelParams: list(levelParams, index => this.name(index)) };
    return new Part(this, { ...header, ...fields }, this.later(type), HAVE_VALUES.has(kind) ? this.later(value) : null);
  }

  namesIn(value) { return list(value, index => this.constantName(index)); }
}

/** What one line may use: the lines before it. */
class Line {
  constructor(reader, at) {
    this.reader = reader;
    this.at = at;
  }

  name(index) { return this.reader.look('in', index, this.at); }
  level(index) { return this.reader.look('il', index, this.at); }
  term(index) { return this.reader.look('ie', index, this.at); }
  constantName(index) { return nameOfConstant(this.name(index)); }

  binder(kind, { name, type, body, binderInfo }) {
    this.name(name);
    must(BINDERS.has(binderInfo), 'an unknown kind of binder');
    return terms.binder(kind, this.term(type), this.term(body));
  }
}

function nameOfConstant(name) {
  must(name !== names.anonymous, 'a constant without a name');
  return name;
}

/** How a line's content is made into what it defines, by kind. */
const MAKERS = {
  in: (line, content) => {
    const { pre, str, i } = object(content.str ?? content.num);
    return line.name(pre).child(content.str === undefined ? count(i) : text(str));
  },
  il: (line, content) => {
    if ('succ' in content) return levels.succ(line.level(content.succ));
    if ('param' in content) return levels.param(line.name(content.param));
    const parts = list(content.max ?? content.imax, index => line.level(index));
    must(parts.length === 2, 'a level with other than two parts');
    return content.max === undefined ? levels.imax(...parts) : levels.max(...parts);
  },
  ie: (line, content) => {
    const kind = Object.keys(TERMS).find(key => key in content);
    must(kind !== undefined, 'an expression of an unknown kind');
    return TERMS[kind](line, content[kind]);
  },
};

const TERMS = {
  bvar: (line, index) => terms.bvar(count(index)),
  sort: (line, level) => terms.sort(line.level(level)),
  const: (line, value) => terms.constant(line.constantName(object(value).name), levels.list(list(value.us, index => line.level(index)))),
  app: (line, value) => terms.app(line.term(object(value).fn), line.term(value.arg)),
  lam: (line, value) => line.binder(terms.LAM, object(value)),
  forallE: (line, value) => line.binder(terms.PI, object(value)),
  letE: (line, value) => {
    line.name(object(value).name);
    return terms.letIn(line.term(value.type), line.term(value.value), line.term(value.body));
  },
  proj: (line, value) => terms.proj(line.constantName(object(value).typeName), count(value.idx), line.term(value.struct)),
  natVal: (line, value) => {
    must(/^(0|[1-9][0-9]*)$/.test(text(value)), 'a number that is not decimal');
    if (value.length > LONGEST) throw new Undecided('limit.size', `a number of ${value.length} digits`);
    return terms.nat(BigInt(value));
  },
  strVal: (line, value) => terms.str(text(value)),
  mdata: (line, value) => line.term(object(value).expr),
};

/** The height of a definition, from its hints. */
function height(hints) {
  if (typeof hints === 'string' && Object.hasOwn(HINTS, hints)) return HINTS[hints];
  return count(object(hints).regular);
}

const DECLARATIONS = {
  axiom: (reader, d) => reader.constant('axiom', d, { unsafe: truth(d.isUnsafe) }),
  def: (reader, d) => {
    must(['safe', 'unsafe', 'partial'].includes(d.safety), 'an unknown kind of safety');
    reader.namesIn(d.all);
    return reader.constant('def', d, { height: height(d.hints), unsafe: d.safety !== 'safe' });
  },
  opaque: (reader, d) => reader.constant('opaque', d, { unsafe: truth(d.isUnsafe) }),
  thm: (reader, d) => {
    reader.namesIn(d.all);
    return reader.constant('thm', d, { height: HINTS.opaque, unsafe: false });
  },
  quot: (reader, d) => {
    must(KINDS.includes(d.kind), 'an unknown kind of quotient constant');
    return reader.constant('quot', d, { quotKind: d.kind });
  },
  inductive: (reader, d) => {
    const types = list(d.types, t => reader.constant('inductive', object(t), { numParams: count(t.numParams), numIndices: count(t.numIndices),
      all: reader.namesIn(t.all), ctors: reader.namesIn(t.ctors), numNested: count(t.numNested), isRec: truth(t.isRec),
      unsafe: truth(t.isUnsafe), isReflexive: truth(t.isReflexive) }));
    must(types.length > 0, 'an inductive declaration without types');
    const ctors = list(d.ctors, c => reader.constant('ctor', object(c), { induct: reader.constantName(c.induct), cidx: count(c.cidx),
      numParams: count(c.numParams), numFields: count(c.numFields), unsafe: truth(c.isUnsafe) }));
    const recs = list(d.recs, r => reader.constant('rec', object(r), { all: reader.namesIn(r.all), numParams: count(r.numParams),
      numIndices: count(r.numIndices), numMotives: count(r.numMotives), numMinors: count(r.numMinors), k: truth(r.k), unsafe: truth(r.isUnsafe),
      rules: list(r.rules, rule => new Part(reader, { ctor: reader.constantName(object(rule).ctor), nfields: count(rule.nfields) }, null, reader.later(rule.rhs))) }));
    return { kind: 'inductive', name: types[0].name, types, ctors, recs };
  },
};

module.exports = { Reader };
