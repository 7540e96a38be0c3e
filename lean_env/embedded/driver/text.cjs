'use strict';
/** Positions in a source text, converted: Lean counts UTF-8 bytes; the REPL has lines and columns in code points; spans are in code points. */

const { Buffer } = require('buffer');

/** For `source`: byte offset to `{line, column}` (from 1 and from 0) and to a code point offset. */
module.exports = function places(source) {
  const bytes = Buffer.from(source, 'utf8');
  const ascii = bytes.length === source.length;
  const starts = [0];
  for (let i = bytes.indexOf(10); i >= 0; i = bytes.indexOf(10, i + 1)) starts.push(i + 1);
  const points = (from, to) => {
    if (ascii) return to - from;
    let n = 0;
    for (let i = from; i < to; i++) if ((bytes[i] & 0xC0) !== 0x80) n++;
    return n;
  };
  let starts_points = null;        // code point offset of each line, made when first needed
  const line = byte => {
    let low = 0, high = starts.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (starts[middle] <= byte) low = middle; else high = middle - 1; }
    return low;
  };
  return {
    source, bytes,
    slice: (from, to) => bytes.toString('utf8', from, to),
    position(byte) { const l = line(byte); return { line: l + 1, column: points(starts[l], byte) }; },
    offset(byte) {
      if (ascii) return byte;
      if (!starts_points) { starts_points = [0]; for (let l = 1; l < starts.length; l++) starts_points.push(starts_points[l - 1] + points(starts[l - 1], starts[l])); }
      const l = line(byte);
      return starts_points[l] + points(starts[l], byte);
    },
  };
};
