// The page of one search. The data is a Trace (search/trace.py); its texts only ever become text nodes.

const trace = JSON.parse(byId("trace").textContent);
const { nodes, attempts } = trace;

const score = (value) => (value === null ? "–" : value.toFixed(2));

// ---- What follows from the data ----

const children = nodes.map(() => []);
const tried = nodes.map(() => []); // numbers of attempts, by node
const depth = nodes.map(() => 0);
const onProof = new Set(trace.found);
const proofEnd = trace.found.at(-1);
const roots = [];
nodes.forEach((node, n) => {
  if (node.parent === null) return roots.push(n);
  depth[n] = depth[node.parent] + 1; // parents come first
  children[node.parent].push(n);
});
attempts.forEach((attempt, a) => tried[attempt.node].push(a));
// The found proof stands in consecutive rows; otherwise the most visited comes first.
const order = (a, b) => onProof.has(b) - onProof.has(a) || nodes[b].visits - nodes[a].visits || a - b;
children.forEach((list) => list.sort(order));
const mostVisits = nodes.reduce((most, node) => Math.max(most, node.visits), 0); // 0: a search that does not count them

function counts(list) {
  const found = new Map();
  for (const a of list) found.set(attempts[a].outcome, (found.get(attempts[a].outcome) ?? 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1]);
}

/** The nodes in the order of the tree: all of them, or those whose ancestors are all open. */
function preorder(isOpen) {
  const list = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const n = stack.pop();
    list.push(n);
    if (isOpen(n)) for (let i = children[n].length - 1; i >= 0; i--) stack.push(children[n][i]);
  }
  return list;
}

// ---- The tree: only the rows in view exist ----

const tree = byId("tree");
const canvas = byId("canvas");
const rowHeight = parseFloat(getComputedStyle(tree).getPropertyValue("--row"));
const opened = new Set();
const drawn = new Map(); // the elements of the rows in view, by node
let rows = []; // the nodes whose ancestors are all open, in order
let selected = roots[0];

function openAtFirst() {
  opened.clear();
  if (trace.found.length) trace.found.forEach((n) => opened.add(n));
  else for (let n = roots[0]; n !== undefined; n = children[n][0]) opened.add(n);
}

/** One line for a state: what its first goal wants, and how many more there are. */
function summary(goals) {
  const more = (goals.match(/^⊢/gm) ?? []).length - 1;
  const start = goals.indexOf("⊢");
  const wanted = goals.slice(Math.max(0, start)).split("\n\n", 1)[0].slice(0, 300).replace(/\s+/g, " ");
  return more > 0 ? `${wanted}  (and ${several(more, "more goal")})` : wanted;
}

function rowElement(n) {
  const node = nodes[n];
  const siblings = node.parent === null ? roots : children[node.parent];
  const tactic = node.parent === null ? make("span", "start", "Start") : make("code", "tactic", firstLine(node.text));
  const what = make("span", "what", make("span", "twist"), tactic, make("code", "goal", summary(node.goals)));
  if (n === proofEnd) tactic.after(make("span", "badge proved", "proof ends here"));
  else if (onProof.has(n)) tactic.after(make("span", "unseen", ", on the found proof"));
  const visits = make("span", "visits", number(node.visits));
  visits.style.setProperty("--share", Math.log1p(node.visits) / Math.log1p(Math.max(1, mostVisits)));
  const row = make("div", "row", what, visits, make("span", "", score(node.value)), make("span", "", number(tried[n].length)));
  row.id = `row${n}`;
  row.role = "treeitem";
  row.ariaLevel = depth[n] + 1;
  row.ariaSetSize = siblings.length;
  row.ariaPosInSet = siblings.indexOf(n) + 1;
  row.classList.toggle("found", onProof.has(n));
  row.style.setProperty("--depth", depth[n]);
  return row;
}

function firstLine(text) {
  const lines = text.trim().split("\n");
  return (lines[0].slice(0, 300) || "(nothing)") + (lines.length > 1 ? " …" : "");
}

/** Rows that stay in view stay the same elements: one that vanished under a pressed mouse button would miss the click. */
function draw() {
  const first = Math.max(0, Math.floor(tree.scrollTop / rowHeight) - 5);
  const inView = rows.slice(first, Math.ceil((tree.scrollTop + tree.clientHeight) / rowHeight) + 5);
  const staying = new Set(inView);
  for (const [n, row] of drawn) {
    if (staying.has(n)) continue;
    row.remove();
    drawn.delete(n);
  }
  let place = canvas.firstChild;
  inView.forEach((n, i) => {
    if (!drawn.has(n)) drawn.set(n, rowElement(n));
    const row = drawn.get(n);
    row.style.top = `${(first + i) * rowHeight}px`;
    row.ariaSelected = n === selected;
    if (children[n].length) row.ariaExpanded = opened.has(n);
    if (row === place) place = place.nextSibling;
    else canvas.insertBefore(row, place);
  });
  canvas.style.height = `${rows.length * rowHeight}px`;
  tree.setAttribute("aria-activedescendant", `row${selected}`);
  highlight();
}

let drawing = 0;
function drawSoon() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    draw();
  });
}

function layOut() {
  rows = preorder((n) => opened.has(n));
  draw();
}

function scrollToSelected(where) {
  const top = rows.indexOf(selected) * rowHeight;
  const room = tree.clientHeight - rowHeight;
  if (top < tree.scrollTop || top > tree.scrollTop + room) {
    tree.scrollTop = where === "middle" ? top - room / 2 : top < tree.scrollTop ? top : top - room;
  }
}

function select(n, where) {
  const changed = n !== selected;
  selected = n;
  for (let up = nodes[n].parent; up !== null; up = nodes[up].parent) opened.add(up);
  layOut();
  scrollToSelected(where);
  if (changed) showState();
}

function toggle(n, wanted = !opened.has(n)) {
  if (!children[n].length) return;
  if (wanted) opened.add(n);
  else opened.delete(n);
  rows = preorder((m) => opened.has(m));
  select(rows.includes(selected) ? selected : n);
}

tree.addEventListener("scroll", drawSoon, { passive: true });
new ResizeObserver(drawSoon).observe(tree);
tree.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  const n = Number(row.id.slice("row".length));
  if (event.target.closest(".twist")) toggle(n);
  else select(n);
});
tree.addEventListener("dblclick", (event) => {
  if (event.target.closest(".row") && !event.target.closest(".twist")) toggle(selected);
});
tree.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const at = rows.indexOf(selected);
  const page = Math.max(1, Math.floor(tree.clientHeight / rowHeight) - 1);
  const go = (index) => select(rows[Math.max(0, Math.min(rows.length - 1, index))]);
  const keys = {
    ArrowDown: () => go(at + 1),
    ArrowUp: () => go(at - 1),
    PageDown: () => go(at + page),
    PageUp: () => go(at - page),
    Home: () => go(0),
    End: () => go(rows.length - 1),
    ArrowRight: () => (opened.has(selected) && children[selected].length ? go(at + 1) : toggle(selected, true)),
    ArrowLeft: () =>
      opened.has(selected) && children[selected].length ? toggle(selected, false) : select(nodes[selected].parent ?? selected),
    Enter: () => toggle(selected),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

// ---- The selected state, and what was tried there ----

const list = byId("attempts");
const more = byId("more");
let shown = []; // numbers of the attempts that pass the filter; the first `listed` of them are on the page
let listed = 0;

/** Goals as Lean prints them, with hypotheses and conclusions told apart. */
function goalsElement(goals) {
  const element = make("pre", "goals");
  for (const line of goals.split("\n")) {
    const parts = /^(⊢|case\b|[^\s:][^:]* :)(.*)$/s.exec(line);
    const kind = { "⊢": "turnstile", case: "case" }[parts?.[1]] ?? "name";
    element.append(make("span", "line", ...(parts ? [make("span", kind, parts[1]), parts[2]] : [line]), "\n"));
  }
  return element;
}

function tacticsTo(n) {
  const texts = [];
  for (; nodes[n].parent !== null; n = nodes[n].parent) texts.unshift(nodes[n].text);
  return texts.join("\n");
}

function showState(matchesFirst = false) {
  const node = nodes[selected];
  const facts = [`depth ${depth[selected]}`];
  if (mostVisits) facts.unshift(several(node.visits, "visit"), `value ${score(node.value)}`);
  if (onProof.has(selected)) facts.push("on the found proof");
  const parts = [
    make("div", "heading", make("h2", "", node.parent === null ? "Start of the proof" : `State ${selected}`)),
    make("p", "facts", nodes.length === 1 ? "" : facts.join(" · ")),
    goalsElement(node.goals),
  ];
  const last = attempts[trace.completed];
  if (selected === proofEnd && last && last.node !== selected) {
    parts.splice(2, 0, make("p", "facts", "The proof was completed by an attempt at state ", link(last.node)));
  }
  if (node.parent !== null) {
    const text = tacticsTo(selected);
    const copying = button("Copy", "", () => copy(text, copying));
    parts.push(make("details", "", make("summary", "", "Tactics that lead here"), copying, make("pre", "text", text)));
  }
  byId("state").replaceChildren(...parts);
  byId("details").scrollTop = 0;
  showFilters(matchesFirst);
}

function showFilters(matchesFirst) {
  const here = tried[selected];
  const filters = [["all", here.length, () => true, ""]];
  for (const [outcome, n] of counts(here)) filters.push([outcome, n, (a) => attempts[a].outcome === outcome, tone(outcome)]);
  const matching = here.filter((a) => matches(attempts[a].text));
  if (query && matching.length) filters.push([`with “${query}”`, matching.length, (a) => matches(attempts[a].text), ""]);
  const buttons = filters.map(([name, n, passes, colour]) =>
    button(`${name} ${number(n)}`, `chip ${colour}`, (event) => {
      buttons.forEach((each) => (each.ariaPressed = each === event.currentTarget));
      listAttempts(here.filter(passes));
    }),
  );
  byId("filters").replaceChildren(...(here.length ? buttons : []));
  buttons[matchesFirst && matching.length ? buttons.length - 1 : 0].click();
}

function listAttempts(numbers) {
  const completes = (a) => a === trace.completed;
  shown = [...numbers.filter(completes), ...numbers.filter((a) => !completes(a))];
  listed = 0;
  list.replaceChildren();
  if (!tried[selected].length) list.append(make("li", "none", "Nothing was tried at this state itself."));
  listMore();
}

function listMore() {
  for (const a of shown.slice(listed, listed + 50)) list.append(attemptElement(a));
  listed = Math.min(shown.length, listed + 50);
  more.textContent = `Show more (${number(shown.length - listed)} left)`;
  more.hidden = listed === shown.length;
  highlight();
}

function attemptElement(a) {
  const attempt = attempts[a];
  const label = make("p", "label", make("span", `outcome ${tone(attempt.outcome)}`, attempt.outcome));
  if (attempt.family) label.append(make("span", "family", attempt.family));
  if (attempt.reached.length) label.append(make("span", "reached", "reached ", ...attempt.reached.map(link)));
  label.append(make("span", "count", `#${a + 1}`));
  const item = make("li", "attempt", label, make("pre", "text", attempt.text || "(nothing)"));
  if (attempt.detail) item.append(make("pre", "detail", attempt.detail));
  item.classList.toggle("found", a === trace.completed);
  return item;
}

function link(n) {
  const element = button(String(n), "link", () => {
    select(n, "middle");
    tree.focus();
  });
  element.title = summary(nodes[n].goals);
  element.ariaLabel = `state ${n}`;
  return element;
}

more.addEventListener("click", listMore);
new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && listMore(), {
  root: byId("details"),
  rootMargin: "600px",
}).observe(more);

// ---- Searching ----

let query = "";
let hits = [];
let inTree; // all nodes in the order of the tree

const matches = (text) => query !== "" && text.toLowerCase().includes(query.toLowerCase());
const nodeMatches = (n) => matches(nodes[n].goals) || matches(nodes[n].text);

function search() {
  query = byId("query").value.trim();
  inTree ??= preorder(() => true);
  hits = query ? inTree.filter((n) => nodeMatches(n) || tried[n].some((a) => matches(attempts[a].text))) : [];
  if (hits.length && !hits.includes(selected)) goToHit(0);
  else showHit();
}

function goToHit(index) {
  selected = hits[(index + hits.length) % hits.length];
  showHit();
}

function showHit() {
  if (hits.length) select(selected, "middle");
  showState(!nodeMatches(selected));
  draw();
  const place = hits.indexOf(selected) + 1;
  byId("matches").textContent = hits.length ? `${place || "–"} of ${several(hits.length, "state")}` : query && "no match";
}

const step = (by) => hits.length && goToHit(hits.indexOf(selected) + by);

let typed = 0;
byId("query").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(search, 120);
});
byId("query").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    clearTimeout(typed);
    if (query === byId("query").value.trim()) step(event.shiftKey ? -1 : 1);
    else search();
  } else if (event.key === "Escape") {
    byId("query").value = "";
    search();
    tree.focus();
  }
});
byId("next").addEventListener("click", () => step(1));
byId("previous").addEventListener("click", () => step(-1));
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  byId("query").select();
  byId("query").focus();
});

/** Mark the query wherever it is on the page, without touching the elements. */
function highlight() {
  if (!globalThis.Highlight) return;
  const marks = new Highlight();
  const sought = query.toLowerCase();
  for (const place of sought ? document.querySelectorAll("#canvas code, #state pre, #attempts .text") : []) {
    const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode.data.toLowerCase();
      if (text.length !== texts.currentNode.data.length) continue; // positions would be off
      for (let at = text.indexOf(sought); at >= 0; at = text.indexOf(sought, at + sought.length)) {
        const range = new Range();
        range.setStart(texts.currentNode, at);
        range.setEnd(texts.currentNode, at + sought.length);
        marks.add(range);
      }
    }
  }
  CSS.highlights.set("match", marks);
}

// ---- The head of the page ----

function showHead() {
  const proved = trace.proof !== null;
  byId("theorem").textContent = trace.theorem;
  byId("outcome").textContent = proved ? "proved" : "not proved";
  byId("outcome").classList.add(proved ? "proved" : "not-proved");
  byId("statement").textContent = trace.statement;
  const figures = {
    search: trace.search,
    states: number(nodes.length),
    attempts: number(attempts.length),
    checks: number(trace.checks),
    time: duration(trace.seconds),
  };
  for (const [name, value] of Object.entries(figures)) {
    byId("figures").append(make("div", "", make("dt", "", name), make("dd", "", value)));
  }
  const [bar, legend] = byId("outcomes").children;
  for (const [outcome, n] of counts(attempts.keys())) {
    const part = make("span", tone(outcome));
    part.style.flexGrow = n;
    bar.append(part);
    legend.append(make("li", `outcome ${tone(outcome)}`, `${outcome} ${number(n)}`));
  }
  byId("outcomes").hidden = !attempts.length;
  byId("proof").hidden = !proved;
  byId("proof").querySelector("pre").textContent = trace.proof;
  byId("copy-proof").addEventListener("click", (event) => copy(trace.proof, event.currentTarget));
}

showHead();
if (nodes.length) {
  document.body.classList.toggle("flat", nodes.length === 1);
  document.body.classList.toggle("unvisited", !mostVisits);
  openAtFirst();
  byId("expand").addEventListener("click", () => {
    nodes.forEach((_, n) => opened.add(n));
    select(selected, "middle");
  });
  byId("collapse").addEventListener("click", () => {
    openAtFirst();
    select(roots[0]);
  });
  layOut();
  showState();
  tree.focus({ preventScroll: true });
} else {
  byId("nothing").hidden = false;
  byId("nothing").textContent = trace.problem ? `Nothing could be tried: ${trace.problem}` : "Nothing was tried.";
  document.querySelector("main").hidden = byId("tools").hidden = true;
}
