"""XMP sidecars: read the star rating, and change it without touching any other byte.

A sidecar may hold years of edits by other programs, and a rewritten XML tree loses prefixes, comments and order. So
the parser only finds where the rating stands; the change itself is made in the file's own bytes, and the result is
parsed again and compared with the original before it is handed back.

xmp:Rating: -1 rejected, 0 unrated, 1 to 5 stars (XMP specification part 1, section 8.4). luxel:Rating is a mark of
ours: the stars that luxel itself set from a score. While both agree the rating is luxel's, else a person's.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from luxel.errors import LuxelError
from luxel.jobs.records import read_regular

XMP = "http://ns.adobe.com/xap/1.0/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
LUXEL = "urn:x-luxel:xmp:1.0#"

MAX_BYTES = 64 * 2**20
"""Bytes above which a file is not taken for a sidecar."""

MAX_DEPTH = 200
"""Elements inside each other above which a file is not taken for a sidecar."""

_ATTRIBUTE = rb"""\s+([^\s=]+)\s*=\s*("[^"]*"|'[^']*')"""
_START_TAG = re.compile(rb"<[^\s/>]+(?:" + _ATTRIBUTE + rb")*\s*/?>")


class SidecarError(LuxelError):
    """A sidecar cannot be read or changed safely; it stays as it is."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sidecar says. rating: xmp:Rating, None where there is none. ours: the rating is luxel's own."""

    rating: int | None
    ours: bool


UNRATED = Sidecar(None, ours=False)
"""What nobody rated."""


def read(data: bytes) -> Sidecar:
    """The rating in the bytes of a sidecar. Raises SidecarError where it is not a sidecar that can be trusted."""
    found = _scan(data)
    rating = None if found.rating is None else _stars(found.rating.text)
    return Sidecar(rating, found.mark is not None and rating is not None and found.mark.text == str(rating))


def new(rating: int, *, ours: bool, creator: str) -> bytes:
    """The bytes of a sidecar that holds nothing but a rating. ours: mark it as luxel's. creator: program name."""
    mark = f' xmlns:luxel="{LUXEL}" luxel:Rating="{rating}"' if ours else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="{creator}">\n'
        f' <rdf:RDF xmlns:rdf="{RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:xmp="{XMP}" xmp:Rating="{rating}"{mark}/>\n'
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="w"?>\n'
    ).encode()


def with_rating(data: bytes, rating: int, *, ours: bool) -> bytes:
    """The bytes of a sidecar with another rating; all that is not the rating or luxel's mark stays byte for byte.

    data: an existing sidecar in UTF-8. rating: -1 to 5. ours: set luxel's mark, else remove it.
    Raises SidecarError as `read` does, and where the rating has a form that cannot be changed in place.
    """
    found = _scan(data)
    edits: list[tuple[int, int, bytes]] = []
    added = b""
    if found.rating is not None:
        _stars(found.rating.text)  # A value that is not a rating may mean something to somebody: rejected.
        edits.append((found.rating.start, found.rating.end, found.rating.written(str(rating))))
    else:
        added += found.attribute(XMP, "xmp", str(rating))
    if found.mark is not None:
        mark = found.mark
        edits.append((mark.start, mark.end, mark.written(str(rating))) if ours else (*mark.whole, b""))
    elif ours:
        added += found.attribute(LUXEL, "luxel", str(rating))
    if added:
        edits.append((found.place, found.place, added))
    for start, end, replacement in sorted(edits, reverse=True):
        data = data[:start] + replacement + data[end:]
    after = _scan(data)
    right = after.rating is not None and _stars(after.rating.text) == rating
    marked = after.mark is not None and after.mark.text == str(rating)
    if not right or marked != ours or after.rest != found.rest:
        raise SidecarError("its rating is in a place that luxel cannot change safely")
    return data


def load(path: Path) -> bytes | None:
    """The bytes of a sidecar, None if there is no such file. Raises SidecarError when it cannot be read."""
    try:
        return read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SidecarError(f"cannot be read ({error.strerror or error})") from error


@dataclass(frozen=True, slots=True)
class _Value:
    """A rating in the file: its text, the bytes that hold it (before + text + after), all of its markup."""

    text: str
    start: int
    end: int
    before: bytes
    after: bytes
    whole: tuple[int, int]

    def written(self, text: str) -> bytes:
        return self.before + text.encode() + self.after


@dataclass(slots=True)
class _Found:
    """Where things stand in a sidecar. place: where an attribute can be added. rest: all content but the ratings."""

    rating: _Value | None = None
    mark: _Value | None = None
    place: int = -1
    prefixes: dict[str, str] = field(default_factory=dict)
    break_line: bool = False
    rest: str = ""

    def attribute(self, namespace: str, prefix: str, value: str) -> bytes:
        """Bytes that add PREFIX:Rating to the tag at `place`, declaring the namespace if it is not known there."""
        space = "\n    " if self.break_line else " "
        known = [name for name, uri in self.prefixes.items() if uri == namespace and name]
        if known:
            return f'{space}{known[0]}:Rating="{value}"'.encode()
        while prefix in self.prefixes:
            prefix += "_"
        return f'{space}xmlns:{prefix}="{namespace}"{space}{prefix}:Rating="{value}"'.encode()


def _scan(data: bytes) -> _Found:
    """Parses a sidecar and finds its ratings. Raises SidecarError."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:64]:
        raise SidecarError("is not in UTF-8; save it as UTF-8 first")
    found = _Found()
    scopes: list[dict[str, str]] = [{"xml": "http://www.w3.org/XML/1998/namespace"}]
    open_tags: list[str] = []  # Full names, "{namespace}local", of the elements that are open.
    element: tuple[str, int, int] | None = None  # A rating written as an element: which, where it and its text start.

    parser = expat.ParserCreate()

    def full(name: str, *, attribute: bool = False) -> str:
        prefix, colon, local = name.rpartition(":")
        if colon and prefix != "xmlns" and prefix not in scopes[-1]:
            raise SidecarError(f"uses the prefix {prefix[:20]!a} without declaring it; correct or remove it")
        if attribute and not colon:
            return name
        return f"{{{scopes[-1].get(prefix, '')}}}{local}"

    def remember(kind: str, value: _Value) -> None:
        if getattr(found, kind) is not None:
            raise SidecarError("holds more than one rating; keep one")
        setattr(found, kind, value)

    def doctype(*_: object) -> None:
        raise SidecarError("declares a document type, which no sidecar needs; it is not read")

    def declaration(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise SidecarError(f"is written in {encoding[:20]}, not in UTF-8; save it as UTF-8 first")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal element
        if len(open_tags) >= MAX_DEPTH:
            raise SidecarError(f"holds more than {MAX_DEPTH} elements inside each other, which no sidecar needs")
        here = parser.CurrentByteIndex
        declared = {key[6:]: uri for key, uri in attributes.items() if key.startswith("xmlns:")}
        if "xmlns" in attributes:
            declared[""] = attributes["xmlns"]
        scopes.append(scopes[-1] | declared)
        if element is not None:
            raise SidecarError("holds a rating with parts inside, which luxel does not change")
        tag = _START_TAG.match(data, here)
        if tag is None:
            raise SidecarError("holds a tag that luxel cannot place")
        qualified, parent = full(name), open_tags[-1] if open_tags else ""
        open_tags.append(qualified)
        if qualified == f"{{{RDF}}}Description" and parent == f"{{{RDF}}}RDF":
            for attribute in re.finditer(_ATTRIBUTE, tag.group()):
                kind = _KINDS.get(full(attribute[1].decode(), attribute=True))
                if kind is not None:
                    quoted = attribute[2]
                    begin = here + attribute.start(2)
                    text = quoted[1:-1].decode()
                    whole = (here + attribute.start(), here + attribute.end())
                    remember(kind, _Value(text, begin, begin + len(quoted), quoted[:1], quoted[:1], whole))
            if found.place < 0:
                closing = b"/>" if tag.group().endswith(b"/>") else b">"
                body = tag.group()[: -len(closing)].rstrip()
                found.place = here + len(body)
                found.prefixes = dict(scopes[-1])
                found.break_line = b"\n" in body
        elif parent == f"{{{RDF}}}Description" and len(open_tags) > 2 and open_tags[-3] == f"{{{RDF}}}RDF":
            kind = _KINDS.get(qualified)
            if kind is not None and tag.group().endswith(b"/>"):
                opening = tag.group()[:-2].rstrip() + b">"
                whole = (here, tag.end())
                remember(kind, _Value("", *whole, opening, f"</{name}>".encode(), whole))
            elif kind is not None:
                element = (kind, here, tag.end())

    def end(name: str) -> None:
        nonlocal element
        if element is not None:
            kind, opening, begin = element
            element, finish = None, parser.CurrentByteIndex
            whole = (opening, data.index(b">", finish) + 1)
            remember(kind, _Value(data[begin:finish].decode(), begin, finish, b"", b"", whole))
        open_tags.pop()
        scopes.pop()

    parser.XmlDeclHandler = declaration
    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise SidecarError(f"is not well-formed XML (line {error.lineno}); correct or remove it") from error
    except UnicodeDecodeError as error:
        raise SidecarError("is not in UTF-8; save it as UTF-8 first") from error
    if found.place < 0:
        raise SidecarError("holds no rdf:Description, so it is not an XMP sidecar")
    try:
        found.rest = _rest(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        # This parser knows namespaces, so that it rejects more: two attributes of one name under two prefixes.
        raise SidecarError(f"is not well-formed XML with namespaces ({error}); correct or remove it") from error
    return found


_KINDS = {f"{{{XMP}}}Rating": "rating", f"{{{LUXEL}}}Rating": "mark"}


def _rest(data: bytes) -> str:
    """All content except the two ratings, in a form that can be compared."""
    root = ElementTree.fromstring(data)
    for described in root.iter(f"{{{RDF}}}Description"):
        for name in _KINDS:
            described.attrib.pop(name, None)
            for child in described.findall(name):
                described.remove(child)
    return ElementTree.canonicalize(ElementTree.tostring(root, encoding="unicode"))


def _stars(text: str) -> int | None:
    """The rating of its text; None for an empty one. Raises SidecarError for what is not a rating."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = 99.0
    # Some programs write 3.0, a few half stars; the half is dropped as their own star bars do.
    if not -1 <= value <= 5:
        raise SidecarError(f"holds the rating {text.strip()[:20]!r}, which is not -1 to 5")
    return int(value)
