from __future__ import annotations

import pytest

from shallot.effects import after, ws_send
from shallot.errors import EffectRefused
from shallot.websocket.table import EffectTable


async def kill(effect, scope):
    return effect["job"], scope["who"]


async def publish(effect, scope, mailbox):
    return effect["channel"], mailbox.is_open("x")


async def subscribe(effect, scope, mailbox):
    mailbox.open("x", object(), 1)


async def unsubscribe(effect, scope, mailbox):
    await mailbox.close("x")


async def test_an_effect_is_performed_and_its_result_returned():
    table = EffectTable({"job.kill": kill})
    assert await table.perform({"type": "job.kill", "job": 7}, {"who": "ann"}) == (7, "ann")


async def test_a_resource_brings_kinds_and_takes_them_along():
    table = EffectTable()
    kinds = {"channel.publish": publish}
    table.add(kinds, where="resource 'channels'")
    assert await table.perform({"type": "channel.publish", "channel": "c"}, {}) == ("c", False)
    table.remove(kinds)
    with pytest.raises(ValueError, match=r"no effect has the type 'channel.publish'; known are feed.close, .*websocket.send; add build_server\(resources="):
        table.find("channel.publish")
    with pytest.raises(ValueError, match=r"add your own with build_server\(effects={'chanel.publish': ...}\)"):
        table.find("chanel.publish")
    with pytest.raises(ValueError, match=r"websocket.send; ws_accept\(\.\.\.\) is what on_connect returns; a conversation is accepted before"):
        table.find("websocket.accept")


@pytest.mark.parametrize("effect", [ws_send("x"), after(1, "x"), {"type": "s"}, {"type": "u"}], ids=["send", "timer", "subscribe", "unsubscribe"])
async def test_what_needs_a_conversation_is_refused_outside_of_one(effect):
    table = EffectTable()
    table.add({"s": subscribe, "u": unsubscribe}, where="test")
    with pytest.raises(EffectRefused, match=f"{effect['type']} needs an open conversation"):
        await table.perform(effect, {})


@pytest.mark.parametrize(
    ("kinds", "error", "text"),
    [
        ({"websocket.send": kill}, ValueError, "'websocket.send' is taken"),
        ({"timer.after": kill}, ValueError, "'timer.after' is taken"),
        ({3: kill}, TypeError, "a str like 'my.kind', not 3"),
        ({"": kill}, TypeError, "a str like 'my.kind'"),
        ({"x": "kill"}, TypeError, "needs an async function, not 'kill'"),
    ],
    ids=["conversation", "ours", "int", "empty", "no function"],
)
def test_wrong_tables_are_refused_whole(kinds, error, text):
    with pytest.raises(error, match=text):
        EffectTable({"fine": kill, **kinds})
