"""``multipart/form-data`` (RFC 7578) <-> parts, chunk by chunk. The one place that imports ``multipart``, whose push parser finds the borders.

What is bounded, refused and made of the names is decided here; nothing here touches a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import BadRequest, BodyTooLarge, UnsupportedMedia
from .headers import parse_media_type
from .query import FORM_LIMITS, FormLimits

try:
    from multipart import (  # type: ignore[import-untyped]  # the package has no types
        MultipartError,
        MultipartSegment,
        ParserError,
        ParserLimitReached,
        PushMultipartParser,
        StrictParserError,
    )
except ImportError as error:
    raise ImportError("wrap_multipart needs the package multipart: pip install 'shallot[standard]'") from error

__all__ = ["FormParser", "Part", "clean_filename", "format_multipart", "parse_boundary", "parse_multipart"]

MAX_FILENAME_BYTES = 255

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")  # RFC 2046 5.1.1
_BOUNDARY_PARAMETER = re.compile(r";[ \t]*boundary[ \t]*=", re.IGNORECASE)
_NOT_IN_FILENAME = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_DRIVE = re.compile(r"[A-Za-z]:")
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii"))
_PLAIN = frozenset(("7bit", "8bit", "binary"))


class Part(NamedTuple):
    """The beginning of a part. ``raw_filename`` is what the client calls the file, ``None`` for a field."""

    name: str
    raw_filename: str | None
    content_type: str


def parse_boundary(content_type: str) -> str | None:
    """The boundary that a ``content-type`` of ``multipart/form-data`` names; ``None`` for another type.

    ``BadRequest`` unless there is exactly one, of 1 to 70 legal characters: of two, each reader might believe another one.

    >>> parse_boundary("multipart/form-data; boundary=x")
    'x'
    """
    media_type, parameters = parse_media_type(content_type)
    if media_type != "multipart/form-data":
        return None
    boundary = parameters.get("boundary", "")
    if len(_BOUNDARY_PARAMETER.findall(content_type)) != 1 or not _BOUNDARY.fullmatch(boundary):
        raise BadRequest("multipart: expected one boundary of 1 to 70 legal characters (RFC 2046 5.1.1)")
    return boundary


class _Lines(PushMultipartParser):  # type: ignore[misc]  # the package has no types
    """The package's parser, the same however a header line is cut: it overlooks a bare line feed in a line that comes whole, and counts half a line end."""

    max_line_bytes = FORM_LIMITS.max_header_bytes

    def _on_segment_headerline(self, line: bytes) -> None:
        if len(line) > self.max_line_bytes:
            raise ParserLimitReached("a long line")
        if b"\n" in line or b"\r" in line:
            raise ParserError("a bare line break")
        super()._on_segment_headerline(line)


class FormParser:
    """Reads one form. ``feed`` gives for each part a ``Part``, then its bytes in pieces, then ``None``; after the last chunk call ``end``.

    ``BadRequest`` (400) for what is malformed, ``UnsupportedMedia`` (415) for text that is not UTF-8, ``BodyTooLarge`` (413) beyond a limit.
    However the body is cut into chunks, the result is the same. What stands behind the last boundary is ignored.
    """

    def __init__(self, boundary: str, limits: FormLimits = FORM_LIMITS) -> None:
        self._limits = limits
        self._first = b"--" + boundary.encode()
        self._head: bytes | None = b""
        """What came before the first boundary was seen; ``None`` afterwards."""
        self._complete = False
        self._size = self._fields = self._files = self._text_bytes = 0
        self._in_file = False
        max_line_bytes = limits.max_header_bytes
        self._parser: Any = _Lines(boundary, max_header_size=max_line_bytes + 1, max_header_count=limits.max_part_headers, strict=True)
        self._parser.max_line_bytes = max_line_bytes

    def feed(self, chunk: bytes) -> Iterator[Part | bytes | None]:
        """The next events, to be taken all. Nothing is read from ``chunk`` before."""
        self._size += len(chunk)
        if self._size > self._limits.max_bytes:
            raise BodyTooLarge(f"multipart: a form of more than {self._limits.max_bytes} bytes")
        if self._head is not None:
            chunk = self._skip_preamble(self._head + chunk)
        if not chunk or self._complete:
            return
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    yield self._begin(event)
                else:
                    self._count(event or b"")
                    yield event
        except MultipartError as error:
            self._refuse(error)

    def end(self) -> None:
        """The body has ended: ``BadRequest`` where the form has not. A body of no bytes is a form of no parts."""
        if not self._size:
            return
        try:
            self._parser.close()
        except MultipartError:
            raise BadRequest("multipart: the body ends before the last boundary") from None

    def _skip_preamble(self, head: bytes) -> bytes:
        """All from the first boundary on; ``b""`` while it has not come."""
        at = head.find(self._first)
        if at > self._limits.max_preamble_bytes or (at < 0 and len(head) > self._limits.max_preamble_bytes + len(self._first)):
            raise BodyTooLarge(f"multipart: more than {self._limits.max_preamble_bytes} bytes before the first boundary")
        if at < 0:
            self._head = head
            return b""
        if at and head[at - 2 : at] != b"\r\n":
            raise BadRequest("multipart: the first boundary does not begin a line")
        self._head = None
        return head[at:]

    def _begin(self, segment: Any) -> Part:
        headers: dict[str, str] = {}
        for name, value in segment.headerlist:
            if name in headers:
                raise BadRequest("multipart: a part with one header twice")
            headers[name] = value
        self._in_file = segment.filename is not None
        self._files += self._in_file
        self._fields += not self._in_file
        if self._files > self._limits.max_files or self._fields > self._limits.max_fields:
            raise BodyTooLarge(f"multipart: more than {self._limits.max_files} files or {self._limits.max_fields} fields")
        media_type, parameters = parse_media_type(headers.get("Content-Type", "text/plain"))
        if media_type.startswith("multipart/"):
            raise BadRequest("multipart: a form inside a form (RFC 7578 4.3)")
        if headers.get("Content-Transfer-Encoding", "binary").strip().lower() not in _PLAIN or "Content-Encoding" in headers:
            raise BadRequest("multipart: an encoded part (RFC 7578 4.7)")
        if not self._in_file and parameters.get("charset", "utf-8").lower() not in _UTF8:
            raise UnsupportedMedia("multipart: a field that is not UTF-8")
        return Part(segment.name, segment.filename, media_type or "application/octet-stream")

    def _count(self, data: bytes) -> None:
        if not self._in_file:
            self._text_bytes += len(data)
            if self._text_bytes > self._limits.max_text_bytes:
                raise BodyTooLarge(f"multipart: more than {self._limits.max_text_bytes} bytes of text")

    def _refuse(self, error: Exception) -> None:
        """Nothing the client sent stands in the text. Behind the end is no error: the parser can be closed there."""
        if isinstance(error, ParserLimitReached):
            raise BodyTooLarge("multipart: too many or too long headers of a part") from None
        if isinstance(error, StrictParserError):
            try:
                self._parser.close()
            except MultipartError:
                pass
            else:
                self._complete = True
                return
        raise BadRequest("multipart: malformed") from None


def parse_text(data: bytes, name: str) -> str:
    """The value of a field. ``_charset_`` (RFC 7578 4.6) may name UTF-8 and nothing else."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadRequest("multipart: a field that is not UTF-8") from None
    if name == "_charset_" and text.lower() not in _UTF8:
        raise UnsupportedMedia("multipart: a form that is not UTF-8")
    return text


def clean_filename(raw: str) -> str:
    """What a client calls a file, fit to be shown: its last component without control characters, at most 255 bytes; ``""`` where nothing is left.

    It is a text and not a path: never open a file by it.

    >>> [clean_filename(raw) for raw in ("a.txt", "../../x", "C:\\\\docs\\\\x.doc", "..", "a\\r\\nb")]
    ['a.txt', 'x', 'x.doc', '', 'ab']
    """
    shown = _NOT_IN_FILENAME.sub("", raw)
    last = shown[max(shown.rfind("/"), shown.rfind("\\")) + 1 :]  # not by a pattern that goes back: of a name without a folder it would try each tail
    name = (last[2:] if _DRIVE.match(last) else last).strip(" ")
    if not name.strip("."):
        return ""
    return name.encode()[:MAX_FILENAME_BYTES].decode(errors="ignore")


def parse_multipart(content_type: str, body: bytes, limits: FormLimits = FORM_LIMITS) -> tuple[dict[str, list[str]], dict[str, list[tuple[Part, bytes]]]]:
    """A whole form as ``(fields, files)``, both by name, in order. Errors as in ``FormParser``, ``UnsupportedMedia`` for another type.

    >>> parse_multipart(*format_multipart({"a": ["1", "2"]}, boundary="x"))
    ({'a': ['1', '2']}, {})
    """
    boundary = parse_boundary(content_type)
    if boundary is None:
        raise UnsupportedMedia("expected multipart/form-data")
    parser = FormParser(boundary, limits)
    fields: dict[str, list[str]] = {}
    files: dict[str, list[tuple[Part, bytes]]] = {}
    part, pieces = Part("", None, ""), list[bytes]()
    for event in parser.feed(body):
        match event:
            case Part():
                part, pieces = event, []
            case bytes():
                pieces.append(event)
            case None if part.raw_filename is None:
                fields.setdefault(part.name, []).append(parse_text(b"".join(pieces), part.name))
            case _:
                files.setdefault(part.name, []).append((part, b"".join(pieces)))
    parser.end()
    return fields, files


def format_multipart(fields: Mapping[str, Sequence[str]], files: Iterable[tuple[str, str, str, bytes]] = (), *, boundary: str) -> tuple[str, bytes]:
    """``(content-type, body)`` of a form, as browsers write it. ``files`` are ``(name, filename, content type, content)``; none may hold ``boundary``.

    >>> format_multipart({"a": ["1"]}, boundary="x")
    ('multipart/form-data; boundary=x', b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--x--\\r\\n')
    """
    parts = [(f'name="{_quote(name)}"', value.encode()) for name, values in fields.items() for value in values]
    parts += [(f'name="{_quote(name)}"; filename="{_quote(filename)}"\r\nContent-Type: {kind}', content) for name, filename, kind, content in files]
    opening = f"--{boundary}\r\nContent-Disposition: form-data; "
    lines = [opening.encode() + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return f"multipart/form-data; boundary={boundary}", b"".join(lines) + f"--{boundary}--\r\n".encode()


def _quote(text: str) -> str:
    """The WHATWG's way: three characters, and no backslashes."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
