"""What a search leaves to look at: the files as other programs read them, and the page in a real browser."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from selenium.webdriver import ActionChains

from search import report
from search.report import network, store
from search.trace import Trace, TraceAttempt, TraceNode
from tests.browser import Browser, running

HOSTILE = """</script><script>owned=1</script><img src=x onerror="owned=1">'"&amp;<!--${1}`\\"""
NAMES = [
    "add_comm", "Nat.add_comm", "nat.add_comm", "index", "Index", "", ".", "..", "../../etc/passwd", "a/b", "a\\b",
    "«a/b»", "«my theorem»", "my theorem", "my_theorem", "è", "e\u0300", "∀x", "∃x", "x" * 5000, "x" * 5001, "a\x00b",
    "a\nb", "-", "\ud800", HOSTILE,
]  # fmt: skip


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any trace that keeps the rules of the dataclasses."""
    text, few = st.text(max_size=20), st.integers(0, 10**6)
    values = st.none() | st.floats(allow_nan=False, allow_infinity=False)
    count = draw(st.integers(0, 6))
    nodes = [
        TraceNode(draw(st.integers(0, n - 1)) if n else None, draw(text), draw(text), draw(few), draw(values))
        for n in range(count)
    ]
    places = st.integers(0, max(0, count - 1))
    path = st.lists(places, max_size=3 if count else 0).map(tuple)
    attempts = draw(st.lists(st.builds(TraceAttempt, places, text, text, text, path, text), max_size=6 if count else 0))
    return Trace(
        *(draw(text) for _ in range(3)),
        nodes,
        attempts,
        draw(st.none() | text),
        draw(path),
        draw(st.sampled_from(range(len(attempts)))) if attempts else None,
        draw(text),
        draw(few),
        draw(st.floats(0, 1e9)),
    )


def hostile() -> Trace:
    """Every text in it wants to be more than a text."""
    nodes = [TraceNode(None, HOSTILE, HOSTILE), TraceNode(0, HOSTILE, f"⊢ {HOSTILE}", 1, 0.5)]
    attempts = [TraceAttempt(n, HOSTILE, HOSTILE, HOSTILE, (1,), HOSTILE) for n in (0, 1)]
    return Trace(HOSTILE, HOSTILE, HOSTILE, nodes, attempts, HOSTILE, (0, 1), 1, HOSTILE)


def tree(nodes: int, attempts: int) -> Trace:
    """A search tree with three branches at every state, in which the last state ends the proof."""
    trace = Trace("rmaxts", "big", "theorem big (n : Nat) : n + 0 = n", checks=attempts, seconds=75.5)
    parents: list[int | None] = [None, *((n - 1) // 3 for n in range(1, nodes))]
    hypotheses = "\n".join(f"h{i} : n + {i} ≤ (n + 1) * (n + {i}) ∧ n % 7 = 3 → n * n % 7 = 2" for i in range(6))
    for n, parent in enumerate(parents):
        goals = f"n : Nat\n{hypotheses}\n⊢ n + {n} = {n} + n"
        trace.nodes.append(
            TraceNode(parent, f"have step{n} : n = n := rfl" if n else "", goals, nodes - n, 1 / (n + 1))
        )
    for a in range(attempts):
        trace.attempts.append(
            TraceAttempt(
                a % nodes, f"simp [lemma{a}]", "error" if a % 5 else "timeout", f"unknown identifier 'lemma{a}'"
            )
        )
    path = [nodes - 1]
    while (parent := parents[path[-1]]) is not None:
        path.append(parent)
    trace.found, trace.completed = tuple(reversed(path)), attempts
    start, *reached = trace.found[-3:]
    trace.attempts.append(TraceAttempt(start, "omega", "proved", reached=tuple(reached)))
    trace.proof = "\n".join([*(trace.nodes[n].text for n in trace.found[1:]), "omega"])
    return trace


# ---- files ----


@given(traces())
@example(Trace("s", "\ud800", "\udfff", [TraceNode(None, "", "lone \udabc surrogate")]))
@example(hostile())
def test_a_trace_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, trace: Trace) -> None:
    path = tmp_path_factory.getbasetemp() / "trace.json"
    path.write_bytes(store.dumps(trace))
    assert report.read(path) == trace


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"nodes": [{"parent": 1}], "attempts": []}', '{"nodes": 1}'])
def test_a_file_that_is_no_trace_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json is not a trace"):
        report.read(path)


@given(traces())
@example(hostile())
@example(Trace("s", "t", "", [TraceNode(None, "", "bell \a null \0 escape \x1b \r\n lone \udabc last \uffff")]))
def test_graphml_is_read_back_with_the_same_nodes_and_edges(trace: Trace) -> None:
    def facts(tree: nx.DiGraph[int]) -> object:
        """Less the empty texts: networkx leaves them out when it reads."""
        nodes = {n: {k: v for k, v in data.items() if v != ""} for n, data in tree.nodes(data=True)}
        return nodes, {(a, b): {k: v for k, v in data.items() if v != ""} for a, b, data in tree.edges(data=True)}

    tree = report.graph(trace)
    assert facts(nx.read_graphml(io.BytesIO(network.dumps(trace)), node_type=int)) == facts(tree)
    assert set(tree.edges) == {(node.parent, n) for n, node in enumerate(trace.nodes) if node.parent is not None}
    assert sum(attempts for _, attempts in tree.nodes(data="attempts")) == len(trace.attempts)


def test_the_graph_tells_what_was_tried_and_what_was_found() -> None:
    trace = Trace(
        "rmaxts",
        "t",
        "theorem t : p",
        [TraceNode(None, "", "⊢ p", 3, 0.5), TraceNode(0, "intro", "⊢ q"), TraceNode(0, "", "")],
    )
    trace.attempts += [TraceAttempt(0, "a", "error"), TraceAttempt(0, "b", "error"), TraceAttempt(1, "c", "proved")]
    trace.found, trace.completed, trace.proof = (0, 1), 2, "intro\nc"
    tree = report.graph(trace)
    assert tree.nodes[0] == {
        "label": "start", "goals": "⊢ p", "visits": 3, "value": 0.5, "found": True,
        "attempts": 2, "attempts_error": 2, "attempts_proved": 0,
    }  # fmt: skip
    assert "value" not in tree.nodes[1]
    assert [tree.edges[0, n] for n in (1, 2)] == [{"text": "intro", "found": True}, {"text": "", "found": False}]


def test_file_names_are_safe_and_unique() -> None:
    names = {theorem: store.file_name(theorem) for theorem in NAMES}
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name) for name in names.values())
    assert len({name.casefold() for name in names.values()} | {"index"}) == len(NAMES) + 1
    assert names["add_comm"] == "add_comm"
    assert names["«my theorem»"].startswith("my_theorem-")


@given(st.text(), st.text())
def test_no_two_theorems_share_a_file(one: str, other: str) -> None:
    assert (store.file_name(one).casefold() == store.file_name(other).casefold()) == (one == other)


def test_a_folder_holds_every_theorem_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "traces"
    for theorem in NAMES:
        files = report.write(Trace("sampling", theorem, ""), folder)
    assert [path.suffix for path in files] == [".html", ".json", ".graphml", ".html"]
    again = Trace("rmaxts", NAMES[-1], "", proof="rfl")
    report.write(again, folder)
    (folder / "other.json").write_text("[1, 2, 3]\n")
    assert len(list(folder.iterdir())) == 3 * len(NAMES) + 2
    assert {theorem for _, trace in store.read_summaries(folder) for theorem in [trace.theorem]} == set(NAMES)
    assert report.read(folder / f"{store.file_name(NAMES[-1])}.json") == again


def test_networkx_is_only_imported_where_it_is_needed() -> None:
    code = "import sys, search.report; print('networkx' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


# ---- the page ----


browser = pytest.fixture(running, scope="module")


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write(tree(5_000, 20_000), tmp_path_factory.mktemp("big"))[0]


def labels(browser: Browser, selector: str = "#canvas .row") -> list[str]:
    return [row.find_element("css selector", ".what :nth-child(2)").text for row in browser.all(selector)]


def selected(browser: Browser) -> str:
    return browser.text("[aria-selected=true] .what :nth-child(2)")


def test_a_large_trace_opens_at_once_and_asks_for_nothing(browser: Browser, big: Path) -> None:
    start = time.monotonic()
    browser.open(big)
    opened = time.monotonic() - start
    ready = browser.run("return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000
    print(f"\nopened after {opened:.2f} s; its script was done after {ready:.2f} s")
    assert ready < 5
    assert opened < 10
    assert browser.asked_for() == {big.as_uri()}
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.said() == []
    assert [dd.text for dd in browser.all("#figures dd")] == ["rmaxts", "5,000", "20,001", "20,000", "76 s"]
    assert browser.text("#outcomes ul") == "error 16,000timeout 4,000proved 1"


def test_the_found_proof_is_a_path_in_the_tree_and_a_text(browser: Browser, big: Path) -> None:
    trace = tree(5_000, 20_000)
    browser.open(big)
    assert labels(browser, "#canvas .found") == ["Start", *(trace.nodes[n].text for n in trace.found[1:])]
    backgrounds = {row.value_of_css_property("background-color") for row in browser.all("#canvas .found")[1:]}
    others = {row.value_of_css_property("background-color") for row in browser.all("#canvas .row:not(.found)")}
    assert len(backgrounds) == 1
    assert not backgrounds & others
    badge = browser.one("#canvas .badge")
    assert badge.text == "proof ends here"
    badge.click()
    assert browser.one("#state h2").text == f"State {trace.found[-1]}"
    browser.one("#state .link").click()  # to where the attempt began that ended there
    assert browser.one("#state h2").text == f"State {trace.found[-3]}"
    assert browser.one("#attempts .outcome").text == "proved"
    assert browser.one("#proof pre").text == trace.proof


def test_the_proof_is_copied(browser: Browser, big: Path) -> None:
    browser.open(big)
    browser.one("#copy-proof").click()
    browser.wait("document.querySelector('#copy-proof').textContent === 'Copied'")
    area = browser.run("return document.body.appendChild(document.createElement('textarea'))")
    area.send_keys("\ue009v\ue000")  # Control and V
    assert area.get_property("value") == tree(5_000, 20_000).proof


def test_a_state_shows_what_was_tried_and_why_it_failed(browser: Browser, big: Path) -> None:
    browser.open(big)
    row = browser.one("#canvas .row:not(.found)")
    number = int(row.get_attribute("id").removeprefix("row"))
    row.click()
    assert browser.one("#state h2").text == f"State {number}"
    assert browser.text("#state .goals").rstrip("\n") == tree(5_000, 0).nodes[number].goals
    assert [e.text for e in browser.all("#attempts .outcome")].count("error") == sum(
        (number + 5_000 * i) % 5 > 0 for i in range(4)
    )
    assert browser.text("#attempts .attempt .text") == f"simp [lemma{number}]"
    assert browser.text("#attempts .attempt .detail") == f"unknown identifier 'lemma{number}'"
    browser.run("document.querySelector('#state details').open = true")
    assert browser.text("#state details .text").endswith(f"have step{number} : n = n := rfl")


def test_attempts_are_filtered_by_how_they_ended(browser: Browser, tmp_path: Path) -> None:
    attempts = [TraceAttempt(0, f"tactic{i}", "timeout" if i == 7 else "error") for i in range(30)]
    browser.open(
        report.write(Trace("sampling", "t", "theorem t : p", [TraceNode(None, "", "⊢ p")], attempts), tmp_path)[0]
    )
    assert [chip.text for chip in browser.all(".chip")] == ["all 30", "error 29", "timeout 1"]
    browser.all(".chip")[2].click()
    assert [text.text for text in browser.all("#attempts .text")] == ["tactic7"]
    assert [chip.get_attribute("aria-pressed") for chip in browser.all(".chip")] == ["false", "false", "true"]


def test_search_goes_through_states_and_tactics(browser: Browser, big: Path) -> None:
    browser.open(big)
    browser.press("/", "⊢ N + 4321 = ")  # case does not matter
    browser.wait("document.querySelector('#matches').textContent === '1 of 1 state'")
    assert selected(browser) == "have step4321 : n = n := rfl"
    assert browser.one("[aria-selected=true]").is_displayed()
    assert browser.run("return CSS.highlights.get('match').size") > 0
    browser.press("ESCAPE", "/", "simp [lemma19999]")  # an attempt at state 4999
    browser.wait("document.querySelector('#matches').textContent === '1 of 1 state'")
    assert browser.one("#state h2").text == "State 4999"
    assert [text.text for text in browser.all("#attempts .text")] == ["simp [lemma19999]"]
    browser.press("ESCAPE", "/", "step123")
    browser.wait("document.querySelector('#matches').textContent.startsWith('1 of 11 ')")
    seen = {selected(browser)}
    for key in ["ENTER"] * 10:
        browser.press(key)
        seen.add(selected(browser))
    assert len(seen) == 11
    assert all("step123" in text for text in seen)
    browser.press("ESCAPE", "/", "no such thing")
    browser.wait("document.querySelector('#matches').textContent === 'no match'")


def test_the_keyboard_walks_the_tree(browser: Browser, big: Path) -> None:
    browser.open(big)
    rows = labels(browser)
    assert browser.run("return document.activeElement.role") == "tree"
    walked = [selected(browser)]
    for _ in range(3):
        browser.press("ARROW_DOWN")
        walked.append(selected(browser))
    assert walked == rows[:4]
    active = browser.one("#tree").get_attribute("aria-activedescendant")
    assert browser.one("[aria-selected=true]").get_attribute("id") == active
    browser.press("ARROW_UP", "ARROW_LEFT")  # to a row that is open, then close it
    assert browser.one("[aria-selected=true]").get_attribute("aria-expanded") == "false"
    browser.press("ARROW_LEFT")  # to its parent
    assert selected(browser) == rows[1]
    browser.press("ARROW_DOWN", "ARROW_RIGHT", "ARROW_RIGHT")  # open it again, then to its first child
    assert selected(browser) == rows[3]
    browser.press("ARROW_UP", "ENTER")
    assert browser.one("[aria-selected=true]").get_attribute("aria-expanded") == "false"
    browser.press("HOME")
    assert selected(browser) == "Start"
    browser.press("END")
    assert browser.one("[aria-selected=true]").is_displayed()
    assert browser.one("#canvas .row:last-child").get_attribute("aria-selected") == "true"


def test_the_mouse_selects_and_opens_even_while_rows_are_drawn_again(browser: Browser, big: Path) -> None:
    browser.open(big)
    row = browser.one("#canvas .row:nth-child(4)")
    mouse = ActionChains(browser.driver)
    mouse.click_and_hold(row).perform()
    browser.driver.execute_async_script("""
        document.querySelector("#tree").scrollTop += 20;
        requestAnimationFrame(() => requestAnimationFrame(arguments[0]));""")
    mouse.release().perform()
    assert row.get_attribute("aria-selected") == "true"
    mouse.double_click(row).perform()
    assert row.get_attribute("aria-expanded") == "false"
    row.find_element("css selector", ".twist").click()
    assert row.get_attribute("aria-expanded") == "true"


def test_children_stand_below_the_found_proof_by_visits(browser: Browser, tmp_path: Path) -> None:
    nodes = [
        TraceNode(None, "", "⊢ p", 9),
        TraceNode(0, "few", "⊢ a", 1),
        TraceNode(0, "many", "⊢ b", 7),
        TraceNode(0, "proof", "⊢ c", 1),
    ]
    trace = Trace("rmaxts", "t", "theorem t : p", nodes, [TraceAttempt(3, "rfl", "proved")], "proof\nrfl", (0, 3), 0)
    browser.open(report.write(trace, tmp_path)[0])
    assert labels(browser) == ["Start", "proof", "many", "few"]


def test_everything_expanded_still_scrolls_and_selects_smoothly(browser: Browser, big: Path) -> None:
    browser.open(big)
    browser.one("#expand").click()
    assert (
        browser.run(
            "return document.querySelector('#canvas').offsetHeight / document.querySelector('.row[id]').offsetHeight"
        )
        == 5_000
    )
    assert len(browser.all("#canvas .row")) < 100
    frames = browser.driver.execute_async_script("""
        const done = arguments[0], tree = document.querySelector("#tree"), times = [];
        requestAnimationFrame(function frame(now) {
          times.push(now);
          tree.scrollTop += 700;
          if (times.length > 100) done(times.slice(1).map((time, i) => time - times[i]));
          else requestAnimationFrame(frame);
        });""")
    keys = browser.run("""
        const tree = document.querySelector("#tree"), start = performance.now();
        for (let i = 0; i < 100; i++) {
          tree.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown"}));
          tree.offsetHeight;
        }
        return (performance.now() - start) / 100;""")
    typical = sorted(frames)[len(frames) // 2]
    print(f"\na frame while scrolling {typical:.0f} ms, a key {keys:.1f} ms")
    assert typical < 100
    assert keys < 100


def test_texts_stay_texts(browser: Browser, tmp_path: Path) -> None:
    page, *_, index = report.write(hostile(), tmp_path)
    browser.open(page)
    browser.one("#canvas .row:last-child").click()
    browser.press("/", HOSTILE[:30])
    browser.wait("document.querySelector('#matches').textContent === '2 of 2 states'")
    shown = {selector: browser.text(selector) for selector in (
        "#theorem", "#statement", "#figures dd", "#proof pre", "#attempts .text", "#attempts .detail", ".family",
    )}  # fmt: skip
    assert set(shown.values()) == {HOSTILE}
    assert browser.driver.title == f"{HOSTILE} · proved"
    assert browser.run("return [document.images.length, document.scripts.length, typeof owned]") == [0, 2, "undefined"]
    assert browser.said() == []
    browser.open(index)
    assert browser.one("tbody a").text == HOSTILE
    assert browser.run("return [document.images.length, document.scripts.length, typeof owned]") == [0, 0, "undefined"]


def test_even_a_script_in_the_page_would_not_run(browser: Browser, tmp_path: Path) -> None:
    """The Content-Security-Policy, should a text ever become markup after all."""
    page, *_, index = report.write(tree(3, 3), tmp_path)
    image, link = '<img src="x.png" onerror="owned=1">', '<a href="javascript:owned=1" id="bad">here</a>'
    bad = f"<script>owned=1</script>{image}{link}</body>"
    for path in (page, index):
        path.write_text(path.read_text("utf-8").replace("</body>", bad), "utf-8")
        (tmp_path / "x.png").write_bytes(b"")
        browser.open(path)
        browser.run("document.querySelector('#bad').click()")
        said = browser.said()
        assert [
            word for word in ("inline script", "inline event handler", "x.png") if not any(word in s for s in said)
        ] == []
        assert browser.run("return typeof owned") == "undefined"


def test_a_sampling_trace_shows_its_attempts_beside_the_one_state(browser: Browser, tmp_path: Path) -> None:
    browser.open(report.write(tree(1, 20_000), tmp_path)[0])
    assert not browser.one("#tree").is_displayed()
    assert browser.text("#state .goals").endswith("⊢ n + 0 = 0 + n\n")
    attempts = browser.all("#attempts .attempt")
    assert len(attempts) < 500
    assert attempts[0].find_element("css selector", ".outcome").text == "proved"
    assert browser.one("#more").is_displayed()
    browser.run("document.querySelector('#more').scrollIntoView()")
    browser.wait(f"document.querySelectorAll('.attempt').length > {len(attempts)}")
    browser.one("#query").send_keys("lemma12345")
    browser.wait("document.querySelectorAll('.attempt').length === 1")
    assert browser.said() == []


def test_a_refinement_is_a_chain_without_visits(browser: Browser, tmp_path: Path) -> None:
    nodes = [TraceNode(None, "", "⊢ p"), TraceNode(0, "first answer", "⊢ p")]
    attempts = [TraceAttempt(0, "first answer", "error", "no goals", (1,)), TraceAttempt(1, "second answer", "proved")]
    trace = Trace("refine", "t", "theorem t : p", nodes, attempts, "second answer", (0, 1), 1, checks=2)
    browser.open(report.write(trace, tmp_path)[0])
    assert [column.text for column in browser.all(".columns span") if column.is_displayed()][1:] == ["tried"]
    browser.one("#attempts .link").click()  # to the state that the first answer led to
    assert browser.one("#state h2").text == "State 1"
    assert browser.one("#attempts .text").text == "second answer"


@pytest.mark.parametrize("problem", ["", "1:7: unexpected end of input"])
def test_an_empty_trace_says_so(browser: Browser, tmp_path: Path, problem: str) -> None:
    browser.open(report.write(Trace("sampling", "t", "theorem t : 1 = ", problem=problem), tmp_path)[0])
    assert browser.one("#nothing").text == (f"Nothing could be tried: {problem}" if problem else "Nothing was tried.")
    assert not browser.one("main").is_displayed()
    assert browser.said() == []


def test_a_deep_tree_and_a_long_line_stay_in_the_window(browser: Browser, tmp_path: Path) -> None:
    nodes = [TraceNode(n - 1 if n else None, "x" * 3000, f"⊢ {'y' * 3000}") for n in range(300)]
    trace = Trace("rmaxts", "t" * 300, "s" * 3000, nodes, [TraceAttempt(299, "z" * 3000, "error", "e" * 3000)])
    page = report.write(trace, tmp_path)[0]
    for width in (1400, 420):
        browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
        )
        browser.open(page)
        browser.press("END")
        assert browser.one("#state h2").text == "State 299"
        wide = browser.run("""return [...document.querySelectorAll("*")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".what"))
            .map((e) => e.outerHTML.slice(0, 60))""")
        assert wide == []
        tactic = browser.one("[aria-selected=true] .tactic").size["width"]
        assert tactic > 60
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_folder_s_index_lists_the_theorems(browser: Browser, tmp_path: Path) -> None:
    report.write(tree(3, 3), tmp_path)
    *_, index = report.write(Trace("sampling", "«not this»", ""), tmp_path)
    browser.open(index)
    assert browser.one("h1").text == "1 of 2 theorems proved"
    assert [row.text.split() for row in browser.all("tbody tr")] == [
        ["big", "proved", "rmaxts", "3", "75.5", "s"],
        ["«not", "this»", "not", "proved", "sampling", "0", "0.0", "s"],
    ]
    assert browser.said() == []
    browser.all("tbody a")[1].click()
    browser.wait("document.querySelector('#theorem')?.textContent === '«not this»'")
    browser.one("nav a").click()
    browser.wait("document.querySelector('tbody')")
