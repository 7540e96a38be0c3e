'use strict';
/**
 * Hierarchical names. Every name exists once, so that names are compared by identity.
 */

let count = 0;

/** A name: a prefix, and a last part that is a string or a number. */
class Name {
  constructor(prefix, part) {
    this.prefix = prefix;
    this.part = part;
    this.id = count++;
    this.children = null;           // names with this prefix, by their last part
  }

  /** The name with one part more. */
  child(part) {
    this.children ??= new Map();
    let name = this.children.get(part);
    if (name === undefined) this.children.set(part, name = new Name(this, part));
    return name;
  }

  toString() {
    if (this.prefix === null) return '';
    return this.prefix.prefix === null ? String(this.part) : `${this.prefix}.${this.part}`;
  }
}

const anonymous = new Name(null, '');

/** The name that a text with dots (and no numbers) stands for. */
const named = text => text.split('.').reduce((name, part) => name.child(part), anonymous);

module.exports = { anonymous, named };
