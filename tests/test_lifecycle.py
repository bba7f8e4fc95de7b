"""shallot.lifecycle: what was begun is ended, in reverse, in its own task, whatever fails."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest

from shallot.compose import as_handler
from shallot.deadline import DeadlinePassed
from shallot.errors import EffectRefused, Unavailable
from shallot.lifecycle import Lifecycle, Plan, live
from shallot.testing.clock import virtual_time
from shallot.testing.fakes import FakeServer
from shallot.testing.lifespans import lifespan
from shallot.websocket.table import EffectTable

SCOPE = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
who = ContextVar("who", default="nobody")


class Diary:
    """Resources and hooks that write down when they run, and fail or hang on request."""

    def __init__(self):
        self.lines = []
        self.tasks = set()
        self.config = None

    def write(self, line):
        self.lines.append(line)
        self.tasks.add(asyncio.current_task())

    def resource(self, name, *, value=None, entering=None, leaving=None):
        @asynccontextmanager
        async def manage(config):
            self.write(f"+{name} {sorted(config)}")
            await self.fail(entering)
            try:
                yield name if value is None else value
            except BaseException as error:
                self.write(f"{name} saw {type(error).__name__}")
                raise
            finally:
                self.write(f"-{name}")
                await self.fail(leaving)

        return manage

    def hook(self, name, *, gives=None, failing=None):
        async def run(context):
            self.write(f"{name} {sorted(context['config'])}")
            await self.fail(failing)
            return gives

        return run

    async def drain(self, seconds):
        self.write(f"drain {seconds:g}")

    @staticmethod
    async def fail(how):
        if how == "hang":
            await asyncio.Event().wait()
        if how is not None:
            raise how

    def plan(self, resources=None, on_start=None, on_stop=None, **changes):
        return Plan(
            **{
                "resources": resources or {},
                "on_start": on_start,
                "on_stop": on_stop,
                "table": EffectTable(),
                "drain": self.drain,
                "run_in_thread": asyncio.to_thread,
                "close_threads": lambda: self.lines.append("threads closed"),
                "shutdown_s": 10,
                **changes,
            }
        )


@pytest.fixture
def diary():
    return Diary()


# ---- one life


async def test_a_life_goes_there_and_back_in_one_task(diary):
    plan = diary.plan({"a": diary.resource("a"), "b": diary.resource("b")}, diary.hook("start", gives={"c": 3}), diary.hook("stop"))
    async with live(plan, SCOPE) as config:
        diary.write(f"up {config}")
    assert diary.lines == [
        "+a []",
        "+b ['a']",
        "start ['a', 'b']",
        "up {'a': 'a', 'b': 'b', 'c': 3}",
        "drain 10",
        "stop ['a', 'b', 'c']",
        "-b",
        "-a",
        "threads closed",
    ]
    assert diary.tasks == {asyncio.current_task()}


async def test_the_context_of_the_hooks_is_the_scope_with_the_config(diary):
    contexts = []

    async def remember(context):
        contexts.append(context)

    async with live(diary.plan(on_start=remember, on_stop=remember), SCOPE) as config:
        pass
    assert contexts[0] is contexts[1]
    assert contexts[0] == {**SCOPE, "config": {}, "run_in_thread": asyncio.to_thread}
    assert contexts[0]["config"] is config
    assert "config" not in SCOPE


async def test_plain_hooks_run_in_threads(diary):
    threads = []

    async def run_in_thread(function, *args):
        threads.append(function)
        return function(*args)

    def start(context):
        return {"a": 1}

    async with live(diary.plan(on_start=as_handler(start), on_stop=as_handler(print), run_in_thread=run_in_thread), SCOPE) as config:
        assert config == {"a": 1}
    assert threads == [start, print]


class Pool:
    entered = 0

    async def __aenter__(self):
        self.entered += 1
        return self

    async def __aexit__(self, *error):
        return True  # would swallow what it sees


async def pool_later(config):
    return Pool()


@pytest.mark.parametrize("resource", [Pool(), lambda config: Pool(), pool_later], ids=["itself", "function", "coroutine function"])
async def test_a_resource_is_a_manager_or_a_function_that_returns_one(diary, resource):
    for _ in range(2):
        async with live(diary.plan({"db": resource}), SCOPE) as config:
            assert isinstance(config["db"], Pool)


async def test_a_resource_cannot_make_an_error_unhappen(diary):
    with pytest.raises(ZeroDivisionError):
        async with live(diary.plan({"db": Pool()}), SCOPE):
            raise ZeroDivisionError


async def undecorated(config):
    yield config


@pytest.mark.parametrize(("resource", "came"), [(lambda config: config, "dict"), (undecorated, "async_generator"), (lambda config: Pool, "type")])
async def test_another_is_a_start_error(diary, resource, came):
    with pytest.raises(TypeError, match=f"resource 'db': expected an async context manager, got {came}; decorate the function with @asynccontextmanager"):
        async with live(diary.plan({"db": resource}), SCOPE):
            pass


async def test_a_function_gets_a_copy_of_the_config(diary):
    def spoil(config):
        config["a"] = "spoilt"
        return Pool()

    async with live(diary.plan({"a": diary.resource("a"), "b": spoil}), SCOPE) as config:
        assert config["a"] == "a"


@pytest.mark.parametrize(
    ("given", "error", "complaint"),
    [
        ([1], TypeError, "on_start returned list; expected a dict that joins the config, or None"),
        ({"db": 1, "x": 2}, ValueError, "on_start gave db, which is the name of a resource; choose another name"),
    ],
)
async def test_what_on_start_gives_joins_the_config_or_fails_the_start(diary, given, error, complaint):
    with pytest.raises(error) as raised:
        async with live(diary.plan({"db": diary.resource("db")}, diary.hook("start", gives=given), diary.hook("stop")), SCOPE):
            pass
    assert str(raised.value) == complaint
    assert diary.lines[1:] == ["start ['db']", f"db saw {error.__name__}", "-db", "threads closed"]


# ---- failures


@pytest.mark.parametrize(
    ("number", "lines"),
    [(0, ["+r0", "-r0"]), (1, ["+r0", "+r1", "-r1", "-r0"]), (2, ["+r0", "+r1", "+r2", "-r2", "-r1", "-r0"])],
)
async def test_a_failed_start_ends_what_was_begun(diary, number, lines):
    resources = {f"r{n}": diary.resource(f"r{n}") for n in range(3)}

    def fail(config):
        diary.write(f"+r{number} x")
        diary.write(f"-r{number}")
        raise OSError("no database")

    resources[f"r{number}"] = fail
    with pytest.raises(OSError, match="no database"):
        async with live(diary.plan(resources, diary.hook("start"), diary.hook("stop")), SCOPE):
            pass
    assert [line.split()[0] for line in diary.lines if line[0] in "+-"] == lines
    assert diary.lines[-1] == "threads closed"


@virtual_time
async def test_each_step_of_the_stop_has_its_deadline_and_the_others_run_all_the_same():
    diary = Diary()
    resources = {"a": diary.resource("a", leaving="hang"), "b": diary.resource("b", leaving=ValueError("b")), "c": diary.resource("c", leaving="hang")}
    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlinePassed):
        async with live(diary.plan(resources, None, diary.hook("stop", failing="hang")), SCOPE):
            pass
    assert [line for line in diary.lines if line[0] == "-"] == ["-c", "-b", "-a"]
    assert diary.lines[-1] == "threads closed"
    assert asyncio.get_running_loop().time() - began == 30


# ---- effects of resources


class Channels:
    def __init__(self):
        self.effects = {"channel.publish": self.publish}

    async def publish(self, effect, scope, mailbox):
        return effect["data"]


async def test_a_resource_brings_its_effects_and_takes_them_along(diary):
    plan = diary.plan({"channels": diary.resource("channels", value=Channels())})
    async with live(plan, SCOPE):
        assert await plan.table.perform({"type": "channel.publish", "data": 7}, {}) == 7
    with pytest.raises(ValueError, match="no effect has the type 'channel.publish'"):
        await plan.table.perform({"type": "channel.publish", "data": 7}, {})


async def test_two_resources_with_the_same_effect_are_a_start_error(diary):
    plan = diary.plan({name: diary.resource(name, value=Channels()) for name in ("a", "b")})
    for _ in range(2):
        with pytest.raises(ValueError, match=r"resource 'b': the effect kind 'channel.publish' is taken"):
            async with live(plan, SCOPE):
                pass
    assert diary.lines.count("-a") == diary.lines.count("-b") == 2


async def test_an_attribute_that_is_no_dict_is_the_resources_own(diary):
    class Pedal:
        effects = ("reverb",)

    async with live(diary.plan({"pedal": diary.resource("pedal", value=Pedal())}), SCOPE) as config:
        assert config["pedal"].effects == ("reverb",)
    with pytest.raises(EffectRefused):
        await EffectTable().perform({"type": "websocket.send", "text": "x"}, {})


# ---- the lifespan protocol


async def test_the_lifespan_gives_the_config_while_it_lasts(diary):
    life = Lifecycle(diary.plan({"a": diary.resource("a")}, diary.hook("start", gives={"b": 2}), diary.hook("stop")))
    assert (life.config, life.state) == (None, "new")
    for _ in range(2):
        async with lifespan(life.lifespan):
            assert life.config == await life.admit() == {"a": "a", "b": 2}
            assert life.state == "running"
        assert (life.config, life.state) == (None, "stopped")
        with pytest.raises(Unavailable, match="shutting down"):
            await life.admit()
    assert diary.lines.count("stop ['a', 'b']") == 2


async def test_an_app_with_nothing_to_start_needs_no_start(diary):
    life = Lifecycle(diary.plan(on_stop=diary.hook("stop")))
    assert life.config == {}
    async with lifespan(life.lifespan):
        assert life.config == {}
    assert life.config is None
    assert diary.lines == ["drain 10", "stop []", "threads closed"]


@pytest.mark.parametrize("changes", [{"resources": {"a": Pool()}}, {"on_start": print}], ids=str)
def test_others_do(diary, changes):
    assert Lifecycle(diary.plan(**changes)).config is None


async def test_requests_wait_for_the_start(diary):
    gate = asyncio.Event()

    async def start(context):
        await gate.wait()
        return {"a": 1}

    life = Lifecycle(diary.plan(on_start=start))
    server = FakeServer(SCOPE, [{"type": "lifespan.startup"}])
    server.start(life.lifespan)
    await server.settle()
    waiting = [asyncio.create_task(life.admit()) for _ in range(3)]
    await server.settle()
    assert (life.state, [task.done() for task in waiting]) == ("starting", [False] * 3)
    gate.set()
    assert await asyncio.gather(*waiting) == [{"a": 1}] * 3
    server.push({"type": "lifespan.shutdown"})
    await server.end()


async def test_new_requests_are_refused_from_the_shutdown_on(diary):
    gate = asyncio.Event()

    async def stop(context):
        await gate.wait()

    life = Lifecycle(diary.plan(on_start=diary.hook("start"), on_stop=stop))
    server = FakeServer(SCOPE, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    server.start(life.lifespan)
    await server.settle()
    assert life.state == "stopping"
    with pytest.raises(Unavailable, match="shutting down"):
        await life.admit()
    gate.set()
    await server.end()
    assert [event["type"] for event in server.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("phase", "state", "sent"),
    [("startup", "failed", ["lifespan.startup.failed"]), ("shutdown", "stopped", ["lifespan.startup.complete", "lifespan.shutdown.failed"])],
)
async def test_a_failure_is_told_to_the_server_and_to_the_log_and_raised(diary, caplog, phase, state, sent):
    failing = diary.hook(phase, failing=OSError("no database" + "!" * 300))
    plan = diary.plan({"a": diary.resource("a")}, failing if phase == "startup" else None, failing if phase == "shutdown" else None)
    life = Lifecycle(plan)
    server = FakeServer(SCOPE, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    with pytest.raises(OSError, match="no database"):
        await server.run(life.lifespan)
    assert [event["type"] for event in server.sent] == sent
    assert server.sent[-1]["message"].startswith("OSError: no database!")
    assert len(server.sent[-1]["message"]) == 200
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", f"the app's {phase} failed")
    assert record.exc_info
    assert life.state == state
    assert diary.lines[-2:] == ["-a", "threads closed"]
    with pytest.raises(Unavailable):
        await life.admit()


async def test_an_app_that_failed_may_be_started_again(diary):
    def fail_once(config):
        if diary.lines.count("threads closed") == 0:
            raise OSError("not yet")
        return Pool()

    life = Lifecycle(diary.plan({"a": fail_once}))
    with pytest.raises(OSError, match="not yet"):
        await FakeServer(SCOPE, [{"type": "lifespan.startup"}]).run(life.lifespan)
    async with lifespan(life.lifespan):
        assert await life.admit()


async def test_one_app_has_one_life_at_a_time(diary):
    life = Lifecycle(diary.plan({"a": diary.resource("a")}))
    async with lifespan(life.lifespan):
        with pytest.raises(RuntimeError, match="the app is running already; give each server an app of its own"):
            await FakeServer(SCOPE, [{"type": "lifespan.startup"}]).run(life.lifespan)
        assert life.config == {"a": "a"}


async def test_a_cancelled_lifespan_ends_all_the_same(diary):
    life = Lifecycle(diary.plan({"a": diary.resource("a")}, None, diary.hook("stop")))
    server = FakeServer(SCOPE, [{"type": "lifespan.startup"}])
    task = server.start(life.lifespan)
    await server.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary.lines[1:] == ["drain 10", "stop ['a']", "a saw CancelledError", "-a", "threads closed"]


# ---- a server without lifespan


async def test_without_a_lifespan_the_first_request_starts_the_app(diary, caplog):
    seen = []

    async def start(context):
        seen.append((context["type"], who.get()))
        await asyncio.sleep(0)

    life = Lifecycle(diary.plan({"a": diary.resource("a")}, start, diary.hook("stop")))
    who.set("ann")
    assert await asyncio.gather(*[life.admit() for _ in range(3)]) == [{"a": "a"}] * 3
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "WARNING",
        "the server speaks no lifespan: starting at the first request; on_stop will not run and resources are not left",
    )
    assert seen == [("lifespan", "nobody")]
    assert diary.lines == ["+a []"]
    assert diary.tasks == {life._owner}
    await ended(life)


async def test_a_failed_start_without_a_lifespan_is_logged_once_and_each_request_refused(diary, caplog):
    life = Lifecycle(diary.plan(on_start=diary.hook("start", failing=OSError("no database"))))
    for _ in range(3):
        with pytest.raises(Unavailable, match="the app's start failed"):
            await life.admit()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert diary.lines == ["start []", "threads closed"]


async def test_where_the_loop_ends_resources_are_left_and_another_loop_may_begin(diary, caplog):
    caplog.set_level(logging.CRITICAL)
    life = Lifecycle(diary.plan({"a": diary.resource("a")}))
    for _ in range(2):
        await life.admit()
        await ended(life)
        assert (life.state, life.config) == ("new", None)
    assert diary.lines == ["+a []", "drain 10", "a saw CancelledError", "-a", "threads closed"] * 2


async def ended(life):
    life._owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life._owner
