// The page of evaluation runs. The data is what eval/summary.py makes; its texts only ever become text nodes.

const report = JSON.parse(byId("report").textContent);
const { runs, pairs } = report;
const sideBySide = runs.length > 1;

const STATUSES = { proved: "proved", refuted: "refuted", failed: "failed", unfinished: "unfinished", inexpressible: "not expressible" };
// What the flags of eval/audit.py say.
const FLAGS = {
  "auto-bound": "Lean took a name that nobody declared for a variable",
  unbound: "a name that nobody declared, by its looks",
  contradictory: "the hypotheses prove False",
  truncated: "a quotient or difference is not what rationals would have",
  "idle-hypotheses": "the conclusion follows without the hypotheses",
  duplicate: "another problem states the same, word for word",
  differs: "another copy states something else under this name",
};

const collator = new Intl.Collator("en", { numeric: true });
const percent = (value) => (100 * value).toFixed(1);
const amount = (value) => (Number.isInteger(value) ? number(value) : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : 1 }));
const orDash = (value, write = amount) => (value === null || value === undefined ? "–" : write(value));
const unique = (values) => [...new Set(values)];

const sameName = (name) => runs.filter((run) => run.name === name).length > 1;
const labels = runs.map((run, r) => (sameName(run.name) ? `${run.name} (${r + 1})` : run.name));

// ---- The problems, one row for each name ----

const rows = [];
const rowNamed = new Map();
let textLine = 0;
runs.forEach((run, r) => {
  for (const problem of run.problems) {
    let row = rowNamed.get(problem.name);
    if (!row) {
      row = { name: problem.name, at: rows.length, split: problem.split, tags: problem.tags, flags: [], results: [] };
      rows.push(row);
      rowNamed.set(problem.name, row);
    }
    for (const flag of problem.flags) {
      if (!row.flags.some((each) => each.kind === flag.kind && each.detail === flag.detail)) row.flags.push(flag);
    }
    row.results[r] = { ...problem, line: textLine++ };
  }
});

let textLines;

/** Proof and attempts of a result: parsed when somebody wants to read them. */
function texts(result) {
  textLines ??= byId("texts").textContent.split("\n");
  return JSON.parse(textLines[result.line]);
}

const statusOf = (row, r) => row.results[r]?.status ?? "absent";
const address = (name) => encodeURIComponent(name.toWellFormed ? name.toWellFormed() : name);

function problemLink(name) {
  const link = make("a", "", name);
  link.href = `#problem=${address(name)}`;
  return link;
}

// ---- Small pieces ----

/** A run's name with the line that stands for it in the plots. */
function runName(r) {
  const line = drawing("line", { x1: 0, y1: 4, x2: 20, y2: 4, class: "curve", ...dashes(r) });
  const key = drawing("svg", { width: 20, height: 8, class: "key", "aria-hidden": "true" }, line);
  return make("span", `run run${r % 6}`, ...(sideBySide ? [key] : []), make("span", "", labels[r]));
}

function badge(status) {
  return make("span", `badge ${status}`, STATUSES[status] ?? status);
}

const known = (entry) => (entry?.value ?? null) !== null;

function rate(entry) {
  if (!known(entry)) return make("span", "soft", "–");
  return make("span", "rate", make("b", "", `${percent(entry.value)} %`), make("small", "", `${percent(entry.low)}–${percent(entry.high)}`));
}

/** The same rate of all runs, drawn with its intervals on one scale from 0 to 100 %. */
function scale(entries) {
  const lines = make("span", "scale");
  lines.ariaHidden = true; // the figures stand beside it
  runs.forEach((_, r) => {
    if (!known(entries[r])) return;
    const line = make("span", `interval run${r % 6}`, make("span", "range"), make("span", "point"));
    for (const name of ["low", "value", "high"]) line.style.setProperty(`--${name}`, entries[r][name]);
    lines.append(line);
  });
  return lines;
}

function cell(content, className = "", tag = "td") {
  return make(tag, className, ...[content].flat());
}

function heading(content, className = "", scope = "col") {
  const element = cell(content, className, "th");
  element.scope = scope;
  return element;
}

/** A table whose rows begin with their own heading; more than a dozen rows wait behind a button. */
function table(head, body) {
  const lines = body.map(([first, ...cells]) => make("tr", "", heading(first, "", "row"), ...cells));
  const element = make("table", "", make("thead", "", make("tr", "", ...head)), make("tbody", "", ...lines));
  const room = make("div", "scroll", element);
  if (lines.length <= 14) return [room];
  lines.slice(12).forEach((line) => (line.hidden = true));
  const all = button(`Show all ${number(lines.length)}`, "link", () => {
    lines.forEach((line) => (line.hidden = false));
    all.remove();
  });
  return [room, all];
}

const runHeads = (className) => (sideBySide ? runs.map((_, r) => heading(runName(r), className)) : null);

// ---- The head of the page: what came of every run ----

function sum(whole, wholeName, parts) {
  const term = (n, name, kind) => make("span", `term ${n ? kind : ""}`, make("b", "", number(n)), ` ${name}`);
  const list = make("p", "sum", term(whole, wholeName, ""));
  parts.forEach(([n, name, kind], i) => list.append(make("span", "sign", i ? "+" : "="), term(n, name, kind)));
  return list;
}

function runCard(run, r) {
  const { counts } = run;
  const bar = make("div", "bar");
  bar.ariaHidden = true;
  for (const status of Object.keys(STATUSES)) {
    const part = make("span", status);
    part.style.flexGrow = counts[status];
    part.hidden = !counts[status];
    bar.append(part);
  }
  const flagged = counts.flagged
    ? `${several(counts.flagged, "problem")} flagged by the audit, ${number(counts.proved_flagged)} of them proved`
    : "no problem flagged by the audit";
  const facts = [
    ...(counts.replaced ? [`${number(counts.replaced)} asked without the library that they import, with core Lean’s header`] : []),
    ...(counts.one_kernel ? [`${number(counts.one_kernel)} proved by Lean’s kernel alone, which ours could not decide`] : []),
    `${several(run.attempts, "attempt")} wanted for each problem, ${number(run.attempts_done)} done`,
    `${duration(run.seconds)} of search`,
    `started ${run.started.replace(/^([\d-]+)T(\d+:\d+).*Z$/, "$1 $2 UTC")}`,
  ];
  const top = run.headline ?? { ...run.proved_rate, k: run.attempts }; // several runs: at the same k
  const card = make("section", `panel card run${r % 6}`,
    make("div", "heading", make("h2", "", runName(r)), ...(run.complete ? [] : [make("span", "badge unfinished", "run not finished")])),
    make("p", "headline",
      make("b", "value", known(top) ? `${percent(top.value)} %` : "–"),
      make("span", "", ` of the ${counts.finished < counts.asked ? `${number(counts.finished)} finished` : `${number(counts.asked)} asked`} proved${known(top) ? ` (pass@${number(top.k)})` : ""}`),
      make("span", "soft", known(top) ? `95 % interval ${percent(top.low)}–${percent(top.high)} %` : ""),
    ),
    bar,
    make("div", "sums",
      sum(counts.problems, counts.problems === 1 ? "problem" : "problems", [[counts.inexpressible, "not expressible", "inexpressible"], [counts.asked, "asked", ""]]),
      sum(counts.asked, "asked", [[counts.proved, "proved", "proved"], ...(counts.refuted ? [[counts.refuted, "refuted", "refuted"]] : []), [counts.failed, "failed", "failed"], [counts.unfinished, "unfinished", "unfinished"]]),
    ),
    make("p", counts.flagged ? "flagged" : "soft", ...(counts.flagged ? [flagMark()] : []), flagged),
    make("p", "soft", facts.join(" · ")),
  );
  card.ariaLabel = labels[r];
  return card;
}

function flagMark() {
  const mark = make("span", "flag", "⚑");
  mark.ariaHidden = true;
  return mark;
}

// ---- Tables of figures ----

function showPassAt() {
  const ks = unique(runs.flatMap((run) => run.pass_at.map((entry) => entry.k))).sort((a, b) => a - b);
  const body = ks.map((k) => {
    const entries = runs.map((run) => run.pass_at.find((entry) => entry.k === k));
    return [number(k), ...entries.map((entry) => cell(rate(entry))), cell(scale(entries))];
  });
  byId("pass-at").append(...table([heading("k"), ...(runHeads() ?? [heading("with 95 % interval")]), heading("0 to 100 %")], body));
  if (!ks.length) byId("pass-at").replaceChildren(byId("pass-at-title"), make("p", "soft", "No problem has any attempts yet."));
}

function pValue(p) {
  return p < 0.0001 ? "< 0.0001" : p.toPrecision(2).includes("e") ? p.toFixed(4) : String(Number(p.toPrecision(2)));
}

function showPairs() {
  byId("pairs").hidden = !pairs.length;
  if (pairs.length > 1) byId("curves").after(byId("pairs")); // many would push the answer off the first screen
  for (const pair of pairs) {
    const { a, b } = pair;
    const more = pair.only_b.length - pair.only_a.length;
    const words = more === 0 ? "as many as" : `${number(Math.abs(more))} more than`;
    const [winner, loser] = more < 0 ? [a, b] : [b, a];
    const only = (names, one) => {
      const list = make("details", "only", make("summary", "", make("b", "", number(names.length)), " only by ", runName(one)));
      list.addEventListener("toggle", () => {
        if (list.children.length > 1) return;
        list.append(make("p", "names", ...names.flatMap((name) => [problemLink(name), " "])));
      });
      if (!names.length) return make("p", "only soft", make("b", "", "0"), " only by ", runName(one));
      return list;
    };
    const verdict = make("p", "verdict", runName(winner), " proves ", make("b", "", words), " ", runName(loser), "; McNemar’s exact ",
      make("b", pair.p < 0.05 ? "sure" : "", `p ${pValue(pair.p).startsWith("<") ? "" : "= "}${pValue(pair.p)}`));
    const [one, other] = pair.attempts;
    const first = one !== other ? `, by ${several(one, "attempt")} against ${number(other)}`
      : runs[a].attempts === runs[b].attempts ? "" : `, by the first ${several(one, "attempt")} of each`;
    const counts = make("p", "soft", `of ${several(pair.problems, "problem")} finished in both runs${first}: ${number(pair.both)} proved by both, ${number(pair.neither)} by neither${pair.different ? `; ${number(pair.different)} left out that say something else in the other run` : ""}`);
    byId("pairs").append(make("div", "pair", make("div", "", verdict, counts), only(pair.only_a, a), only(pair.only_b, b)));
  }
  if (pairs.length > 1) byId("pairs").append(make("p", "soft", "Each p is for its pair alone; among many pairs, some are small by chance."));
}

function showGroups() {
  const named = new Map();
  runs.forEach((run, r) => run.groups.forEach((group) => {
    const key = JSON.stringify([group.kind, group.name]);
    if (!named.has(key)) named.set(key, { kind: group.kind, name: group.name, runs: runs.map(() => undefined) });
    named.get(key).runs[r] = group;
  }));
  const groups = [...named.values()];
  const body = groups.map((group, i) => {
    const name = button(group.name || "(no name)", "link", () => filter({ group: String(i) }));
    name.title = "Show these problems";
    return [
      [make("small", "kind", group.kind), " ", name],
      ...group.runs.flatMap((found) => [cell(found ? [make("b", "", number(found.proved)), ` / ${number(found.asked)}`, make("small", "", ` of ${number(found.problems)}`)] : "–", "number"), cell(rate(found))]),
      cell(scale(group.runs)),
    ];
  });
  const heads = runs.map((_, r) => Object.assign(heading(sideBySide ? runName(r) : "proved / asked of all", "number", "colgroup"), { colSpan: sideBySide ? 2 : 1 }));
  if (!sideBySide) heads.push(heading("with 95 % interval"));
  heads.push(heading("0 to 100 %"));
  byId("groups").append(...table([heading(""), ...heads], body));
  byId("groups").hidden = !groups.length;
  for (const kind of unique(groups.map((group) => group.kind))) {
    const options = make("optgroup");
    options.label = kind;
    groups.forEach((group, i) => {
      if (group.kind === kind) options.append(new Option(group.name, i));
    });
    byId("group").append(options);
  }
  return groups;
}

function showCost() {
  const kinds = ["samples", "checks", "tokens", "seconds", "lines"].filter((kind) => runs.some((run) => run.per_proved[kind]));
  const whats = ["median", "mean", "max"];
  const body = kinds.map((kind) => [
    kind,
    ...runs.flatMap((run) => whats.map((what, i) => cell(orDash(run.per_proved[kind]?.[what]), i ? "number" : "number first"))),
  ]);
  const [room] = table([heading(""), ...runs.flatMap(() => whats.map((what, i) => heading(what, i ? "number" : "number first")))], body);
  if (sideBySide) {
    const names = runs.map((_, r) => Object.assign(heading(runName(r), "first", "colgroup"), { colSpan: 3 }));
    room.querySelector("thead").prepend(make("tr", "", cell(""), ...names));
  }
  byId("cost").append(kinds.length ? room : make("p", "soft", "Nothing is proved yet."));
}

function showReasons() {
  const total = (reason) => runs.reduce((n, run) => n + (run.reasons[reason] ?? 0), 0);
  const reasons = unique(runs.flatMap((run) => Object.keys(run.reasons))).sort((a, b) => total(b) - total(a));
  const body = reasons.map((reason) => [
    make("span", `outcome ${tone(reason)}`, reason),
    ...runs.map((run) => {
      const all = Object.values(run.reasons).reduce((n, m) => n + m, 0);
      const n = run.reasons[reason] ?? 0;
      const share = make("span", `share ${tone(reason)}`);
      share.style.setProperty("--share", all ? n / all : 0);
      return cell([make("b", "", number(n)), make("small", "", ` ${all ? percent(n / all) : "0.0"} %`), share], "number");
    }),
  ]);
  byId("reasons").append(...(body.length ? table([heading("reason"), ...(runHeads("number") ?? [heading("proofs", "number")])], body) : [make("p", "soft", "No proof was tried yet.")]));
}

function showFlags() {
  const kinds = unique(rows.flatMap((row) => row.flags.map((flag) => flag.kind)));
  const section = byId("flags");
  if (!kinds.length) return section.append(make("p", "soft", "No problem is flagged."));
  runs.forEach(({ counts }, r) => {
    const proved = `${number(counts.proved_flagged)} of ${number(counts.proved)} proved`;
    section.append(make("p", "flagged", flagMark(), ...(sideBySide ? [runName(r), ": "] : []), make("b", "", proved),
      ` ${counts.proved_flagged === 1 ? "is" : "are"} flagged, of ${several(counts.flagged, "flagged problem")}`));
  });
  const body = kinds.map((kind) => {
    const marked = rows.filter((row) => row.flags.some((flag) => flag.kind === kind));
    const show = button(kind, "link", () => filter({ query: kind, flagged: true }));
    show.title = "Show these problems";
    return [
      [show, make("small", "meaning", FLAGS[kind] ?? "")],
      cell(number(marked.length), "number"),
      ...runs.map((_, r) => cell(make("b", "", number(marked.filter((row) => statusOf(row, r) === "proved").length)), "number")),
    ];
  });
  section.append(...table([heading("flag"), heading("problems", "number"), ...(runHeads("number") ?? [heading("proved", "number")])], body));
  section.append(make("p", "soft", "These statements may not say what was meant; a proof of one then says nothing about that."));
}

function flat(value, before = "") {
  return Object.entries(value).flatMap(([key, inner]) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner) ? flat(inner, `${before}${key}.`) : [[before + key, inner]]);
}

function showConfiguration() {
  const parts = [
    ["", runs.map((run) => new Map(flat(run.config)))],
    ["version of ", runs.map((run) => new Map(Object.entries(run.versions)))],
  ];
  let different = 0;
  const body = parts.flatMap(([before, found]) => unique(found.flatMap((values) => [...values.keys()])).map((key) => {
    const values = found.map((each) => orDash(each.get(key) === "" ? null : each.get(key), (value) => (typeof value === "string" ? value : JSON.stringify(value))));
    const differs = unique(values).length > 1;
    different += differs;
    return [make("span", differs ? "differs" : "", before + key), ...values.map((value) => cell(make("code", "", value), differs ? "differs" : ""))];
  }));
  const head = [heading(""), ...(runHeads() ?? [heading("")])];
  const lines = body.map(([first, ...cells]) => make("tr", "", heading(first, "", "row"), ...cells));
  byId("configuration").append(make("div", "scroll", make("table", "", make("thead", "", make("tr", "", ...head)), make("tbody", "", ...lines))));
  if (sideBySide) byId("configuration").querySelector("summary").append(make("span", "soft", different ? `${several(different, "difference")}, marked` : "the same in all runs"));
}

// ---- Plots: steps, drawn for the width there is ----

function drawing(tag, attributes, ...content) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

function dashes(r) {
  const pattern = ["", "7 3", "2 3", "9 3 2 3"][r % 4];
  return pattern && { "stroke-dasharray": pattern };
}

/** Round numbers from 0 to at least `most`, about `wanted` of them. */
function ticks(most, wanted, whole) {
  const size = 10 ** Math.floor(Math.log10(most / wanted));
  const step = Math.max(whole ? 1 : 0, size * [1, 2, 5, 10].find((n) => n * size * wanted >= most));
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(10)));
}

/** Round numbers between two positive ones, for a logarithmic axis with room for about `wanted`. */
function logTicks(least, most, wanted) {
  const decades = Math.log10(most / least);
  const within = decades > wanted ? [1] : decades * 3 > wanted ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / wanted));
  const found = [];
  for (let e = Math.floor(Math.log10(least)); 10 ** e <= most; e++) {
    if (e % every === 0) for (const n of within) found.push(Number((n * 10 ** e).toPrecision(10)));
  }
  return found.filter((x) => x >= least * 0.999 && x <= most * 1.001);
}

/** How many a curve has at x: it rises at its points and stays. */
function heightAt(points, x) {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= x) low = middle + 1;
    else high = middle;
  }
  return low ? points[low - 1][1] : 0;
}

/** `spent`: what the x-axis counts, which is also a figure of every problem. */
function plot(figure, spent, curves) {
  // A curve is known as far as the run went for any problem, not only to its last proof.
  const ends = runs.map((run, r) => run.problems.reduce((most, problem) => Math.max(most, problem[spent]), curves[r].at(-1)?.[0] ?? 0));
  const positive = curves.flat().map(([x]) => x).concat(ends).filter((x) => x > 0);
  const least = positive.reduce((a, b) => Math.min(a, b), Infinity);
  const most = positive.reduce((a, b) => Math.max(a, b), 0);
  const tallest = Math.max(0, ...curves.map((points) => points.at(-1)?.[1] ?? 0));
  if (!tallest || !most) {
    figure.append(make("p", "soft", "Nothing is proved yet."));
    return;
  }
  const logarithmic = most / least > 30;
  const unit = logarithmic ? `${spent} (logarithmic)` : spent;
  const shown = (n) => n.toLocaleString("en", { maximumFractionDigits: n < 0.1 ? 3 : n < 10 ? 2 : 1 });
  const asText = curves.map((points, r) => {
    const some = points.filter((_, i) => i % Math.ceil(points.length / 6) === 0 || i === points.length - 1);
    return `${labels[r]}: ${some.map(([x, y]) => `${number(y)} within ${shown(x)}`).join(", ") || "none"}.`;
  });
  const picture = drawing("svg", { role: "img", "aria-label": `Problems proved against ${spent} for each. ${asText.join(" ")}` });
  const reading = make("p", "reading");
  const legend = make("p", "legend", ...(sideBySide ? runs.map((_, r) => runName(r)) : []));
  figure.append(legend, picture, make("figcaption", "", reading));
  const space = { left: 44, right: 14, top: 8, bottom: 36 };
  let scale;

  const rest = () => (reading.textContent = `Problems proved with at most so many ${spent} on each`);

  function draw() {
    const width = Math.max(220, figure.clientWidth);
    const height = Math.round(Math.min(300, Math.max(190, width * (sideBySide ? 0.7 : 0.56))));
    const [right, bottom] = [width - space.right, height - space.bottom];
    const yTicks = ticks(tallest, 5, true);
    const xTicks = logarithmic ? logTicks(least, most, width / 62) : ticks(most, Math.floor(width / 75), spent === "samples");
    const end = logarithmic ? most : xTicks.at(-1);
    const y = (n) => bottom - (n / yTicks.at(-1)) * (bottom - space.top);
    const x = logarithmic
      ? (n) => space.left + (Math.log(Math.max(n, least) / least) / Math.log(most / least)) * (right - space.left)
      : (n) => space.left + (n / end) * (right - space.left);
    scale = { right, bottom, back: (at) => {
      const part = Math.min(1, Math.max(0, (at - space.left) / (right - space.left)));
      return logarithmic ? least * (most / least) ** part : end * part;
    } };
    const grid = yTicks.map((n) => drawing("path", { d: `M${space.left} ${y(n)}H${right}`, class: n ? "grid" : "axis" }));
    const marks = xTicks.map((n) => drawing("path", { d: `M${x(n)} ${bottom}v4`, class: "axis" }));
    const words = [
      ...yTicks.map((n) => drawing("text", { x: space.left - 7, y: y(n) + 4, "text-anchor": "end" }, number(n))),
      ...xTicks.map((n) => drawing("text", { x: x(n), y: bottom + 17, "text-anchor": "middle" }, shown(n))),
      drawing("text", { x: right, y: height - 3, "text-anchor": "end" }, unit),
    ];
    const lines = curves.map((points, r) => {
      let path = `M${x(0)} ${bottom}`;
      for (const [n, proved] of points) path += `H${x(n).toFixed(1)}V${y(proved).toFixed(1)}`;
      const line = drawing("path", { d: `${path}H${x(ends[r]).toFixed(1)}`, class: "curve", ...dashes(r) });
      return drawing("g", { class: `run${r % 6}` }, line);
    });
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.replaceChildren(...grid, ...marks, ...words, ...lines, drawing("path", { class: "ruler" }));
  }

  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = Math.min(scale.right, Math.max(space.left, event.clientX - box.left));
    const n = spent === "samples" ? Math.floor(scale.back(at) + 1e-9) : scale.back(at);
    picture.lastChild.setAttribute("d", `M${at} ${space.top}V${scale.bottom}`);
    const counts = curves.map((points, r) => `${sideBySide ? `${labels[r]} ` : ""}${number(heightAt(points, n))}`);
    reading.textContent = `At ${shown(n)} ${spent}: ${counts.join(" · ")} proved`;
  });
  picture.addEventListener("pointerleave", () => {
    picture.lastChild.removeAttribute("d");
    rest();
  });
  rest();
  new ResizeObserver(draw).observe(figure);
  draw();
}

// ---- The table of problems ----

const PAGE = 250; // rows on the page at a time: 20,000 would make every click slow
const ORDER = [...Object.keys(STATUSES), "absent"];
const list = byId("list");
const body = list.querySelector("tbody");
const opened = new Set();
const sorted = { column: null, down: false };
let wanted = []; // the rows that pass the filters, in order
let page = 0;

/** A column of a single run's figures; a problem that could not be asked has none. */
function figure(name) {
  const value = (row) => (statusOf(row, 0) === "inexpressible" ? null : row.results[0][name]);
  return { name, className: "number", key: value, show: (row) => orDash(value(row)) };
}

const kindsOf = (row) => unique(row.flags.map((flag) => flag.kind)).join(", ");
const columns = [{ name: "problem", key: (row) => row.name }];
if (sideBySide) {
  runs.forEach((_, r) => columns.push({
    name: labels[r], head: () => runName(r),
    // Among the proved, the one that took fewer samples comes first.
    key: (row) => ORDER.indexOf(statusOf(row, r)) + (row.results[r] ? 1 - 1 / (1 + row.results[r].samples) : 0),
    show: (row) => (row.results[r] ? [badge(statusOf(row, r)), " ", make("small", "", spentOn(row.results[r]))] : make("span", "soft", "not in this run")),
  }));
} else {
  columns.push(
    { name: "status", key: (row) => ORDER.indexOf(statusOf(row, 0)), show: (row) => badge(statusOf(row, 0)) },
    { ...figure("proofs"), show: ({ results: [{ attempts, proofs }] }) => (attempts ? `${number(proofs)} / ${number(attempts)}` : "–") },
    ...["samples", "checks", "tokens", "seconds", "lines"].map(figure),
  );
}
columns.push({ name: "flags", key: (row) => kindsOf(row) || null, show: (row) => (row.flags.length ? make("span", "flags", flagMark(), kindsOf(row)) : "") });
columns.push({ name: "split", key: (row) => row.split || null, show: (row) => row.split });
if (rows.some((row) => row.tags.length)) columns.push({ name: "tags", className: "tags", key: (row) => row.tags.join(", ") || null, show: (row) => row.tags.join(", ") });

const spentOn = (result) => (result.status === "inexpressible" ? "" : several(result.samples, "sample"));

function showColumns() {
  for (const column of columns) {
    const sorting = button("", "sorting", () => sortBy(column));
    sorting.append(column.head ? column.head() : column.name);
    column.element = heading(sorting, column.className);
    list.querySelector("thead tr").append(column.element);
  }
}

function sortBy(column) {
  sorted.down = sorted.column === column && !sorted.down;
  sorted.column = column;
  page = 0;
  choose();
}

function inOrder(found) {
  const { column, down } = sorted;
  if (!column) return found;
  const keyed = found.map((row) => [column.key(row), row]);
  const compare = (a, b) => (typeof a === "string" ? collator.compare(a, b) : a - b);
  keyed.sort(([a, one], [b, other]) => {
    if ((a ?? null) === null || (b ?? null) === null) return (a ?? null) === (b ?? null) ? one.at - other.at : (a ?? null) === null ? 1 : -1;
    return (down ? compare(b, a) : compare(a, b)) || one.at - other.at;
  });
  return keyed.map(([, row]) => row);
}

const inGroup = (row, group) => row.results.some((result) => (group.kind === "split" ? result.split === group.name : result.tags.includes(group.name)));
const differs = (row) => unique(runs.map((_, r) => statusOf(row, r))).length > 1;

/** What the search looks through. */
function searched(row) {
  const texts = row.results.flatMap((result) => [result.statement, result.informal, result.split, ...result.tags]);
  return (row.text ??= unique([row.name, ...row.flags.map((flag) => flag.kind), ...texts]).join("\n").toLowerCase());
}

/** Apply the filters and the order, and draw. */
function choose() {
  const query = byId("query").value.trim().toLowerCase();
  const group = groups[byId("group").value];
  const statuses = statusFilters.map((filter) => filter.value);
  const passes = (row) =>
    statuses.every((status, r) => !status || (status === "not-proved" ? statusOf(row, r) !== "proved" : statusOf(row, r) === status)) &&
    (!group || inGroup(row, group)) &&
    (!byId("flagged").checked || row.flags.length > 0) &&
    (!byId("differs").checked || differs(row)) &&
    (!query || searched(row).includes(query));
  wanted = inOrder(rows.filter(passes));
  page = Math.max(0, Math.min(page, Math.ceil(wanted.length / PAGE) - 1));
  byId("reset").hidden = !(query || group || statuses.some(Boolean) || byId("flagged").checked || byId("differs").checked);
  byId("count").textContent = wanted.length === rows.length ? several(rows.length, "problem") : `${number(wanted.length)} of ${several(rows.length, "problem")}`;
  draw();
}

function draw() {
  for (const column of columns) column.element.ariaSort = column === sorted.column ? (sorted.down ? "descending" : "ascending") : null;
  const first = page * PAGE;
  const inView = wanted.slice(first, first + PAGE);
  body.replaceChildren(...inView.flatMap((row) => (opened.has(row) ? [rowElement(row), detailElement(row)] : [rowElement(row)])));
  if (!inView.length) body.append(make("tr", "", Object.assign(cell("No problem passes these filters.", "none"), { colSpan: columns.length })));
  const pages = byId("pages");
  pages.hidden = wanted.length <= PAGE;
  pages.querySelector("span").textContent = `${number(first + 1)}–${number(first + inView.length)} of ${number(wanted.length)}`;
  byId("earlier").disabled = page === 0;
  byId("later").disabled = first + PAGE >= wanted.length;
  fit();
}

/** A table that is wider than its place scrolls sideways; only one that is not can keep its head in view. */
function fit() {
  list.classList.remove("wide");
  list.classList.toggle("wide", list.scrollWidth > list.clientWidth);
}

function rowElement(row) {
  const name = button(row.name || "(no name)", "name", () => {});
  name.ariaExpanded = opened.has(row);
  const element = make("tr", "row", heading(name, "", "row"), ...columns.slice(1).map((column) => cell(column.show(row), column.className)));
  element.classList.toggle("flagged", row.flags.length > 0);
  element.dataset.row = row.at;
  return element;
}

const elementOf = (row) => body.querySelector(`tr.row[data-row="${row.at}"]`);

function toggle(row, open = !opened.has(row)) {
  const element = elementOf(row);
  if (open === opened.has(row)) return;
  if (open) {
    opened.add(row);
    element.after(detailElement(row));
    history.replaceState(null, "", `#problem=${address(row.name)}`);
  } else {
    opened.delete(row);
    element.nextSibling.remove();
    if (named() === row) history.replaceState(null, "", "#problems");
  }
  element.querySelector(".name").ariaExpanded = open;
  fit();
}

body.addEventListener("click", (event) => {
  const element = event.target.closest("tr.row");
  const marking = getSelection().type === "Range" && element?.contains(getSelection().anchorNode);
  if (element && !marking) toggle(rows[element.dataset.row]);
});
body.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") {
    const row = rows[event.target.closest("[data-row]")?.dataset.row];
    if (!row) return;
    toggle(row, false);
    elementOf(row).querySelector(".name").focus();
  } else if (event.target.matches(".name") && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const names = [...body.querySelectorAll(".name")];
    names[names.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
});

// ---- One problem, opened ----

function block(text, className = "") {
  const element = make("pre", className, text);
  element.tabIndex = 0; // long ones scroll
  return element;
}

function detailElement(row) {
  const results = row.results.filter(Boolean);
  const statements = unique(results.map((result) => result.statement).filter(Boolean));
  const informal = unique(results.map((result) => result.informal).filter(Boolean));
  const about = make("div", "about");
  for (const flag of row.flags) {
    about.append(make("p", "flagged", flagMark(), make("b", "", flag.kind), FLAGS[flag.kind] ? `: ${FLAGS[flag.kind]}` : "", ...(flag.detail ? [block(flag.detail, "said")] : [])));
  }
  about.append(make("h3", "", statements.length > 1 ? "Statements: not the same in all runs" : "Statement"));
  about.append(...(statements.length ? statements.map((text) => block(text)) : [make("p", "soft", "This report does not hold the statement.")]));
  if (informal.length) about.append(make("h3", "", "In words"), ...informal.map((text) => make("p", "informal", text)));
  const parts = runs.map((_, r) => resultElement(row.results[r], r));
  const inside = make("div", "inside", about, make("div", "results", ...parts));
  const element = make("tr", "detail", Object.assign(cell(inside), { colSpan: columns.length }));
  element.dataset.row = row.at;
  return element;
}

function resultElement(result, r) {
  const part = make("section", "result");
  const head = make("div", "heading", ...(sideBySide ? [runName(r)] : []), badge(result?.status ?? "not in this run"));
  part.append(head);
  if (!result) return part;
  part.ariaLabel = labels[r];
  if (result.status === "inexpressible") {
    part.append(make("h3", "", "Why this Lean cannot express it"), block(result.why || "(no reason given)", "said"));
    return part;
  }
  const { proof, shown } = texts(result);
  const until = result.status === "proved" ? "until the first proof" : "in all";
  head.append(make("span", "soft", `${number(result.proofs)} of ${several(result.attempts, "attempt")} proved it · ${until}: ${[
    several(result.samples, "sample"), several(result.checks, "check"), several(result.tokens, "token"), duration(result.seconds),
  ].join(", ")}`));
  if (proof !== null) {
    const copying = button("Copy", "", () => copy(proof, copying));
    copying.ariaLive = "polite";
    const size = result.lines === null ? "" : several(result.lines, "line");
    part.append(make("div", "heading", make("h3", "", "Proof"), make("span", "soft", size), copying), block(proof, "proof"));
  }
  if (proof === null && result.status === "proved") part.append(make("p", "soft", "This report does not hold the proof."));
  const ended = Object.entries(result.reasons).map(([reason, n]) => make("span", `outcome ${tone(reason)}`, `${reason} ${number(n)}`));
  if (ended.length) part.append(make("p", "label", ...ended));
  if (shown.length) {
    const held = unique(shown.map((attempt) => attempt.number)).length; // one may have tried several proofs
    const which = held < result.attempts ? ` (${number(held)} of ${number(result.attempts)})` : "";
    part.append(make("h3", "", `Attempts${which}`), make("ol", "attempts", ...shown.map(attemptElement)));
  }
  return part;
}

function attemptElement(attempt) {
  const said = attempt.detail.trim().split("\n", 1)[0].slice(0, 200);
  const label = make("summary", "label",
    make("span", "at", `#${attempt.number}`),
    make("span", `outcome ${tone(attempt.reason)}`, attempt.reason),
    make("span", "first", said),
    make("span", "family", [attempt.family, duration(attempt.seconds)].filter(Boolean).join(" · ")),
  );
  const element = make("details", "attempt", label);
  element.addEventListener("toggle", () => {
    if (element.children.length > 1) return;
    if (attempt.detail) element.append(make("h4", "", "What Lean said"), block(attempt.detail, "said"));
    element.append(make("h4", "", "What was tried"), block(attempt.text || "(nothing)", "text"));
  });
  return make("li", "", element);
}

// ---- Filters and the address of the page ----

const statusFilters = runs.map((_, r) => {
  const choice = make("select");
  choice.ariaLabel = sideBySide ? `Status in ${labels[r]}` : "Status";
  choice.append(new Option(sideBySide ? `${labels[r]}: any status` : "any status", ""));
  for (const [status, name] of [...Object.entries(STATUSES), ["not-proved", "not proved"]]) {
    choice.append(new Option(sideBySide ? `${labels[r]}: ${name}` : name, status));
  }
  choice.addEventListener("change", choose);
  byId("statuses").append(choice);
  return choice;
});

/** Only these filters, and the table in view. */
function filter({ query = "", group = "", flagged = false } = {}) {
  byId("query").value = query;
  byId("group").value = group;
  byId("flagged").checked = flagged;
  byId("differs").checked = false;
  statusFilters.forEach((choice) => (choice.value = ""));
  choose();
  byId("problems").scrollIntoView();
}

function named() {
  const written = /^#problem=(.*)$/.exec(location.hash)?.[1];
  if (written === undefined) return undefined;
  try {
    return rowNamed.get(decodeURIComponent(written)) ?? rows.find((row) => address(row.name) === written);
  } catch {
    return undefined; // no name: a broken %-sequence
  }
}

function openNamed() {
  const row = named();
  if (!row) return;
  if (!wanted.includes(row)) filter();
  const place = Math.floor(wanted.indexOf(row) / PAGE);
  if (place !== page) {
    page = place;
    draw();
  }
  toggle(row, true);
  elementOf(row).scrollIntoView();
  elementOf(row).querySelector(".name").focus({ preventScroll: true });
}

let typed = 0;
byId("query").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(choose, 100);
});
byId("query").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  byId("query").value = "";
  choose();
});
for (const id of ["group", "flagged", "differs"]) byId(id).addEventListener("change", choose);
byId("reset").addEventListener("click", () => {
  filter();
  byId("query").focus({ preventScroll: true });
});
for (const [id, by] of [["earlier", -1], ["later", 1]]) {
  byId(id).addEventListener("click", () => {
    page += by;
    draw();
    byId("problems").scrollIntoView();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  byId("query").select();
  byId("query").focus();
});
addEventListener("hashchange", openNamed);
new ResizeObserver(fit).observe(document.body);

byId("title").textContent = report.title;
byId("runs").append(...runs.map(runCard));
byId("differs-label").hidden = !sideBySide;
document.body.classList.toggle("several", sideBySide);
showPairs();
showPassAt();
plot(byId("by-samples"), "samples", runs.map((run) => run.solved_by_samples));
plot(byId("by-seconds"), "seconds", runs.map((run) => run.solved_by_seconds));
const groups = showGroups();
showCost();
showReasons();
showFlags();
showConfiguration();
showColumns();
choose();
openNamed();
