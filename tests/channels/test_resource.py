"""shallot.channels.resource: channels in an app: effects of conversations and of responses, and direct use."""

from __future__ import annotations

import asyncio

import pytest

from shallot import build_server, history, members, publish, standard_not_found, subscribe, unsubscribe, websocket, ws_close, ws_send, ws_send_json
from shallot.channels import Channels, memory_channels
from shallot.channels.contract import LinkLost
from shallot.channels.memory import MemoryBackend
from shallot.errors import EffectRefused, Forbidden, Unavailable, WSDisconnect
from shallot.middlewares import apply_middleware, wrap_json, wrap_routes
from shallot.testing import client, virtual_time
from shallot.testing.channels_unruly import Unruly


def app_of(channels, *conversations, **handlers):
    """``/0``, ``/1`` ... are ``conversations``; the ``handlers`` answer POST at their names."""
    rows = [(f"/{number}", ["WS"], one) for number, one in enumerate(conversations)] + [(f"/{name}", ["POST"], one) for name, one in handlers.items()]
    return build_server(apply_middleware(wrap_routes(rows), wrap_json())(standard_not_found), resources={"channels": channels})


# ---- conversations


async def test_a_conversation_hears_what_is_said():
    @websocket
    async def chat(scope, receiver):
        said = yield subscribe("a")
        yield ws_send_json(said)
        async for message in receiver:
            match message:
                case str(text):
                    yield ws_send_json((yield publish("a", text, id=text))["duplicate"])
                case {"type": "channel.message", "text": text}:
                    yield ws_send(text)

    channels = memory_channels()
    async with client(app_of(channels, chat)) as c:
        async with c.websocket("/0") as one, c.websocket("/0") as other:
            assert set(await one.expect_json()) == {"cursor", "recovered", "missed"}
            await other.expect_json()
            await one.send("hi")
            assert await one.expect_json() is False
            heard = await one.expect_json()
            assert (heard["type"], heard["channel"], heard["data"], heard["id"]) == ("channel.message", "a", "hi", "hi")
            assert await other.expect_json() == heard
            await other.send("hi")
            assert await other.expect_json() is True
            assert channels.stats()["readers"] == 2
        assert {key: channels.stats()[key] for key in ("channels", "readers", "published", "duplicates")} == {
            "channels": 0,
            "readers": 0,
            "published": 1,
            "duplicates": 1,
        }


async def test_all_effects():
    heard = []

    @websocket
    async def talk(scope, receiver):
        yield subscribe("here", member={"id": "ann"}, batch=10)
        for number in range(3):
            yield publish("here", number)
        heard.append((yield members("here")))
        heard.append([message["data"] for message in (yield history("here", limit=2))])
        heard.append([message["data"] for message in (yield history("here", before=(yield history("here"))[-1]["cursor"]))])
        async for message in receiver:
            heard.append(message["type"])
            if message["type"] == "channel.message":
                heard.append([item["data"] for item in message["items"]])
                break
        yield unsubscribe("here")
        yield unsubscribe("here")
        yield subscribe("here", slow="latest")
        yield ws_send("done")

    channels = memory_channels({"here": {"presence": True}})
    async with client(app_of(channels, talk)) as c, c.websocket("/0") as ws:
        assert await ws.expect() == "done"
    assert heard == [{"ann": {"id": "ann"}}, [1, 2], [0, 1], "channel.joined", "channel.message", [0, 1, 2]]


@pytest.mark.parametrize(
    ("effect", "error", "complaint"),
    [
        (subscribe(""), ValueError, "a channel's name has 1 to 255 bytes"),
        ({"type": "channel.subscribe"}, TypeError, "a channel's name is a str like 'chat:lobby', got NoneType"),
        (subscribe("a", cursor=7), TypeError, "subscribe: 'cursor' must be a str, got int"),
        (subscribe("a", slow="drop"), ValueError, "subscribe: 'slow' must be one of close, oldest, newest, latest, block; got 'drop'"),
        (subscribe("a", batch=0), ValueError, "subscribe: 'batch' must be from 1 to 1000, got 0"),
        (subscribe("a", batch=True), TypeError, "subscribe: 'batch' must be an int, got True"),
        (subscribe("a", member={"id": "ann"}), ValueError, "subscribe: member= channel 'a' has no presence; give its pattern {'presence': True} in topics"),
        (subscribe("here", member="ann"), TypeError, "subscribe: 'member' must be a dict with an 'id', got str"),
        (subscribe("here", member={}), TypeError, "a member's id is a str, got NoneType"),
        (subscribe("here", member={"id": ""}), ValueError, "a member's id has 1 to 128 bytes"),
        (subscribe("here", member={"id": "ann", "x": "y" * 9000}), ValueError, "subscribe: a member has at most 8192 bytes as JSON, this one has 9"),
        (subscribe("here", member={"id": "ann", "x": object()}), TypeError, "JSON has no object"),
        (subscribe("once"), ValueError, "channel.subscribe: 'once' is subscribed already; unsubscribe first"),
        (subscribe("secret"), Forbidden, "channel 'secret' is not for this conversation"),
        (subscribe("secret", cursor="forged"), Forbidden, "channel 'secret' is not for this conversation"),
        (history("secret"), Forbidden, "channel 'secret' is not for this conversation"),
        (members("secret"), Forbidden, "channel 'secret' is not for this conversation"),
        (unsubscribe(None), TypeError, "a channel's name is a str"),
        ({"type": "channel.publish", "channel": "a"}, TypeError, "channel.publish: expected 'data', got the keys ['channel', 'type']"),
        (publish(None, 1), TypeError, "a channel's name is a str"),
        (publish("a", object()), TypeError, "JSON has no object"),
        (publish("a", float("nan")), ValueError, ""),
        (publish("a", 1, id=""), ValueError, "a message's id has 1 to 128 bytes"),
        (publish("small", "x" * 20), ValueError, "publish: a message of 'small' has at most 10 bytes as JSON, this one has 22"),
        (members("a"), ValueError, "members channel 'a' has no presence"),
        (members(None), TypeError, "a channel's name is a str"),
        (history("a", limit=0), ValueError, "history: 'limit' must be from 1 to 1000, got 0"),
        (history("a", before="x"), ValueError, "history: 'before' must be the cursor of a message, got 'x'"),
        (history(None), TypeError, "a channel's name is a str"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
async def test_mistakes_are_raised_at_the_yield(effect, error, complaint):
    raised = []

    @websocket
    async def talk(scope, receiver):
        yield subscribe("once")
        try:
            yield effect
        except Exception as caught:
            raised.append(caught)
        yield ws_send("still here")

    topics = {"here": {"presence": True}, "small": {"max_bytes": 10}, "secret": {"presence": True, "allow": lambda scope, channel: False}}
    channels = memory_channels(topics)
    async with client(app_of(channels, talk)) as c, c.websocket("/0") as ws:
        assert await ws.expect() == "still here"
        assert channels.stats()["readers"] == 1
    (caught,) = raised
    assert type(caught) is error
    assert complaint in str(caught)


async def test_I8_allow_is_asked_each_time_with_the_conversation_and_the_channel_recovery_included():
    asked, recovered = [], []

    async def allow(scope, channel):
        asked.append((scope["path"], channel))
        return len(asked) < 3

    @websocket
    async def talk(scope, receiver):
        cursor = None
        for _ in range(3):
            place = yield subscribe("room:1", cursor=cursor)
            cursor = place["cursor"]
            recovered.append(place["recovered"])
            yield unsubscribe("room:1")

    async with client(app_of(memory_channels({"room:*": {"allow": allow}}), talk)) as c, c.websocket("/0") as ws:
        assert (await ws.expect_close())["code"] == 1008
    assert asked == [("/0", "room:1")] * 3
    assert recovered == [False, True], "the third has a good cursor, and is refused all the same"


@pytest.mark.parametrize("how", ["left", "failed", "closed"])
async def test_I2_the_end_of_a_conversation_ends_its_subscriptions(how):
    @websocket
    async def talk(scope, receiver):
        yield subscribe("a")
        yield subscribe("here", member={"id": "ann"})
        yield ws_send("ready")
        try:
            async for message in receiver:
                if message == "closed":
                    yield ws_close()
                if message == "failed":
                    raise KeyError("ours")
        except WSDisconnect:
            yield publish("bye", 1)

    channels = memory_channels({"here": {"presence": True}}, grace_s=0.0)
    async with client(app_of(channels, talk)) as c, channels.subscription("here") as messages:
        async with c.websocket("/0") as ws:
            await ws.expect()
            if how != "left":
                await ws.send(how)
                await ws.expect_close()
        assert channels.stats()["channels"] == 1
        heard = [(await asyncio.wait_for(anext(messages), 5))["type"] for _ in range(2)]
        assert heard == ["channel.joined", "channel.left"]
        assert await channels.members("here") == {}
        assert channels.stats()["published"] == (how == "left")


async def test_a_member_that_is_too_much_leaves_no_subscription():
    @websocket
    async def talk(scope, receiver):
        for _ in range(2):
            try:
                yield subscribe("here", member={"id": scope["query_string"].decode()})
            except EffectRefused as error:
                yield ws_send(str(error))
        yield ws_send("ready")
        async for _ in receiver:
            pass

    channels = memory_channels({"here": {"presence": True, "max_members": 1}})
    async with client(app_of(channels, talk)) as c, channels.subscription("here", member={"id": "ann"}), c.websocket("/0?bob") as ws:
        for _ in range(2):
            assert "has 1 members on this machine already" in await ws.expect()
        assert await ws.expect() == "ready"
        assert channels.stats()["readers"] == 1


async def test_who_subscribes_without_end_is_refused_and_leaves_nobody_in_the_channel():
    @websocket(max_sources=2)
    async def talk(scope, receiver):
        async for name in receiver:
            if isinstance(name, dict):
                continue  # somebody has joined
            try:
                yield subscribe(name, member={"id": "bob"})
                yield ws_send("heard")
            except EffectRefused as error:
                yield ws_send(str(error))

    channels = memory_channels({"*": {"presence": True}})
    async with client(app_of(channels, talk)) as c, c.websocket("/0") as ws:
        answers = []
        for name in "abcd":
            await ws.send(name)
            answers.append(await ws.expect())
        assert answers[:2] == ["heard", "heard"]
        assert all("hears 2 sources already" in answer for answer in answers[2:])
        assert [sorted(await channels.members(name)) for name in "abc"] == [["bob"], ["bob"], []]
        assert channels.stats()["channels"] == 2


async def test_a_conversation_that_was_too_slow_is_closed():
    @websocket
    async def talk(scope, receiver):
        yield subscribe("a")
        yield ws_send("ready")
        async for message in receiver:
            if message == "flood":
                for number in range(20):
                    yield publish("a", number)

    async with client(app_of(memory_channels({"a": {"lag": 5}}), talk)) as c, c.websocket("/0") as ws:
        await ws.expect()
        await ws.send("flood")
        assert await ws.expect_close() == {"code": 1013, "reason": "too slow"}


async def test_words_of_control_overtake_the_data_of_others():
    order = []

    @websocket
    async def talk(scope, receiver):
        yield subscribe("data")
        yield subscribe("here")
        for number in range(3):
            yield publish("data", number)
        yield subscribe("other:here", member={"id": "ann"})
        async for message in receiver:
            order.append(message.get("data", message["type"]))
            if message.get("data") == 2:
                return

    async with client(app_of(memory_channels({"*here": {"presence": True}}), talk)) as c, c.websocket("/0") as ws:
        await ws.expect_close()
    assert order == ["channel.joined", 0, 1, 2]


# ---- responses and hooks


async def test_a_response_publishes_before_its_first_byte():
    async def order(request):
        return {"status": 202, "effects": [publish("orders", request["json"])]}

    async def wrong(request):
        return {"status": 202, "effects": [subscribe("orders")]}

    channels = memory_channels()
    async with client(app_of(channels, order=order, wrong=wrong)) as c, channels.subscription("orders") as messages:
        assert (await c.post("/order", json={"n": 1}))["status"] == 202
        assert (await anext(messages))["data"] == {"n": 1}
        assert (await c.post("/wrong"))["status"] == 500
        assert channels.stats()["readers"] == 1


async def test_a_hook_says_farewell():
    async def gone(scope):
        return [publish("a", "gone")]

    @websocket(on_close=gone)
    async def talk(scope, receiver):
        yield ws_send("ready")

    channels = memory_channels()
    async with client(app_of(channels, talk)) as c, channels.subscription("a") as messages:
        async with c.websocket("/0") as ws:
            await ws.expect()
        assert (await asyncio.wait_for(anext(messages), 5))["data"] == "gone"


async def test_effects_are_refused_where_there_is_no_conversation():
    channels = memory_channels()
    app = app_of(channels)
    async with client(app):
        with pytest.raises(EffectRefused, match="channel.subscribe needs an open conversation"):
            await app._table.perform(subscribe("a"), {})
        assert channels.stats()["channels"] == 0


# ---- direct use


@virtual_time
async def test_direct_use():
    async with memory_channels({"none": {"keep": 0}}) as channels:
        first = await channels.publish("a", {"n": 1})
        await channels.publish("a", (1, 2))
        await channels.publish("none", 1)
        (one, two) = await channels.history("a")
        assert (one["data"], one["cursor"], two["data"]) == ({"n": 1}, first["cursor"], [1, 2])
        assert await channels.history("a", before=first["cursor"]) == []
        assert await channels.history("a", before="other.2.x") == []
        assert await channels.history("none") == []
        assert await channels.history("empty") == []


@virtual_time
async def test_publishers_wait_for_a_reader_that_blocks():
    async with memory_channels({"a": {"slow": "block", "lag": 4}}) as channels, channels.subscription("a") as messages:
        heard = []

        async def speak():
            for number in range(100):
                await channels.publish("a", number)

        speaking = asyncio.create_task(speak())
        for _ in range(100):
            await asyncio.sleep(0.5)
            heard.append((await anext(messages))["data"])
        assert heard == list(range(100))
        await speaking


@virtual_time
async def test_a_publish_that_is_not_answered_may_be_repeated():
    backend = Unruly()
    async with Channels(backend, publish_s=3.0) as channels, channels.subscription("a") as messages:
        (link,) = backend.links
        inner = link.publish

        async def lose_the_answer(*args):
            await inner(*args)
            raise LinkLost("gone")

        link.publish = lose_the_answer
        assert (await channels.publish("a", 1))["duplicate"] is True
        assert (await anext(messages))["data"] == 1
        backend.freeze()
        with pytest.raises(Unavailable, match=r"^publish to 'a': .*; it may be stored or not, repeat it with id='x'$"):
            await channels.publish("a", 2, id="x")
        backend.thaw()
        await channels.publish("a", 2, id="x")
        assert (await anext(messages))["type"] == "channel.stale"
        assert [(await anext(messages)).get("data") for _ in range(2)] == [2, None]


# ---- life


@virtual_time
async def test_it_can_be_entered_again_but_not_twice():
    channels = memory_channels()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r'^channels are not entered: give them to build_server\(resources={"channels": channels}\)'):
            channels.stats()
        async with channels as same:
            assert same is channels
            await channels.publish("a", 1)
            with pytest.raises(RuntimeError, match="these channels are entered already"):
                await channels.__aenter__()
            assert channels.stats()["published"] == 1
    await channels.__aexit__(None, None, None)


@virtual_time
async def test_a_backend_that_is_not_there_is_found_at_the_start():
    backend = Unruly()
    backend.refuse = 1
    channels = Channels(backend, start_s=3.0)
    with pytest.raises(Unavailable, match=r"^the channels' backend cannot be reached: LinkLost\('refused'\)$"):
        async with channels:
            pass
    starting = asyncio.create_task(channels.__aenter__())
    await asyncio.sleep(1)
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"grace_s": -1}, ValueError, "channels: grace_s must be a number of seconds, got -1"),
        ({"publish_s": "1"}, ValueError, "channels: publish_s must be a number of seconds, got '1'"),
        ({"subscribe_s": True}, ValueError, "channels: subscribe_s must be a number of seconds, got True"),
        ({"start_s": float("inf")}, ValueError, "channels: start_s must be a number of seconds, got inf"),
        ({"node": ""}, ValueError, "channels: node has 1 to 128 bytes"),
        ({"node": 7}, TypeError, "channels: node is a str, got int"),
        ({"max_channels": 0}, ValueError, "memory_channels: max_channels must be an int of at least 1, got 0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_options_are_checked(options, error, complaint):
    with pytest.raises(error) as raised:
        memory_channels(**options)
    assert complaint in str(raised.value)


async def test_a_node_may_have_a_name():
    backend = MemoryBackend()
    async with Channels(backend, node="eu-1") as channels, Channels(backend, node="eu-1") as other:
        names = [channels._hub.node, other._hub.node]
    assert [name.rpartition("-")[0] for name in names] == ["eu-1", "eu-1"]
    assert names[0] != names[1], "whoever starts anew is another one"
