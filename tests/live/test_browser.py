"""The showcase in a real browser: two windows talk to each other through one generator on the server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from .servers import serve

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

pytestmark = pytest.mark.needs("chromium")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            await browser.close()


async def window(browser: Browser, url: str, complaints: list[str]) -> Page:
    """A window of its own; what the page complains of, and whatever it asks of another server, is collected."""
    page = await (await browser.new_context(viewport=WIDE)).new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((url, url.replace("http", "ws"))) else complaints.append(request.url))
    await page.goto(f"{url}/?room=live")
    for pane in ("Ann", "Bob"):
        await expect(_pane(page, pane).locator(".state")).to_contain_text("Open")
    return page


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn", "granian"])
async def test_two_windows_talk_and_the_ticker_ends_when_it_is_left(name: str, tmp_path: Path) -> None:
    complaints: list[str] = []
    with serve(name, "examples.showcase.app:app", tmp_path / "log") as server:
        async with chromium() as browser:
            here = await window(browser, server.url, complaints)
            there = await window(browser, server.url, complaints)

            await _say(here, "Ann", "hello over there <b>")
            for page in (here, there):
                for pane in ("Ann", "Bob"):
                    await expect(_pane(page, pane).locator(".log")).to_contain_text("hello over there <b>")
            await _say(there, "Bob", "hello back")
            await expect(_pane(here, "Ann").locator(".log")).to_contain_text("hello back")

            await expect(here.locator("#tick")).not_to_have_text("0")
            await expect(here.locator("#running")).to_have_text("2")
            await there.locator("#ticker .toggle").click()
            await expect(here.locator("#running")).to_have_text("1", timeout=4000)

            await here.get_by_label("A message to echo").fill("exit")
            await here.locator("#echo form button").click()
            await expect(here.locator("#echo .log")).to_contain_text("exit")
            await expect(here.locator("#echo .state")).to_contain_text("1001 bye")

            await expect(here.locator("#routes tr")).to_have_count(8)
            await expect(here.locator("[data-source=chat] code")).to_contain_text(re.compile("async def chat"))
            await here.screenshot(path=tmp_path / "wide.png", full_page=True)
            await here.set_viewport_size(NARROW)
            assert await here.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
            await here.screenshot(path=tmp_path / "narrow.png", full_page=True)
            await there.close()
            await expect(_pane(here, "Ann").locator(".log")).to_contain_text("left", timeout=20_000)
    assert complaints == []
    assert min((tmp_path / picture).stat().st_size for picture in ("wide.png", "narrow.png")) > 10_000


def _pane(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name)


async def _say(page: Page, pane: str, words: str) -> None:
    await page.get_by_label(f"A message from {pane}").fill(words)
    await _pane(page, pane).get_by_role("button", name="Send").click()
