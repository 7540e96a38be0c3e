'use strict';
/**
 * Hierarchical names, as Lean has them. Every name exists once (interning), so that names are compared by identity.
 */

let count = 0;

/** What Lean takes for a letter in names: no λ, Π, Σ. */
const LETTERS = 'A-Za-zÀ-ÖØ-öø-ſα-κμ-ωΑ-ΟΡ\\u03a2Τ-Ω\\u03ca-\\u03fb\\u1f00-\\u1ffe\\u2100-\\u214f\\u{1d49c}-\\u{1d59f}';
const PLAIN = new RegExp(`^[_${LETTERS}][_${LETTERS}'!?0-9\\u2080-\\u2089\\u2090-\\u209c\\u1d62-\\u1d6a\\u2c7c]*$`, 'u');

/** A part as a text, as Lean shows it: quoted if it could be read as another part, or as several. */
const shown = part => (typeof part === 'number' || PLAIN.test(part) ? String(part) : `«${part.replaceAll('»', '»»')}»`);

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

  /** The name as a text: another one for each name. */
  toString() {
    if (this.prefix === null) return '';
    return this.prefix.prefix === null ? shown(this.part) : `${this.prefix}.${shown(this.part)}`;
  }
}

const anonymous = new Name(null, '');

/** The name that a text with dots (and no numbers) stands for. */
const named = text => text.split('.').reduce((name, part) => name.child(part), anonymous);

let kept = [];                      // names that stay, each with its children that do

/** From now on `forget` leaves the names that there are now. */
function keep() {
  const under = name => [[name, new Map(name.children)], ...[...name.children?.values() ?? []].flatMap(under)];
  kept = under(anonymous);
}

/** Forgets the names that were made since `keep`. */
function forget() { for (const [name, children] of kept) name.children = new Map(children); }

module.exports = { anonymous, named, keep, forget };
