"""File name -> media type, from a table of our own: the host's mime files never change an answer. Knows no request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["CUSTOMARY", "OCTET_STREAM", "TYPES", "guess_type", "parse_extensions"]

OCTET_STREAM = "application/octet-stream"
"""The type of bytes that nobody knows more about (RFC 2046 4.5.1)."""

TYPES: Mapping[str, str] = {
    # pages and their parts
    "css": "text/css",
    "htm": "text/html",
    "html": "text/html",
    "js": "text/javascript",  # RFC 9239
    "mjs": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "xhtml": "application/xhtml+xml",
    # text and data
    "atom": "application/atom+xml",
    "csv": "text/csv",
    "geojson": "application/geo+json",
    "ics": "text/calendar",
    "jsonld": "application/ld+json",
    "log": "text/plain",
    "md": "text/markdown",
    "rss": "application/rss+xml",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
    "xml": "text/xml",
    "xsl": "application/xml",
    "yaml": "application/yaml",  # RFC 9512
    "yml": "application/yaml",
    # pictures
    "apng": "image/apng",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "ico": "image/vnd.microsoft.icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "jxl": "image/jxl",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
    # sound and film
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpd": "application/dash+xml",
    "mpeg": "video/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "wav": "audio/x-wav",
    "weba": "audio/webm",
    "webm": "video/webm",
    # fonts
    "otf": "font/otf",
    "ttc": "font/collection",
    "ttf": "font/ttf",
    "woff": "font/woff",
    "woff2": "font/woff2",
    # documents
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "epub": "application/epub+zip",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "pdf": "application/pdf",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    # archives
    "7z": "application/x-7z-compressed",
    "br": "application/x-brotli",
    "bz2": "application/x-bzip2",
    "gz": "application/gzip",
    "tar": "application/x-tar",
    "tgz": "application/gzip",
    "xz": "application/x-xz",
    "zip": "application/zip",
    "zst": "application/zstd",
}
"""File name extension, lower case and without its dot -> media type."""

CUSTOMARY: Mapping[str, str] = {
    "mid": "audio/midi",
    "midi": "audio/midi",
    "pct": "image/pict",
    "pic": "image/pict",
    "pict": "image/pict",
    "rtf": "application/rtf",
    "xul": "text/xul",
}
"""Types in use that were never registered: what ``strict`` leaves out."""


def guess_type(path: str, types: Mapping[str, str] = TYPES) -> str | None:
    """The media type that the extension of the last segment of ``path`` stands for, in ``types`` (extension without dot, lower case); ``None`` if unknown.

    The last two extensions together are asked first (``tar.gz``), then the last. Capitals do not matter; a leading dot begins no extension.

    >>> guess_type("/img/Logo.SVG"), guess_type("x.html.jpg"), guess_type("/a.b/c"), guess_type(".css")
    ('image/svg+xml', 'image/jpeg', None, None)
    """
    match path.rpartition("/")[2].lstrip(".").lower().rsplit(".", 2):
        case [_, last]:
            return types.get(last)
        case [_, first, last]:
            return types.get(f"{first}.{last}") or types.get(last)
        case _:
            return None


def parse_extensions(additional: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """A mapping of media type to extensions, with or without their dot, as extension -> media type.

    >>> parse_extensions({"application/fruit": [".apple", "Orange"]})
    {'apple': 'application/fruit', 'orange': 'application/fruit'}
    """
    table: dict[str, str] = {}
    for media_type, extensions in additional.items():
        if isinstance(extensions, str):
            raise TypeError(f"the extensions of {media_type!r} must be a list of str, not the str {extensions!r}; write [{extensions!r}]")
        for extension in extensions:
            table[extension.lstrip(".").lower()] = media_type
    return table
