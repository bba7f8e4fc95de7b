"""shallot.errors: whose fault, which answer, which close code."""

from __future__ import annotations

from asyncio import CancelledError, current_task, sleep

import pytest

from shallot import errors


@pytest.mark.parametrize(
    ("name", "parent", "status", "close_code"),
    [
        ("ShallotError", Exception, 500, 1011),
        ("PeerError", errors.ShallotError, 400, 1008),
        ("BadRequest", errors.PeerError, 400, 1008),
        ("RequestTimeout", errors.PeerError, 408, 1008),
        ("BodyTooLarge", errors.PeerError, 413, 1009),
        ("UriTooLong", errors.PeerError, 414, 1008),
        ("UnsupportedMedia", errors.PeerError, 415, 1003),
        ("HeadersTooLarge", errors.PeerError, 431, 1008),
        ("ClientDisconnect", errors.PeerError, 400, 1008),
        ("EffectRefused", errors.ShallotError, 500, 1011),
        ("Forbidden", errors.ShallotError, 403, 1008),
        ("Unavailable", errors.ShallotError, 503, 1013),
    ],
)
def test_tree(name, parent, status, close_code):
    kind = getattr(errors, name)
    assert kind.__base__ is parent
    assert (kind.status, kind.close_code) == (status, close_code)
    assert str(kind("why")) == "why"


def test_a_refused_effect_is_a_runtime_error():
    assert issubclass(errors.EffectRefused, RuntimeError)


@pytest.mark.parametrize(
    ("error", "code", "reason", "text"),
    [
        (errors.WSDisconnect(), 1005, "", "the client left: 1005"),
        (errors.WSDisconnect(1001, "bye"), 1001, "bye", "the client left: 1001 bye"),
        (errors.CloseWith(1008), 1008, "", "close with 1008"),
        (errors.CloseWith(4000, "no"), 4000, "no", "close with 4000 no"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
def test_codes_and_reasons(error, code, reason, text):
    assert (error.code, error.reason, str(error)) == (code, reason, text)
    assert isinstance(error, errors.ShallotError)


ONE, TWO, CANCELLED = KeyError("one"), KeyError("two"), CancelledError()


@pytest.mark.parametrize(
    ("error", "real"),
    [
        pytest.param(ONE, ONE, id="no-group"),
        pytest.param(ExceptionGroup("", [ONE]), ONE, id="group"),
        pytest.param(ExceptionGroup("", [ExceptionGroup("", [ONE])]), ONE, id="group-of-groups"),
        pytest.param(BaseExceptionGroup("", [CANCELLED, ONE]), ONE, id="cancellations-apart"),
        pytest.param(CANCELLED, CANCELLED, id="cancellation"),
    ],
)
def test_real_error(error, real):
    assert errors.real_error(error) is real


@pytest.mark.parametrize("group", [ExceptionGroup("", [ONE, TWO]), BaseExceptionGroup("", [CANCELLED])], ids=["several", "only-cancellations"])
def test_real_error_of_a_group_without_one(group):
    assert errors.real_error(group) is group


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        pytest.param(ONE, True, id="error"),
        pytest.param(BaseExceptionGroup("", [CANCELLED, ONE]), True, id="error-in-a-group"),
        pytest.param(ExceptionGroup("", [ONE, TWO]), True, id="errors"),
        pytest.param(KeyboardInterrupt(), False, id="interrupt"),
        pytest.param(BaseExceptionGroup("", [KeyboardInterrupt()]), False, id="interrupt-in-a-group"),
        pytest.param(BaseExceptionGroup("", [KeyboardInterrupt(), ONE]), False, id="interrupt-among-others"),
        pytest.param(CANCELLED, True, id="stray-cancellation"),
    ],
)
async def test_what_is_to_be_answered(error, failure):
    assert errors.is_failure(error) is failure


async def test_a_cancellation_that_was_asked_for_is_no_failure():
    task = current_task()
    task.cancel()
    try:
        await sleep(0)
    except CancelledError as error:
        assert not errors.is_failure(error)
    task.uncancel()


def test_an_attribute_does_not_make_a_group():
    class Several(LookupError):
        exceptions = 3

    error = Several()
    assert errors.real_error(error) is error


def test_each_error_says_in_the_tree_where_it_stands():
    kinds = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.ShallotError)]
    for name in kinds:
        assert f" {name} " in errors.__doc__ or name == "ShallotError"
        assert getattr(errors, name).__doc__
