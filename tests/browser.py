"""A real browser for the tests of pages: the system's Chromium and its driver. Nothing is downloaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


class Browser:
    """One window of a headless Chromium."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            "--headless=new",
            "--window-size=1400,900",
            "--no-sandbox",  # in a container it may not make one, and it sees only our pages
            "--disable-dev-shm-usage",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))

    def quit(self) -> None:
        self.driver.quit()

    def open(self, page: Path) -> None:
        """Returns when the page's script has run. What the browser logged before is forgotten."""
        self.said(), self.asked_for()
        self.driver.get(page.as_uri())

    def said(self) -> list[str]:
        """What stands on the console since the last call: errors, and whatever the policy blocked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self) -> set[str]:
        """Every address that was requested since the last call, local files included."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The text as it is in the document, seen or not."""
        return self.one(selector).get_property("textContent")

    def press(self, *keys: str) -> None:
        """Keys for whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*(getattr(Keys, key, key) for key in keys))

    def wait(self, condition: str, seconds: float = 10) -> None:
        """Until the JavaScript expression holds."""
        WebDriverWait(self.driver, seconds, 0.02).until(lambda driver: driver.execute_script(f"return {condition}"))


def running() -> Iterator[Browser]:
    """For a fixture: one browser for the tests of a module."""
    if not (CHROMIUM and DRIVER):
        message = "no chromium and chromedriver on the PATH (Debian: apt-get install chromium chromium-driver)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    browser = Browser()
    yield browser
    browser.quit()
