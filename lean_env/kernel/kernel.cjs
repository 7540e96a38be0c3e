'use strict';
/**
 * The kernel's command: check declarations in lean4export's format, of a file or of requests (after `ulimit -s 80000`).
 *
 *   node --stack-size=60000 kernel.cjs [--given N] [--steps S] [--seconds T] FILE       one; - is standard input
 *   node --stack-size=60000 kernel.cjs --serve                                          one after another
 *
 * The first N declarations are given: they are believed. All others are checked. It prints the finding (check.cjs) as one line of
 * JSON and ends with 0 (accepts), 1 (rejects) or 2 (undecided).
 *
 * With --serve it reads requests from standard input, a line { given, seconds, bytes } and then as many bytes, an export, and
 * answers each with a line { finding, ends }. It ends when its input does, after an undecided export, and when it has grown
 * large: the client then starts another one.
 */

const fs = require('node:fs');
const v8 = require('node:v8');
const { check, verdictOf } = require('./check.cjs');
const { Requests, bytesOf, lines } = require('./lines.cjs');
const { Undecided } = require('./verdicts.cjs');

const EXITS = { accepts: 0, rejects: 1, undecided: 2 };
const LARGE = 1 << 30;              // bytes of memory after which it ends

/** The options and the file on the command line. */
function parseArguments(words) {
  const options = { given: 0, steps: Infinity, seconds: Infinity, file: null };
  for (let i = 0; i < words.length; i++) {
    const option = /^--(given|steps|seconds)$/.exec(words[i])?.[1];
    const number = option === 'seconds' ? /^[0-9]+(\.[0-9]+)?$/ : /^[0-9]+$/;
    if (option === undefined && options.file === null) options.file = words[i];
    else if (option !== undefined && number.test(words[i + 1] ?? '')) options[option] = Number(words[++i]);
    else throw new Undecided('usage', `what is ${words[i]}?`);
  }
  if (options.file === null) throw new Undecided('usage', 'no file');
  return options;
}

/** The finding on the file that the command line names. */
function checkFile(words) {
  try {
    const options = parseArguments(words);
    return check(lines(bytesOf(options.file === '-' ? 0 : fs.openSync(options.file, 'r'))), options);
  } catch (error) {
    return { checked: 0, given: 0, axioms: [], ...verdictOf(error) };
  }
}

/** Writes a line: a pipe may take a part of it. */
function print(value) {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  for (let done = 0; done < bytes.length;) done += fs.writeSync(1, bytes, done);
}

/** Answers requests until there are no more. */
function serve() {
  const requests = new Requests(0);
  for (let line = requests.line(); line !== null; line = requests.line()) {
    const { given, seconds, bytes } = JSON.parse(line);
    const finding = check(lines(requests.bytes(bytes)), { given, seconds });
    requests.skip();
    const ends = finding.verdict === 'undecided' || v8.getHeapStatistics().used_heap_size > LARGE;
    print({ finding, ends });
    if (ends) return;
  }
}

const words = process.argv.slice(2);
if (words.length === 1 && words[0] === '--serve') serve();
else {
  const finding = checkFile(words);
  print(finding);
  process.exitCode = EXITS[finding.verdict];
}
