'use strict';
/** Input: the bytes of a file or a pipe, the lines of text in them, and the requests of `--serve`. */

const fs = require('node:fs');
const { Rejected } = require('./verdicts.cjs');

const CHUNK = 1 << 22;
const buffer = Buffer.alloc(CHUNK);

/** The bytes of a file (by its descriptor) to its end, in pieces that are valid until the next one is asked for. */
function* bytesOf(descriptor) {
  for (let n = fs.readSync(descriptor, buffer); n > 0; n = fs.readSync(descriptor, buffer)) yield buffer.subarray(0, n);
}

/** The lines of a text in pieces, which must be UTF-8. */
function* lines(pieces) {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (bytes, more) => {
    try { return decoder.decode(bytes, { stream: more }); } catch { throw new Rejected('format', 'the file is not UTF-8'); }
  };
  let rest = [];
  for (const bytes of pieces) {
    const parts = decode(bytes, true).split('\n');
    rest.push(parts[0]);
    if (parts.length === 1) continue;
    yield rest.join('');
    yield* parts.slice(1, -1);
    rest = [parts.at(-1)];
  }
  rest.push(decode(new Uint8Array(), false));
  const last = rest.join('');
  if (last !== '') yield last;
}

/** A pipe of requests: lines of text, each followed by as many bytes as it says. */
class Requests {
  constructor(descriptor) {
    this.descriptor = descriptor;
    this.buffer = Buffer.alloc(CHUNK);
    this.from = this.to = 0;        // the part of the buffer that was read and not taken
  }

  /** More bytes into the empty buffer; false at the end of the pipe. */
  fill() {
    this.from = 0;
    this.to = fs.readSync(this.descriptor, this.buffer);
    return this.to > 0;
  }

  /** The next line (ASCII), or null at the end. */
  line() {
    let text = '';
    for (;;) {
      if (this.from === this.to && !this.fill()) return null;
      const end = this.buffer.subarray(0, this.to).indexOf(10, this.from);
      text += this.buffer.toString('latin1', this.from, end < 0 ? this.to : end);
      this.from = end < 0 ? this.to : end + 1;
      if (end >= 0) return text;
    }
  }

  /** The next `count` bytes, in pieces. Whoever stops early has left the others unread: `skip` takes them. */
  *bytes(count) {
    this.left = count;
    while (this.left > 0 && (this.from < this.to || this.fill())) {
      const piece = this.buffer.subarray(this.from, Math.min(this.to, this.from + this.left));
      this.from += piece.length;
      this.left -= piece.length;
      yield piece;
    }
  }

  /** Takes what is left of the bytes that were asked for last. */
  skip() { for (const piece of this.bytes(this.left)) void piece; }
}

module.exports = { bytesOf, lines, Requests };
