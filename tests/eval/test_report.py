"""What evaluation runs leave to look at: the page in a real browser, the Markdown and the JSON."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from eval import report
from tests.browser import Browser, running
from tests.eval import reports
from tests.eval.reports import attempt, problem, run

HOSTILE = """</script><script>owned=1</script><img src=x onerror="owned=1">'"&amp;<!--${1}`\\|"""

browser = pytest.fixture(running, scope="module")


def short() -> dict[str, Any]:
    """One run in which every status and two flags occur."""
    flags = [{"kind": "contradictory", "detail": "h₀ and h₁ give False"}]
    return run("one", [
        problem("mathd_10", "proved", samples=3, seconds=1.5, flags=flags, tags=["algebra"]),
        problem("mathd_9", "failed", samples=8, seconds=20.25, tags=["algebra", "hard"]),
        problem("Amc_2", "inexpressible", samples=0, flags=[{"kind": "truncated", "detail": ""}]),
        problem("imo_1", "proved", samples=5, seconds=2.5, split="test", proof="a\nb\nc", lines=3, tags=["hard"]),
        problem("aime_3", "unfinished", samples=1, seconds=0.25, split="test"),
    ])  # fmt: skip


def two() -> dict[str, Any]:
    """Two runs over mostly the same problems."""
    same = [problem("both", "proved"), problem("neither"), problem("unasked", "inexpressible")]
    a = run("tactics", [*same, problem("first", "proved", proof="decide"), problem("second"), problem("only here")])
    b = run("model", [*same, problem("first"), problem("second", "proved", proof="omega", samples=2)])
    return reports.report("Two", a, b)


Opens = Callable[..., Path]


@pytest.fixture
def opens(browser: Browser, tmp_path: Path) -> Opens:
    """Writes a report, opens its page, and says where it is. `at`: a fragment."""

    def write(content: Mapping[str, Any], at: str = "") -> Path:
        page = report.write(content, tmp_path)[0]
        browser.driver.get("about:blank")  # a new fragment alone would not load the page again
        browser.open(page)
        if at:
            browser.driver.get("about:blank")
            browser.driver.get(page.as_uri() + at)
        return page

    return write


def names(browser: Browser) -> list[str]:
    return texts(browser, "#list .name")


def texts(browser: Browser, selector: str) -> list[str]:
    return [element.text for element in browser.all(selector)]


def line(browser: Browser, selector: str) -> str:
    return " ".join(browser.one(selector).text.split())


def click(browser: Browser, column: str) -> None:
    next(each for each in browser.all(".sorting") if each.text == column).click()


def choose(browser: Browser, selector: str, text: str) -> None:
    browser.run(
        """const choice = document.querySelector(arguments[0]);
        choice.value = [...choice.options].find((each) => each.text === arguments[1]).value;
        choice.dispatchEvent(new Event("change"));""",
        selector,
        text,
    )


# ---- files ----


def test_a_report_is_three_files_and_an_earlier_one_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    report.write(reports.report("Before", short()), folder)
    paths = report.write(two(), folder)
    assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert "Before" not in paths[1].read_text("utf-8")


def test_the_json_is_the_report_itself_and_the_same_every_time(tmp_path: Path) -> None:
    content = two()
    content["runs"][0]["problems"][0]["statement"] = f"lone \ud800 surrogate \\\udfff \0 {HOSTILE}"
    one, other = (report.write(content, tmp_path / name)[2].read_bytes() for name in ("a", "b"))
    assert one == other
    assert json.loads(one) == content
    assert sum(line.startswith(b'{"name": "both"') for line in one.splitlines()) == 2  # one line each, for grep


def test_a_number_that_json_cannot_say_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        report.write(reports.report("t", {**short(), "seconds": float("nan")}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_markdown_has_the_figures_in_tables(tmp_path: Path) -> None:
    lines = report.write(reports.report("Short", short()), tmp_path)[1].read_text("utf-8").splitlines()
    assert lines[0] == "# Short"
    assert "| one | 5 | 1 | 4 | 0 | 2 | 1 | 1 | 2 | 1 | 0 | pass@4: 66.7 % (59.7–72.7) |" in lines
    assert "**one is not finished: its figures will change.**" in lines
    assert "| 4 | 25.0 % (18.0–31.0) |" in lines
    assert "| tag | hard | 1 / 2 / 2 | 50.0 % (43.0–56.0) |" in lines
    assert "| one | samples | 5 | 4.00 | 5 |" in lines
    assert "| error | 14 |" in lines
    assert "| one | mathd_10 | proved | contradictory | h₀ and h₁ give False |" in lines
    assert "| policy.name | tactics |" in lines
    assert "| mathd_10 | proved | 3 | 4 | 1.50 | 2 | contradictory |" in lines
    assert "| mathd_9 | failed | 8 | 4 | 20.25 | – |  |" in lines


def test_markdown_names_what_only_one_run_proved(tmp_path: Path) -> None:
    text = report.write(two(), tmp_path)[1].read_text("utf-8")
    assert "| tactics | model | 4 | 1 | 1 | 1 | 1 | 1.0000 |" in text
    assert "Proved by tactics in its first 4 attempts, not by model: first." in text
    assert "Proved by model in its first 4 attempts, not by tactics: second." in text
    assert [line for line in text.splitlines() if line.startswith("## Problems")] == [
        "## Problems: tactics",
        "## Problems: model",
    ]


def test_texts_cannot_change_the_markdown_they_stand_in(tmp_path: Path) -> None:
    name = "a|b\n| c\r\u2028`d` *e* _f_ [g](h) <i> \ud800 \\"
    content = reports.report(name, run(name, [problem(name, "proved", flags=[{"kind": name, "detail": name}])]))
    text = report.write(content, tmp_path)[1].read_text("utf-8")
    widths: dict[int, set[int]] = {}
    for at, table in enumerate(re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)):
        widths[at] = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
    assert len(widths) == 8
    assert {len(each) for each in widths.values()} == {1}
    assert r"a\|b \| c \`d\` \*e\* \_f\_ \[g\](h) \<i\>" in text
    assert "mathd_algebra_478" in report.write(reports.report("t", run("r", [problem("mathd_algebra_478")])), tmp_path)[
        1
    ].read_text("utf-8")  # underscores inside a name are no markup, and stay readable


# ---- figures on the page ----


def test_the_head_of_the_page_adds_up(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Short", short()))
    assert browser.one("h1").text == "Short"
    assert line(browser, ".headline") == "66.7 % of the 3 finished proved (pass@4) 95 % interval 59.7–72.7 %"
    assert [re.sub(r"\s+", " ", text) for text in texts(browser, ".sum")] == [
        "5 problems = 1 not expressible + 4 asked", "4 asked = 2 proved + 1 failed + 1 unfinished",
    ]  # fmt: skip
    assert "2 problems flagged by the audit, 1 of them proved" in browser.one(".card").text
    assert browser.one(".card .badge").text == "run not finished"
    assert browser.said() == []


def test_the_tables_of_figures_say_what_the_report_says(browser: Browser, opens: Opens) -> None:
    content = short()
    opens(reports.report("Short", content))
    assert [row.text.split()[:2] for row in browser.all("#pass-at tbody tr")] == [
        [str(entry["k"]), f"{100 * entry['value']:.1f}"] for entry in content["pass_at"]
    ]
    groups = [re.sub(r"\s+", " ", row.text) for row in browser.all("#groups tbody tr")]
    assert groups == [
        f"{each['kind']} {each['name']} {each['proved']} / {each['asked']} of {each['problems']} "
        f"{100 * each['value']:.1f} % {100 * each['low']:.1f}–{100 * each['high']:.1f}"
        for each in content["groups"]
    ]
    assert "seconds 2.5 2 2.5" in texts(browser, "#cost tbody tr")
    assert texts(browser, "#reasons tbody th") == ["error", "proved"]
    assert [row.text.split()[1] for row in browser.all("#reasons tbody tr")] == ["14", "2"]
    assert "1 of 2 proved is flagged, of 2 flagged problems" in browser.one("#flags").text
    assert [row.text.split()[0] for row in browser.all("#flags tbody tr")] == ["contradictory", "truncated"]
    browser.one("#configuration summary").click()
    assert "budget.seconds 600" in browser.one("#configuration").text
    assert "version of lean 4.28.0 (embedded)" in browser.one("#configuration").text


def test_the_plots_are_read_by_eye_by_pointer_and_by_a_screen_reader(browser: Browser, opens: Opens) -> None:
    opens(two())
    assert browser.one("#by-samples > svg").get_attribute("aria-label") == (
        "Problems proved against samples for each. tactics: 2 within 4. model: 1 within 2, 2 within 4."
    )
    assert texts(browser, "#by-samples .legend .run") == ["tactics", "model"]
    assert len(browser.all("#by-samples > svg .curve")) == 2
    browser.run("""const svg = document.querySelector("#by-samples > svg"), box = svg.getBoundingClientRect();
        svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + 44 + 0.8 * (box.width - 58)}));""")
    assert browser.one("#by-samples .reading").text == "At 3 samples: tactics 0 · model 1 proved"


def test_a_long_range_is_drawn_on_a_logarithmic_axis(browser: Browser, opens: Opens) -> None:
    problems = [problem(f"p{n}", "proved", samples=2**n, seconds=1 + n / 10) for n in range(11)]
    opens(reports.report("t", run("r", problems)))
    ticks = [float(text.replace(",", "")) for text in texts(browser, "#by-samples text") if text[0].isdigit()]
    assert {1, 10, 100, 1000} <= set(ticks)
    assert "samples (logarithmic)" in texts(browser, "#by-samples text")
    assert "seconds" in texts(browser, "#by-seconds text")


def test_a_report_in_which_nothing_is_proved_or_even_asked_says_so(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Nothing", run("r", [problem("p", "inexpressible")])))
    assert line(browser, ".headline").startswith("– of the 0 asked proved")
    assert browser.one("#cost p").text == browser.one("#by-samples p").text == "Nothing is proved yet."
    opens(reports.report("Begun", run("r", [problem("p", "unfinished")])))
    assert line(browser, ".headline") == "– of the 0 finished proved"
    opens(reports.report("Empty", run("r", [])))
    assert browser.one("#count").text == "0 problems"
    assert browser.said() == []


def test_pairs_name_what_only_one_run_proved(browser: Browser, opens: Opens) -> None:
    opens(two())
    assert browser.text(".verdict") == "model proves as many as tactics; McNemar’s exact p = 1"
    assert "of 4 problems finished in both runs: 1 proved by both, 1 by neither" in browser.one(".pair").text
    for summary in browser.all(".only summary"):
        summary.click()
    browser.wait("document.querySelectorAll('.names a').length === 2")
    assert texts(browser, ".names a") == ["first", "second"]
    browser.all(".names a")[1].click()
    browser.wait("document.querySelector('.detail')")
    assert browser.one("[aria-expanded=true]").text.endswith("second")


def test_runs_with_different_numbers_of_attempts_say_how_they_are_compared(browser: Browser, opens: Opens) -> None:
    content = two()
    content["runs"][1]["attempts"] = 2
    content["pairs"][0]["attempts"] = [2, 2]
    opens(content)
    assert "finished in both runs, by the first 2 attempts of each: 1 proved by both" in browser.one(".pair").text


# ---- the table of problems ----


def test_every_column_sorts_both_ways_and_says_so(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Short", short()))
    assert names(browser) == ["mathd_10", "mathd_9", "Amc_2", "imo_1", "aime_3"]
    order = {
        "problem": ["aime_3", "Amc_2", "imo_1", "mathd_9", "mathd_10"],  # numbers by value
        "status": ["mathd_10", "imo_1", "mathd_9", "aime_3", "Amc_2"],
        "samples": ["aime_3", "mathd_10", "imo_1", "mathd_9", "Amc_2"],  # one that was not asked has none
        "seconds": ["aime_3", "mathd_10", "imo_1", "mathd_9", "Amc_2"],
        "lines": ["mathd_10", "imo_1", "mathd_9", "Amc_2", "aime_3"],  # those without come last, whichever way
    }
    for column, wanted in order.items():
        click(browser, column)
        assert names(browser) == wanted
        sorted_by = [(each.text, each.get_attribute("aria-sort")) for each in browser.all("#list th[aria-sort]")]
        assert sorted_by == [(column, "ascending")]
    click(browser, "lines")
    assert names(browser) == ["imo_1", "mathd_10", "mathd_9", "Amc_2", "aime_3"]
    for column in texts(browser, ".sorting"):
        click(browser, column)
        click(browser, column)
        assert browser.one("#list th[aria-sort]").get_attribute("aria-sort") in ("ascending", "descending")
        assert len(names(browser)) == 5


def test_the_keyboard_sorts_walks_and_opens(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Short", short()))
    browser.run("document.querySelector('.sorting').focus()")
    browser.press("ENTER")
    assert names(browser)[0] == "aime_3"
    browser.press(" ")
    assert names(browser)[0] == "mathd_10"
    assert browser.run("return document.activeElement.className") == "sorting"
    browser.run("document.querySelector('.name').focus()")
    browser.press("ARROW_DOWN", "ARROW_DOWN", "ARROW_UP", "ENTER")
    assert browser.one("[aria-expanded=true]").text.endswith("mathd_9")
    browser.press("TAB", "TAB")  # into what was opened
    assert browser.run("return Boolean(document.activeElement.closest('.detail'))")
    browser.press("ESCAPE")
    assert browser.all(".detail") == []
    assert browser.run("return document.activeElement.textContent") == "mathd_9"
    browser.press("/", "imo")
    browser.wait("document.querySelectorAll('#list .row').length === 1")
    browser.press("ESCAPE")
    assert len(names(browser)) == 5


def test_filters_by_text_status_group_and_flag(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Short", short()))
    assert not browser.one("#differs-label").is_displayed()
    choose(browser, "#statuses select", "proved")
    assert names(browser) == ["mathd_10", "imo_1"]
    choose(browser, "#group", "hard")
    assert names(browser) == ["imo_1"]
    assert browser.one("#count").text == "1 of 5 problems"
    browser.one("#reset").click()
    assert len(names(browser)) == 5
    assert not browser.one("#reset").is_displayed()
    choose(browser, "#statuses select", "not proved")
    assert names(browser) == ["mathd_9", "Amc_2", "aime_3"]
    browser.one("#reset").click()
    browser.one("#flagged").click()
    assert names(browser) == ["mathd_10", "Amc_2"]
    choose(browser, "#group", "test")
    assert texts(browser, "#list tbody td") == ["No problem passes these filters."]
    browser.one("#reset").click()
    browser.one("#query").send_keys("THEOREM AIME")  # the statement, whatever the case
    browser.wait("document.querySelectorAll('#list .row').length === 1")
    assert names(browser) == ["aime_3"]
    browser.all("#groups .link")[0].click()  # the split `valid`
    assert names(browser) == ["mathd_10", "mathd_9", "Amc_2"]
    browser.one("#flags .link").click()
    assert names(browser) == ["mathd_10"]
    browser.run("location.hash = 'problem=imo_1'")  # what the filters hide is shown when it is asked for by name
    browser.wait("document.querySelector('.detail')")
    assert len(names(browser)) == 5


def test_a_row_opens_on_everything_about_the_problem(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Short", short()))
    browser.all("#list .row")[0].click()
    assert browser.one(".detail .flagged").text.startswith("⚑contradictory: the hypotheses prove False")
    assert browser.one(".detail .flagged pre").text == "h₀ and h₁ give False"
    assert browser.one(".about > pre").text == "theorem mathd_10 (n : Nat) (h₀ : 0 < n) : n ∣ n * n + n"
    assert browser.one(".informal").text == "Show that mathd_10 holds."
    assert browser.one(".proof").text == "intro h\nomega"
    assert browser.one(".result > .heading").text.endswith(
        "1 of 4 attempts proved it · until the first proof: 3 samples, 4 checks, 360 tokens, 1.5 s"
    )
    assert [re.sub(r"\s+", " ", text) for text in texts(browser, ".attempt summary")] == [
        *(f"#{n} error 1:{n}: unknown identifier 'lemma{n}' cot · 0.5 s" for n in (1, 2, 3)), "#4 proved cot · 0.5 s",
    ]  # fmt: skip
    browser.all(".attempt summary")[1].click()
    browser.wait("document.querySelector('.attempt .said')")  # a `toggle` event comes when the browser finds time
    assert browser.one(".attempt .said").text == attempt(2)["detail"]
    assert browser.one(".attempt .text").text == "exact lemma2"
    browser.all("#list .row")[2].click()
    assert "Why this Lean cannot express it\nunknown identifier 'Finset.sum'" in browser.all(".detail")[1].text
    browser.all("#list .row")[0].click()
    assert len(browser.all(".detail")) == 1
    assert browser.said() == []


def test_a_report_that_does_not_give_the_problems_away_says_so(browser: Browser, opens: Opens) -> None:
    opens(reports.report("t", run("r", [problem("p", "proved", statement="", informal="", proof=None, shown=[])])))
    browser.one("#list .row").click()
    assert "This report does not hold the statement." in browser.one(".detail").text
    assert "This report does not hold the proof." in browser.one(".detail").text
    assert browser.all(".detail button, .detail pre") == []


def test_the_proof_is_copied(browser: Browser, opens: Opens) -> None:
    opens(reports.report("Short", short()), at="#problem=imo_1")
    browser.one(".detail button").click()
    browser.wait("document.querySelector('.detail button').textContent === 'Copied'")
    area = browser.run("return document.body.appendChild(document.createElement('textarea'))")
    area.send_keys("\ue009v\ue000")  # Control and V
    assert area.get_property("value") == "a\nb\nc"


@pytest.mark.parametrize("name", ["imo_1", "«a b»/é%41&#x", "100%", HOSTILE])
def test_the_address_names_the_open_problem(browser: Browser, opens: Opens, name: str) -> None:
    page = opens(reports.report("t", run("r", [*(problem(f"p{n}") for n in range(400)), problem(name)])))
    assert browser.all(".detail") == []
    click(browser, "problem")
    browser.one("#query").send_keys(name)
    browser.wait("document.querySelectorAll('#list .row').length === 1")
    browser.one("#list .row").click()
    address = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(address)
    assert browser.text("[aria-expanded=true]") == name
    assert browser.run("return document.activeElement.textContent") == name
    assert browser.one(".detail").is_displayed()
    browser.one("[aria-expanded=true]").click()
    assert browser.driver.current_url == f"{page.as_uri()}#problems"


@pytest.mark.parametrize("fragment", ["#problem=nobody", "#problem=%", "#problem=", "#problems", "#x"])
def test_an_address_that_names_nothing_opens_nothing(browser: Browser, opens: Opens, fragment: str) -> None:
    opens(reports.report("Short", short()), at=fragment)
    assert len(names(browser)) == 5
    assert browser.all(".detail") == []
    assert browser.said() == []


def test_two_runs_stand_side_by_side(browser: Browser, opens: Opens) -> None:
    opens(two())
    assert texts(browser, ".card h2") == ["tactics", "model"]
    assert texts(browser, ".sorting")[:3] == ["problem", "tactics", "model"]
    assert " ".join(browser.all("#list .row")[-1].text.split()) == "only here failed 4 samples not in this run valid"
    browser.one("#differs").click()
    assert names(browser) == ["first", "second", "only here"]
    choose(browser, "#statuses select:nth-child(2)", "model: proved")
    assert names(browser) == ["second"]
    browser.one("#list .row").click()
    results = browser.all(".result")
    assert [result.get_attribute("aria-label") for result in results] == ["tactics", "model"]
    assert [len(result.find_elements("css selector", ".proof")) for result in results] == [0, 1]
    assert results[1].find_element("css selector", ".proof").text == "omega"
    browser.one("#reset").click()
    click(browser, "model")
    assert names(browser) == ["second", "both", "neither", "first", "unasked", "only here"]
    assert browser.said() == []


def test_configurations_that_differ_are_marked(browser: Browser, opens: Opens) -> None:
    opens(reports.report("t", short(), {**short(), "config": {"policy": {"name": "other"}}}))
    assert texts(browser, ".card h2") == ["one (1)", "one (2)"]
    assert "9 differences, marked" in browser.one("#configuration summary").text
    browser.one("#configuration summary").click()
    assert "policy.name" in texts(browser, "span.differs")
    assert "version of lean" not in texts(browser, "span.differs")


def test_runs_that_were_asked_different_statements_show_both(browser: Browser, opens: Opens) -> None:
    one, other = (run(name, [problem("p", statement=f"theorem p : {name}")]) for name in "ab")
    opens(reports.report("t", one, other), at="#problem=p")
    assert browser.one(".about h3").text == "Statements: not the same in all runs"
    assert texts(browser, ".about > pre") == ["theorem p : a", "theorem p : b"]


# ---- safety, size, width ----


def test_texts_stay_texts(browser: Browser, opens: Opens) -> None:
    h = HOSTILE
    hostile = problem(
        h, "proved", split=h, tags=[h], why=h, flags=[{"kind": h, "detail": h}], statement=h, informal=h, proof=h,
        reasons={h: 1}, shown=[attempt(1, h, detail=h, text=h, family=h)],
    )  # fmt: skip
    bad = run(h, [hostile], config={h: {h: [h]}}, versions={h: h}, started=h)
    opens(reports.report(h, bad, bad))
    browser.one("#list .row").click()
    browser.one("#configuration summary").click()
    for summary in browser.all(".attempt summary"):
        summary.click()
    browser.wait("document.querySelectorAll('.attempt .text').length === document.querySelectorAll('.attempt').length")
    for selector in (
        "#title", ".about > pre", ".about .flagged b", ".said", ".informal", ".proof", ".attempt .text", ".name",
    ):  # fmt: skip
        assert browser.text(selector) == h, selector
    assert browser.driver.title == h
    assert browser.run("return [document.images.length, document.scripts.length, typeof owned]") == [0, 3, "undefined"]
    assert browser.said() == []


def test_odd_characters_and_huge_texts_are_shown(browser: Browser, opens: Opens) -> None:
    odd = "lone \ud800 nul \0 bell \a line \u2028 end"
    opens(reports.report(odd, run("r", [problem(odd, "proved", proof=odd, statement="x" * 100_000)])))
    browser.one("#list .row").click()
    assert browser.run("return document.querySelector('.proof').textContent.length") == len(odd)
    assert browser.run("return document.querySelector('.proof').textContent.charCodeAt(5)") == 0xD800
    assert browser.run("return document.querySelector('.about > pre').textContent.length") == 100_000
    assert browser.said() == []


def test_the_page_asks_the_network_for_nothing(browser: Browser, opens: Opens) -> None:
    page = opens(two())
    browser.open(page)
    browser.one("#list .row").click()
    assert browser.asked_for() == {page.as_uri()}
    assert browser.run("return performance.getEntriesByType('resource').length") == 0


def test_even_a_script_in_the_page_would_not_run(browser: Browser, tmp_path: Path) -> None:
    """The Content-Security-Policy, should a text ever become markup after all."""
    page = report.write(two(), tmp_path)[0]
    bad = '<script>owned=1</script><img src="x.png" onerror="owned=1"><a href="javascript:owned=1" id="bad">here</a>'
    page.write_text(page.read_text("utf-8").replace("</body>", f"{bad}</body>"), "utf-8")
    browser.open(page)
    browser.run("document.querySelector('#bad').click()")
    said = browser.said()
    assert [w for w in ("inline script", "inline event handler", "x.png") if not any(w in s for s in said)] == []
    assert browser.run("return typeof owned") == "undefined"


@pytest.mark.slow
def test_twenty_thousand_problems_open_and_filter_with_some_hundred_rows(browser: Browser, opens: Opens) -> None:
    content = reports.report("Many", *(reports.drawn(name, 20_000, 8, 9, 1) for name in ("a", "b")))
    start = time.monotonic()
    opens(content, at="#problem=nobody")
    print(f"\nwritten and opened twice after {time.monotonic() - start:.1f} s")
    assert len(browser.all("#list .row")) == 250
    assert browser.one("#pages span").text == "1–250 of 20,000"
    browser.one("#later").click()
    assert browser.one("#pages span").text == "251–500 of 20,000"
    assert len(browser.all("#list .row")) == 250
    work = browser.run("""const start = performance.now(), query = document.querySelector("#query");
        document.querySelector(".sorting").click();
        const sorted = performance.now();
        query.value = "_1999"; choose();
        document.body.offsetHeight;
        return [sorted - start, performance.now() - sorted];""")
    print(f"sorting took {work[0]:.0f} ms, filtering {work[1]:.0f} ms")
    assert browser.one("#count").text == "11 of 20,000 problems"
    assert all("_1999" in name for name in names(browser))
    last = content["runs"][0]["problems"][-1]["name"]
    browser.run("document.querySelector('#reset').click(); location.hash = `problem=${arguments[0]}`", last)
    browser.wait("document.querySelector('.detail')")
    assert browser.one("[aria-expanded=true]").text.endswith(last)
    assert len(browser.all("#list .row")) <= 250
    assert browser.said() == []


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_is_wider_than_the_window(browser: Browser, opens: Opens, width: int) -> None:
    long = "x" * 3000
    runs = [
        run(f"{name}{'y' * 200}", [problem(long, "proved", tags=[long], flags=[{"kind": long, "detail": long}]),
                                   *(problem(f"p{n}", statement=long, why=long) for n in range(30))])
        for name in "abcd"
    ]  # fmt: skip
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for content in (reports.report(long, *runs), reports.report("one", runs[0]), two()):
        opens(content)
        browser.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        browser.run("document.querySelector('#list .row').click()")
        assert browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        box = browser.run("return document.querySelector('.inside').getBoundingClientRect().toJSON()")
        assert box["right"] <= width
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_to_press_has_a_name(browser: Browser, opens: Opens) -> None:
    opens(two(), at="#problem=first")
    unnamed = browser.run("""
        return [...document.querySelectorAll("button, a, input, select, summary, [role=img], section")]
          .filter((each) => !each.textContent.trim() && !each.ariaLabel && !each.labels?.length)
          .map((each) => each.outerHTML.slice(0, 80))""")
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_texts_have_contrast(browser: Browser, opens: Opens, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks of texts (1.4.3)."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    opens(reports.report("t", *(reports.drawn(name, 60, 8, 5, 2) for name in "abcdef")))
    browser.run("document.querySelectorAll('#list .row').forEach((each, i) => i < 8 && each.click())")
    poor = browser.run("""
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
        const light = (colours) => {
          for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
          const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((n) => n / 255)
            .map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const found = new Set();
        const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (words.nextNode()) {
          const element = words.currentNode.parentElement;
          if (!words.currentNode.data.trim() || !element.checkVisibility()) continue;
          if (element.matches("script, option, :disabled")) continue;
          const under = [], style = getComputedStyle(element);
          for (let each = element; each; each = each.parentElement) {
            under.unshift(getComputedStyle(each).backgroundColor);
          }
          const [a, b] = [light(under), light([...under, element.closest("svg") ? style.fill : style.color])];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) found.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
        }
        return [...found];""")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert poor == []
