from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec import multipart as codec
from shallot.codec.multipart import FormParser, Part, clean_filename, format_multipart, parse_boundary, parse_multipart, parse_text
from shallot.codec.query import FormLimits
from shallot.errors import BadRequest, BodyTooLarge, PeerError, UnsupportedMedia

from ..worlds import load_again
from .costs import cpu_seconds

TYPE = "multipart/form-data; boundary=x"


def part(headers: str, content: str | bytes = "1") -> bytes:
    return b"--x\r\n" + headers.encode() + b"\r\n\r\n" + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"


def form(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(parts) + end


def field(name: str, value: str | bytes = "1") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value)


def file(name: str, filename: str, content: bytes = b"1", more: str = "\r\nContent-Type: text/plain") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"; filename="{filename}"{more}', content)


def events(chunks: list[bytes], limits: FormLimits | None = None) -> Any:
    """Parts with their contents; an error is its type and text."""
    parser = FormParser("x", *([limits] if limits else []))
    found: list[list[Any]] = []
    try:
        for chunk in chunks:
            for event in parser.feed(chunk):
                if isinstance(event, Part):
                    found.append([event, b"", False])
                elif event is None:
                    found[-1][2] = True
                else:
                    found[-1][1] += event
        parser.end()
    except PeerError as error:
        return type(error), str(error)
    return found


# ---- the boundary


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (TYPE, "x"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b"', "a b"),
        ("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        ("multipart/form-data; boundary=" + "a" * 70, "a" * 70),
        ("multipart/mixed; boundary=x", None),
        ("text/plain; x=multipart/form-data", None),
        ("", None),
    ],
)
def test_boundary(content_type: str, boundary: str | None) -> None:
    assert parse_boundary(content_type) == boundary


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param("", id="none"),
        pytest.param("; boundary=", id="empty"),
        pytest.param("; boundary=" + "a" * 71, id="71 characters"),
        pytest.param("; boundary=x; boundary=y", id="two, CVE-2026-26961"),
        pytest.param('; boundary=x;BOUNDARY="x"', id="two of the same"),
        pytest.param('; boundary="x "', id="a blank at the end"),
        pytest.param('; boundary="x\r\ny"', id="a line break"),
        pytest.param("; boundary=x\xff", id="no ASCII"),
        pytest.param('; boundary="x@y"', id="no legal character"),
    ],
)
def test_E6_boundary(parameters: str) -> None:
    with pytest.raises(BadRequest, match="^multipart: expected one boundary of 1 to 70 legal characters"):
        parse_boundary("multipart/form-data" + parameters)


# ---- parts

FIELD = Part("a", None, "text/plain")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", [], id="nothing at all"),
        pytest.param(form(), [], id="no part"),
        pytest.param(form(end=b"--x--"), [], id="no line break behind the end"),
        pytest.param(form(field("a")), [[FIELD, b"1", True]], id="a field"),
        pytest.param(form(field("a", "")), [[FIELD, b"", True]], id="an empty field"),
        pytest.param(form(field("a", "\r\n\r\n--\r")), [[FIELD, b"\r\n\r\n--\r", True]], id="line breaks inside"),
        pytest.param(form(field("a"), field("a", "2")), [[FIELD, b"1", True], [FIELD, b"2", True]], id="two of a name"),
        pytest.param(form(file("f", "a.txt")), [[Part("f", "a.txt", "text/plain"), b"1", True]], id="a file"),
        pytest.param(form(file("f", "", b"", "")), [[Part("f", "", "text/plain"), b"", True]], id="a file that was not chosen"),
        pytest.param(form(file("f", "a", more="\r\nContent-Type: ?")), [[Part("f", "a", "application/octet-stream"), b"1", True]], id="a type that is none"),
        pytest.param(form(part("content-disposition:form-data;name=a")), [[FIELD, b"1", True]], id="lower case and no quotes"),
        pytest.param(form(field("é%22\U0001f600")), [[Part('é"\U0001f600', None, "text/plain"), b"1", True]], id="names in UTF-8"),
        pytest.param(b"hello\r\n" + form(field("a")), [[FIELD, b"1", True]], id="a preamble"),
        pytest.param(form(field("a")) + b"more --x\r\n", [[FIELD, b"1", True]], id="an epilogue"),
        pytest.param(form(part('Content-Disposition: form-data; name="a"\r\nContent-Length: 1')), [[FIELD, b"1", True]], id="a length"),
    ],
)
def test_parts(body: bytes, expected: Any) -> None:
    assert events([body]) == expected


NAMED = 'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"x", "the body ends before the last boundary", id="no boundary"),
        pytest.param(field("a"), "the body ends before the last boundary", id="no end"),
        pytest.param(form(field("a"), end=b"--x-"), "the body ends before the last boundary", id="half an end"),
        pytest.param(b"y--x\r\n", "the first boundary does not begin a line", id="a boundary within a line"),
        pytest.param(b"--x\n" + form(), "malformed", id="bare line feeds"),
        pytest.param(form(part("a: b")), "malformed", id="no disposition"),
        pytest.param(form(part("Content-Disposition: attachment; name=a")), "malformed", id="another disposition"),
        pytest.param(form(part("Content-Disposition: form-data; filename=a")), "malformed", id="no name"),
        pytest.param(form(part(NAMED + "\r\n b: c")), "malformed", id="a folded header, CVE-2026-26962"),
        pytest.param(form(part("no colon")), "malformed", id="no colon"),
        pytest.param(form(part("\n" + NAMED)), "malformed", id="a bare line feed before a header"),
        pytest.param(form(part(NAMED + "\r")), "malformed", id="a bare carriage return in a header"),
        pytest.param(b"--x\r\nContent-Disposition: form-data; name=\xff\r\n\r\n1\r\n--x--", "malformed", id="a name that is not UTF-8"),
        pytest.param(form(part(NAMED + "\r\nContent-Length: 2")), "malformed", id="a wrong length"),
        pytest.param(form(part(NAMED + "\r\nContent-Length: " + "9" * 4000)), "malformed", id="a long length"),
        pytest.param(form(part(NAMED + "\r\n" + NAMED)), "a part with one header twice", id="two dispositions"),
        pytest.param(form(b"--x\r\n" * 2), "malformed", id="two boundaries"),
    ],
)
def test_what_is_malformed(body: bytes, error: str) -> None:
    assert events([body]) == (BadRequest, f"multipart: {error}")


SMALL = FormLimits(max_bytes=2000, max_fields=2, max_files=1, max_text_bytes=10, max_part_headers=2, max_header_bytes=100, max_preamble_bytes=8)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(form(field("a"), field("b"), file("f", "a", b"x" * 1000)), None, id="within"),
        pytest.param(form(file("f", "a", b"x" * 2000)), "a form of more than 2000 bytes", id="bytes"),
        pytest.param(form(*[field("a")] * 3), "more than 1 files or 2 fields", id="fields"),
        pytest.param(form(*[file("a", "b")] * 2), "more than 1 files or 2 fields", id="files"),
        pytest.param(form(field("a", "x" * 6), field("b", "x" * 5)), "more than 10 bytes of text", id="text"),
        pytest.param(form(part(NAMED + "\r\nA: b\r\nC: d")), "too many or too long headers of a part", id="headers"),
        pytest.param(form(part(NAMED + "\r\nA: " + "x" * 100)), "too many or too long headers of a part", id="header"),
        pytest.param(form(part(NAMED + "\r\nA: " + "x" * 97)), None, id="the longest header"),
        pytest.param(form(part(NAMED + "\r\nA: " + "x" * 98)), "too many or too long headers of a part", id="a byte more"),
        pytest.param(b"--x\r\nA: " + b"x" * 200, "too many or too long headers of a part", id="a header without an end"),
        pytest.param(b"x" * 6 + b"\r\n" + form(field("a")), None, id="a short preamble"),
        pytest.param(b"x" * 7 + b"\r\n" + form(field("a")), "more than 8 bytes before the first boundary", id="preamble"),
        pytest.param(b"x" * 12, "more than 8 bytes before the first boundary", id="nothing but preamble"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_limits(body: bytes, error: str | None, size: int) -> None:
    found = events([body[at : at + size] for at in range(0, len(body), size)], SMALL)
    assert (found == (BodyTooLarge, f"multipart: {error}")) if error else isinstance(found, list)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        pytest.param(form(field("a", "x" * 500_000)), True, id="500 kB of text"),
        pytest.param(form(field("a", "x" * 501_000)), False, id="501 kB of text"),
        pytest.param(form(*[field("a", "x" * 1000)] * 600), False, id="600 parts of 1 kB"),
        pytest.param(form(file("f", "a", b"x" * 5_000_000)), True, id="a file is no text"),
    ],
)
def test_E4_text_is_bounded_across_parts(body: bytes, accepted: bool) -> None:
    """CVE-2024-47874, CVE-2024-49767, CVE-2025-61771"""
    found = events([body[at : at + 65_536] for at in range(0, len(body), 65_536)])
    assert isinstance(found, list) if accepted else found == (BodyTooLarge, "multipart: more than 500000 bytes of text")


@pytest.mark.parametrize("body", [form(*[field("a")] * 1001), form(*[file("f", "a")] * 101)], ids=["1001 fields", "101 files"])
def test_E5_parts_are_counted(body: bytes) -> None:
    """CVE-2023-27530, CVE-2023-24580"""
    assert events([body]) == (BodyTooLarge, "multipart: more than 100 files or 1000 fields")
    assert len(events([form(*[field("a")] * 1000, *[file("f", "a")] * 100)])) == 1100


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(form(part(NAMED + "".join(f"\r\nA{number}: b" for number in range(8)))), id="9 headers"),
        pytest.param(form(part(NAMED + "\r\nA: " + "x" * 5000)), id="a header of 5 kB"),
        pytest.param(b"x" * 17_000 + b"\r\n" + form(field("a")), id="a preamble of 17 kB"),
        pytest.param(b"x" * 17_000, id="17 kB of nothing else"),
        pytest.param(form(file("f", "x" * 10_000)), id="a file name of 10 kB"),
    ],
)
def test_E6_headers_and_preamble_are_bounded(body: bytes) -> None:
    """CVE-2026-42561, CVE-2025-61770"""
    assert events([body])[0] is BodyTooLarge


WHOLE = (
    b"so\r\n"
    + form(
        field("a", "1\r\n--"),
        file("f", "a%0D%0A.txt", b"\r\n\r\r\n\n--x-\r\r\n--"),
        part('Content-Disposition: form-data; name="b"; filename="c"\r\nContent-Type: image/png\r\nContent-Length: 3', "\r\n\r"),
        field("b", "x" * 1200),
    )
    + b"end\r\n--x\r\n"
)


def test_E7_every_cut_gives_the_same() -> None:
    expected = events([WHOLE])
    assert [event[0].name for event in expected] == ["a", "f", "b", "b"]
    for at in range(len(WHOLE)):
        assert events([WHOLE[:at], WHOLE[at:]]) == expected
    assert events([WHOLE[at : at + 1] for at in range(len(WHOLE))]) == expected


@given(
    st.lists(st.sampled_from([b"--x", b"\r\n", b"\r", b"\n", b"--", b"a", b": ", NAMED.encode(), b"x", b"\xff"]), max_size=20).map(b"".join), st.integers(0, 99)
)
def test_E7_every_cut_of_nonsense_gives_the_same(body: bytes, at: int) -> None:
    whole, cut = events([body]), events([body[:at], body[at:]])
    assert cut == whole or (isinstance(cut, tuple) and isinstance(whole, tuple))  # of several errors either may come first


def seconds(piece: bytes, size: int) -> float:
    body = b"--x\r\n" + NAMED.encode() + b'; filename="a"\r\n\r\n' + piece * (size // len(piece))
    return cpu_seconds(lambda: events([body[at : at + 4096] for at in range(0, len(body), 4096)]), attempts=3)


@pytest.mark.parametrize("piece", [b"\r", b"\n", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--y", b"-", b"--", b"a"], ids=repr)
def test_E7_line_breaks_are_read_in_linear_time(piece: bytes) -> None:
    """CVE-2024-30251, Werkzeug GHSA-hrfv-mqp8-q5rw"""
    assert seconds(piece, 1_048_576) < 6 * seconds(piece, 262_144) + 0.05


def test_E7_the_longest_header_may_be_cut_anywhere() -> None:
    body = form(part(NAMED + "\r\nA: " + "x" * 97))
    for at in range(len(body)):
        assert len(events([body[:at], body[at:]], SMALL)) == 1


def test_E8_the_first_error_ends_it() -> None:
    """CVE-2025-47287"""
    parser = FormParser("x")
    body = form(*[part("no colon")] * 10_000)
    with pytest.raises(BadRequest) as caught:
        list(parser.feed(body))
    assert str(caught.value) == "multipart: malformed"
    with pytest.raises(BadRequest):
        list(parser.feed(body))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../x", "x"),
        ("C:\\x", "x"),
        ("C:x", "x"),
        ("a/C:x", "x"),
        ("a:b:c", "b:c"),
        ("ab:c", "ab:c"),
        ("a\\b/c\\d", "d"),
        ("a/b\\c/d", "d"),
        ("/etc/passwd", "passwd"),
        ("\\\\host\\share\\x", "x"),
        ("a\x00b", "ab"),
        ("a\r\nb", "ab"),
        ("a\u202egpj.exe", "agpj.exe"),
        (".", ""),
        ("..", ""),
        ("...", ""),
        (" . ", ""),
        ("", ""),
        ("a/", ""),
        (".profile", ".profile"),
        ("CON", "CON"),
        ("Käse 1.pdf", "Käse 1.pdf"),
        ("x" * 10_000, "x" * 255),
        ("é" * 200, "é" * 127),
    ],
)
def test_E9_file_names(raw: str, name: str) -> None:
    """CVE-2026-24486"""
    assert clean_filename(raw) == name


@pytest.mark.parametrize("piece", ["a", " ", ".", "/", "\\", "a:", "\x00", "\u202e", "é"], ids=repr)
def test_E9_file_names_are_read_in_linear_time(piece: str) -> None:
    """A hundred files with the longest names took seconds, in which nobody else was served."""

    def seconds(size: int) -> float:
        return cpu_seconds(lambda: clean_filename(piece * (size // len(piece))), attempts=3)

    assert seconds(32_768) < 6 * seconds(8_192) + 0.02


def test_E9_the_other_file_name_is_ignored() -> None:
    """RFC 7578 4.2"""
    both = part('Content-Disposition: form-data; name="f"; filename="a.txt"; filename*=UTF-8\'\'..%2Fb.txt')
    alone = part("Content-Disposition: form-data; name=\"f\"; filename*=UTF-8''b.txt")
    assert [found[0].raw_filename for found in events([form(both, alone)])] == ["a.txt", None]


@pytest.mark.parametrize("charset", ["idna", "utf-7", "latin-1", "nonsense", ""])
def test_E10_a_field_is_utf8(charset: str) -> None:
    assert events([form(part(f"{NAMED}\r\nContent-Type: text/plain; charset={charset}"))]) == (UnsupportedMedia, "multipart: a field that is not UTF-8")
    assert len(events([form(part(f'{NAMED}; filename="a"\r\nContent-Type: text/plain; charset={charset}'))])) == 1  # nobody decodes it
    assert len(events([form(part(f"{NAMED}\r\nContent-Type: text/plain; charset=UTF-8"))])) == 1


def test_E10_the_field_charset() -> None:
    assert parse_text(b"UTF-8", "_charset_") == "UTF-8"
    assert parse_text(b"utf-7", "a") == "utf-7"
    with pytest.raises(UnsupportedMedia, match="^multipart: a form that is not UTF-8$"):
        parse_text(b"utf-7", "_charset_")
    with pytest.raises(BadRequest, match="^multipart: a field that is not UTF-8$"):
        parse_text(b"\xff", "a")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Content-Type: multipart/mixed; boundary=y", id="a form inside"),
        pytest.param("Content-Transfer-Encoding: base64", id="base64, CVE-2026-33033"),
        pytest.param("Content-Transfer-Encoding: quoted-printable", id="quoted-printable"),
        pytest.param("Content-Encoding: gzip", id="gzip"),
    ],
)
@pytest.mark.parametrize("named", [NAMED, NAMED + '; filename="a"'], ids=["field", "file"])
def test_E11_encoded_parts(named: str, header: str) -> None:
    assert events([form(part(f"{named}\r\n{header}"))])[0] is BadRequest
    assert len(events([form(part(f"{named}\r\nContent-Transfer-Encoding: 8BIT"))])) == 1


# ---- whole forms

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(lambda name: "\\" not in name and "%" not in name)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
contents = st.binary(max_size=200) | st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"a"])).map(b"".join)


@given(
    st.dictionaries(names, st.lists(values, min_size=1, max_size=3), max_size=3), st.lists(st.tuples(names, names, st.just("image/png"), contents), max_size=3)
)
def test_what_is_formatted_reads_the_same(fields: dict[str, list[str]], files: list[tuple[str, str, str, bytes]]) -> None:
    content_type, body = format_multipart(fields, files, boundary="a-boundary-that-occurs-nowhere-else")
    read, uploads = parse_multipart(content_type, body)
    assert read == fields
    assert sorted((name, part.raw_filename, part.content_type, content) for name, given in uploads.items() for part, content in given) == sorted(files)


def test_names_are_escaped() -> None:
    body = format_multipart({'a"b': ["1"], "c\r\nd": ["2"]}, boundary="x")
    assert parse_multipart(*body)[0] == {'a"b': ["1"], "c\r\nd": ["2"]}
    assert b'"a%22b"' in body[1] and b'"c%0D%0Ad"' in body[1]


def test_another_type() -> None:
    with pytest.raises(UnsupportedMedia, match="^expected multipart/form-data$"):
        parse_multipart("text/plain", b"")


PIECES = st.lists(st.sampled_from([b"--x\r\n", b"--x--", b"\r\n", NAMED.encode(), b"\r\n\r\n", b"a: b", b"\x00\xff", field("a"), field("é", "\r\n--y")])).map(
    b"".join
)


@given(st.binary(max_size=300) | PIECES | PIECES.map(lambda pieces: form(field("a"), pieces)))
def test_parse_raises_nothing_else(body: bytes) -> None:
    try:
        fields, files = parse_multipart(TYPE, body)
    except PeerError:
        return
    assert not files and all(isinstance(value, str) for given in fields.values() for value in given)


def test_without_the_package_the_error_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"^wrap_multipart needs the package multipart: pip install 'shallot\[standard\]'$"):
        load_again(monkeypatch, codec, {"multipart": None})
