'use strict';
/** Lean's messages in the JSON form of leanprover-community/repl, with limits on their number and length. */

const abi = require('./abi.cjs');

const MAX_MESSAGE = 20000;        // characters; `grind` can fail with megabytes
const MAX_MESSAGES = 1000;
const SEVERITY = { information: 'info', warning: 'warning', error: 'error' };

function message(m) {
  const j = JSON.parse(abi.takeText(abi.W.l_Lean_Json_compress(abi.W.l_Lean_Message_toJson(abi.inc(m)))));
  return {
    severity: SEVERITY[j.severity] ?? j.severity, pos: j.pos, endPos: j.endPos ?? null, data: capped(j.data.trim()),
    ...(j.kind && j.kind !== '[anonymous]' && { kind: j.kind }),
  };
}

const capped = text => text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}… (${text.length - MAX_MESSAGE} more characters)` : text;

/** The messages of a borrowed log, appended; past MAX_MESSAGES only the first error is still kept. */
function drain(log, messages) {
  const items = abi.W.l_Lean_MessageLog_toArray(log);
  for (const m of abi.arrayItems(items)) {
    if (messages.length < MAX_MESSAGES) messages.push(message(m));
    else {
      messages.dropped = (messages.dropped ?? 0) + 1;
      if (!messages.some(x => x.severity === 'error')) { const late = message(m); if (late.severity === 'error') messages.push(late); }
    }
  }
  abi.dec(items);
}

/** What an exception (owned) says. The goals `known` (names, borrowed) are left out: their printing is most of the cost. */
const exceptionText = (e, known = []) => capped(abi.takeText(abi.W.l_Lean_MessageData_toString(without(abi.W.l_Lean_Exception_toMessageData(e), known)))).trimEnd();

const GOAL = 1, NESTED = { 2: [1], 3: [1], 4: [1], 5: [1], 6: [0], 7: [0, 1], 8: [1] };     // constructors of MessageData: fields that are some

/** Message data (owned) without some goals. */
function without(data, goals) {
  if (!goals.length) return data;
  if (abi.tag(data) === GOAL && goals.some(goal => abi.W.lean_name_eq(abi.field(data, 0), goal) & 1)) {
    abi.dec(data);
    return abi.inc(abi.constant('l_Lean_MessageData_nil'));
  }
  for (const i of NESTED[abi.tag(data)] ?? []) data = abi.withField(data, i, without(abi.inc(abi.field(data, i)), goals));
  return data;
}

module.exports = { drain, exceptionText };
