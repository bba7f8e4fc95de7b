"""``make run-cluster`` as its visitor sees it: one of two servers is killed, and the page goes on at the other with nothing lost."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from playwright.async_api import Page, expect

from .servers import ROOT
from .test_browser import WIDE, _pane, _say, chromium

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("redis-server")]


class Cluster(NamedTuple):
    process: subprocess.Popen[str]
    servers: dict[str, int]
    """Address -> process."""

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def started(*before: str, ended_by: signal.Signals = signal.SIGINT) -> Iterator[Cluster]:
    process = subprocess.Popen([*before, sys.executable, "tools/cluster.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        yield Cluster(process, {url: int(pid) for url, pid in re.findall(r"(http://[\d.:]+)/  process (\d+)", "".join(lines))})
    finally:
        process.send_signal(ended_by)
        try:
            assert process.wait(20) == 0, f"it ends cleanly at {ended_by.name}"
        finally:
            process.kill()
            rest = process.stdout.read()
            process.stdout.close()
    assert rest.endswith("bye\n")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with started() as cluster:
        yield cluster


async def visit(browser: object, url: str) -> Page:
    page = await (await browser.new_context(viewport=WIDE)).new_page()  # type: ignore[attr-defined]
    await page.goto(f"{url}/?room=cluster")
    for name in ("Ann", "Bob"):
        await expect(_pane(page, name).locator(".state")).to_contain_text("Open · process")
    return page  # type: ignore[no-any-return]


async def test_the_page_goes_on_at_the_other_server(cluster: Cluster) -> None:
    (first, doomed), (second, other) = cluster.servers.items()
    async with chromium() as browser:
        here, there = await visit(browser, first), await visit(browser, second)
        await expect(_pane(here, "Ann").locator(".state")).to_have_text(f"Open · process {doomed}")
        await _say(here, "Ann", "before")
        for page in (here, there):
            await expect(_pane(page, "Bob").locator(".said")).to_have_text(["Annbefore"])

        os.kill(doomed, signal.SIGKILL)
        for number in range(5):
            await _say(there, "Bob", f"meanwhile {number}")
        assert "is gone; the page goes on" in await asyncio.to_thread(cluster.said)

        heard = ["Annbefore", *(f"Bobmeanwhile {number}" for number in range(5))]
        for page in (here, there):
            for name in ("Ann", "Bob"):
                await expect(_pane(page, name).locator(".said")).to_have_text(heard, timeout=15_000)
        await expect(_pane(here, "Ann").locator(".state")).to_have_text(f"Open · process {other}")
        await expect(_pane(here, "Ann").locator(".note", has_text="nothing was missed")).to_have_count(1)
        await _say(here, "Ann", "after")
        await expect(_pane(there, "Bob").locator(".said")).to_have_text([*heard, "Annafter"])
        await expect(here.locator("#ticker .state")).to_contain_text("Open", timeout=15_000)
        await expect(_pane(there, "Ann").locator(".note", has_text="left")).to_have_count(0)


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_though_a_script_started_it_in_the_background(ended_by: signal.Signals) -> None:
    with started("sh", "-c", "trap '' INT; exec \"$@\"", "sh", ended_by=ended_by) as cluster:
        servers = cluster.servers.values()
    assert [server for server in servers if os.path.exists(f"/proc/{server}")] == []
