'use strict';
/**
 * Reading: the NDJSON format 3 of lean4export. Every line is an object that defines a name, a level or an expression by its
 * number, or declares constants. A line may use only what the lines before it define; nothing in a file is believed.
 */

const levels = require('./levels.cjs');
const names = require('./names.cjs');
const terms = require('./terms.cjs');
const { KINDS } = require('./quotients.cjs');
const { demand } = require('./verdicts.cjs');

const BINDERS = new Set(['default', 'implicit', 'strictImplicit', 'instImplicit']);
const LONGEST = 1000000;            // digits of a number
const HINTS = { opaque: -1, abbrev: Infinity };

const fail = detail => demand(false, 'format', detail);
const must = (condition, detail) => demand(condition, 'format', detail);

function object(value) {
  must(typeof value === 'object' && value !== null && !Array.isArray(value), 'an object is missing');
  return value;
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

/** Reads line by line; `line` answers a declaration, or null for a line that declares nothing. */
class Reader {
  constructor() {
    this.names = new Map([[0, names.anonymous]]);
    this.levels = new Map([[0, levels.zero]]);
    this.terms = new Map();
    this.started = false;
  }

  line(source) {
    let parsed;
    try { parsed = JSON.parse(source); } catch (error) { if (!(error instanceof SyntaxError)) throw error; fail('a line is not JSON'); }
    const line = object(parsed);
    if (!this.started) {
      must('meta' in line, 'the first line is not the description of the file');
      this.started = true;
      const version = line.meta?.format?.version;
      must(version === undefined || /^3\./.test(version), 'the format is not version 3');
      return null;
    }
    if ('in' in line) return this.define(this.names, line.in, this.readName(line));
    if ('il' in line) return this.define(this.levels, line.il, this.readLevel(line));
    if ('ie' in line) return this.define(this.terms, line.ie, this.readTerm(line));
    const kinds = Object.keys(line);
    must(kinds.length === 1 && Object.hasOwn(DECLARATIONS, kinds[0]), 'a line of an unknown kind');
    return DECLARATIONS[kinds[0]](this, object(line[kinds[0]]));
  }

  define(table, index, value) {
    must(!table.has(count(index)), 'a number is defined twice');
    table.set(index, value);
    return null;
  }

  look(table, index, what) {
    const found = table.get(count(index));
    must(found !== undefined, `an undefined ${what}`);
    return found;
  }

  name(index) { return this.look(this.names, index, 'name'); }
  level(index) { return this.look(this.levels, index, 'level'); }
  term(index) { return this.look(this.terms, index, 'expression'); }

  /** A name that a constant can have. */
  constantName(index) {
    const name = this.name(index);
    must(name !== names.anonymous, 'a constant without a name');
    return name;
  }

  readName(line) {
    const { pre, str, i } = object(line.str ?? line.num);
    return this.name(pre).child(line.str === undefined ? count(i) : text(str));
  }

  readLevel(line) {
    if ('succ' in line) return levels.succ(this.level(line.succ));
    if ('param' in line) return levels.param(this.name(line.param));
    const parts = list(line.max ?? line.imax, index => this.level(index));
    must(parts.length === 2, 'a level with other than two parts');
    return line.max === undefined ? levels.imax(...parts) : levels.max(...parts);
  }

  readTerm(line) {
    const kind = Object.keys(TERMS).find(key => key in line);
    must(kind !== undefined, 'an expression of an unknown kind');
    return TERMS[kind](this, line[kind]);
  }

  binder(kind, { name, type, body, binderInfo }) {
    this.name(name);
    must(BINDERS.has(binderInfo), 'an unknown kind of binder');
    return terms.binder(kind, this.term(type), this.term(body));
  }

  /** What all constants have. */
  header({ name, levelParams, type }) {
    return { name: this.constantName(name), levelParams: list(levelParams, index => this.name(index)), type: this.term(type) };
  }

  namesIn(value) { return list(value, index => this.constantName(index)); }
}

const TERMS = {
  bvar: (reader, index) => terms.bvar(count(index)),
  sort: (reader, level) => terms.sort(reader.level(level)),
  const: (reader, value) => terms.constant(reader.constantName(object(value).name), levels.list(list(value.us, index => reader.level(index)))),
  app: (reader, value) => terms.app(reader.term(object(value).fn), reader.term(value.arg)),
  lam: (reader, value) => reader.binder(terms.LAM, object(value)),
  forallE: (reader, value) => reader.binder(terms.PI, object(value)),
  letE: (reader, value) => {
    reader.name(object(value).name);
    return terms.letIn(reader.term(value.type), reader.term(value.value), reader.term(value.body));
  },
  proj: (reader, value) => terms.proj(reader.constantName(object(value).typeName), count(value.idx), reader.term(value.struct)),
  natVal: (reader, value) => {
    must(/^(0|[1-9][0-9]*)$/.test(text(value)) && value.length <= LONGEST, 'a number that is not decimal, or is too long');
    return terms.nat(BigInt(value));
  },
  strVal: (reader, value) => terms.str(text(value)),
  mdata: (reader, value) => reader.term(object(value).expr),
};

/** The height of a definition, from its hints. */
function height(hints) {
  if (typeof hints === 'string' && Object.hasOwn(HINTS, hints)) return HINTS[hints];
  return count(object(hints).regular);
}

const DECLARATIONS = {
  axiom: (reader, d) => ({ kind: 'axiom', ...reader.header(d), unsafe: truth(d.isUnsafe) }),
  def: (reader, d) => {
    must(['safe', 'unsafe', 'partial'].includes(d.safety), 'an unknown kind of safety');
    reader.namesIn(d.all);
    return { kind: 'def', ...reader.header(d), value: reader.term(d.value), height: height(d.hints), unsafe: d.safety !== 'safe' };
  },
  opaque: (reader, d) => ({ kind: 'opaque', ...reader.header(d), value: reader.term(d.value), unsafe: truth(d.isUnsafe) }),
  thm: (reader, d) => {
    reader.namesIn(d.all);
    return { kind: 'thm', ...reader.header(d), value: reader.term(d.value), height: HINTS.opaque, unsafe: false };
  },
  quot: (reader, d) => {
    must(KINDS.includes(d.kind), 'an unknown kind of quotient constant');
    return { kind: 'quot', ...reader.header(d), quotKind: d.kind };
  },
  inductive: (reader, d) => {
    const types = list(d.types, t => ({ ...reader.header(object(t)), numParams: count(t.numParams), numIndices: count(t.numIndices),
      all: reader.namesIn(t.all), ctors: reader.namesIn(t.ctors), numNested: count(t.numNested), isRec: truth(t.isRec),
      isUnsafe: truth(t.isUnsafe), isReflexive: truth(t.isReflexive) }));
    must(types.length > 0, 'an inductive declaration without types');
    const ctors = list(d.ctors, c => ({ ...reader.header(object(c)), induct: reader.constantName(c.induct), cidx: count(c.cidx),
      numParams: count(c.numParams), numFields: count(c.numFields), isUnsafe: truth(c.isUnsafe) }));
    const recs = list(d.recs, r => ({ ...reader.header(object(r)), all: reader.namesIn(r.all), numParams: count(r.numParams),
      numIndices: count(r.numIndices), numMotives: count(r.numMotives), numMinors: count(r.numMinors), k: truth(r.k), isUnsafe: truth(r.isUnsafe),
      rules: list(r.rules, rule => ({ ctor: reader.constantName(object(rule).ctor), nfields: count(rule.nfields), rhs: reader.term(rule.rhs) })) }));
    return { kind: 'inductive', name: types[0].name, types, ctors, recs };
  },
};

module.exports = { Reader };
