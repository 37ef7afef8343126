"""HTML written as a PDF/A-3a and PDF/UA-1 file by WeasyPrint (ISO 19005-3, ISO 14289-1), the same bytes every time.

Rules:

- The drawing happens in a process of its own, whose fonts, time zone, locale and hash seed are ours: fontconfig
  reads its configuration once, before the first import, and a report must not depend on the machine's fonts.
- Dates are the report's as-of time, from the ledger; nothing reads the clock.
- Only `data:image/` addresses and the fonts of this package are fetched: a report reaches no network and no file.
- A character that no font here has is printed as its code point, such as [U+4E2D]; a missing glyph that is left
  is an error, since the file would not conform.

Example::

    data = write(html, title="Model card of mortgage@1", as_of="2026-11-23T09:14:05Z", identifier="mortgage@1")
"""

import json
import logging
import os
import subprocess
import sys
import unicodedata
import warnings
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput

__all__ = ["library", "write"]

HERE = Path(__file__).parent
SCHEME = "affidavit-package:"
SECONDS = 300
MISSING_LIBRARY = (
    "drawing a PDF needs Pango, which is not installed: "
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
)
NOT_CONFORMING = 2
NO_LIBRARY = 3
FAMILIES = (
    "IBMPlexSans-Regular",
    "IBMPlexSans-SemiBold",
    "IBMPlexSans-Italic",
    "IBMPlexSerif-SemiBold",
    "IBMPlexMono-Regular",
)
FALLBACK = "DejaVuSans"
# PDF/A knows no `pdfuaid`, so the claim comes with a description of its own words (ISO 19005-3, 6.6.2.3).
ACCESSIBLE = """\
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"><pdfuaid:part>1</pdfuaid:part></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 to which the document conforms</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""


def write(html: str, *, title: str, as_of: str, identifier: str) -> bytes:
    """Draw a PDF in a process of its own.

    `as_of` (RFC 3339, UTC) becomes the date made and changed; `identifier` is the subject of the document.
    Raises `EnvironmentFailed` where Pango or WeasyPrint is missing or the process dies, and `MalformedInput`
    where the text cannot be drawn in a conforming file.
    """
    request = {"html": html, "title": title, "as_of": as_of, "identifier": identifier}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "reports.pdf"],
            input=json.dumps(request).encode("ascii"),
            capture_output=True,
            env=_surroundings(),
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"drawing the PDF took more than {SECONDS} seconds and was stopped") from None
    told = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == 0:
        return done.stdout
    last = told.splitlines()[-1] if told else f"it ended with status {done.returncode} and said nothing"
    if done.returncode == NOT_CONFORMING:
        raise MalformedInput(last)
    if done.returncode == NO_LIBRARY:
        raise EnvironmentFailed(last)
    raise EnvironmentFailed(f"the process that draws the PDF failed: {last}")


def _surroundings() -> dict[str, str]:
    kept = {
        name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR") if name in os.environ
    }
    # `audit` may be installed apart from `reports`; both must be found again by the new process
    found = [find_spec(name) for name in ("audit", "reports")]
    roots = {str(Path(spec.origin).parent.parent): None for spec in found if spec is not None and spec.origin}
    return {
        **kept,
        "FONTCONFIG_FILE": str(HERE / "fonts.conf"),
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(roots),
        "SOURCE_DATE_EPOCH": "0",
        "TZ": "UTC",
    }


def main() -> int:
    """Read a request on standard input and write the PDF to standard output."""
    request = json.loads(sys.stdin.buffer.read())
    try:
        data = _draw(request)
    except EnvironmentFailed as error:
        sys.stderr.write(f"{error}\n")
        return NO_LIBRARY
    except AffidavitError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_CONFORMING
    sys.stdout.buffer.write(data)
    return 0


def _draw(request: dict[str, str]) -> bytes:
    weasyprint = library()
    complaints = _listen()
    source = _printable(request["html"])
    page = weasyprint.HTML(string=source, base_url=SCHEME, url_fetcher=_fetcher())
    document = page.render(pdf_variant="pdf/a-3a")
    metadata = document.metadata
    metadata.title, metadata.description = request["title"], request["identifier"]
    metadata.created = metadata.modified = request["as_of"].partition(".")[0].rstrip("Z") + "Z"
    metadata.generator, metadata.lang = "affidavit", "en-GB"
    target = BytesIO()
    document.write_pdf(target, finisher=_finished, pdf_variant="pdf/a-3a", pdf_identifier=True)
    if complaints:
        raise MalformedInput(f"the report cannot be drawn as it should be: {complaints[0]}")
    return target.getvalue()


def _finished(_document: Any, pdf: Any) -> None:
    """Say that the file conforms to PDF/UA-1 too, and mend what strict readers of PDF/A find fault with."""
    for stream in (item for item in pdf.objects if isinstance(getattr(item, "stream", None), list)):
        if stream.extra.get("Type") == "/Metadata":
            # Readable without a filter, as PDF/A-1 demands and some checkers ask of its later parts.
            stream.compress = False
            stream.stream = [
                part.replace(b"</rdf:RDF>", ACCESSIBLE.encode("ascii") + b"</rdf:RDF>")
                for part in stream.stream
            ]
        elif stream.compress and b"\r\nendstream" in stream.data[-12:]:
            # Data that ends in a carriage return reads as one byte too few (ISO 19005-3, 6.1.7.1).
            stream.compress = False


def library() -> Any:
    """Return WeasyPrint; raise `EnvironmentFailed` where it cannot draw, with what to install."""
    # "No fonts configured": that is the point of fonts.conf
    warnings.filterwarnings("ignore", message="No fonts configured")
    try:
        import weasyprint
        from weasyprint.text.ffi import harfbuzz_subset
    except ImportError as error:
        raise EnvironmentFailed(
            f"drawing a PDF needs WeasyPrint, which cannot be imported: {error}"
        ) from None
    except OSError:
        raise EnvironmentFailed(MISSING_LIBRARY) from None
    if not harfbuzz_subset:
        # without it fonts are cut by other code, and the bytes would differ from machine to machine
        raise EnvironmentFailed(MISSING_LIBRARY)
    return weasyprint


def _listen() -> list[str]:
    """Collect what would keep the file from conforming: errors, and the warning that a glyph is missing."""
    told: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.levelno >= logging.ERROR or ".notdef" in message:
                told.append(message)

    logger = logging.getLogger("weasyprint")
    logger.handlers = [Collector(level=logging.WARNING)]
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    return told


def _fetcher() -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    fonts = {f"{SCHEME}fonts/{path.name}": path for path in sorted((HERE / "fonts").glob("*.ttf"))}

    class PackageFetcher(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Any = None) -> Any:
            if url.startswith("data:image/"):
                return super().fetch(url, headers)
            if url not in fonts:
                raise ValueError(f"a report may not fetch {url[:80]}")
            return URLFetcherResponse(url, fonts[url].read_bytes(), {"Content-Type": "font/ttf"})

    return PackageFetcher(allowed_protocols={"data"})


def _printable(html: str) -> str:
    """Write each character that no font here has, or that would be invisible, as its code point."""
    strange = {letter for letter in html if not letter.isascii()} - set(
        "\N{NO-BREAK SPACE}\N{ZERO WIDTH SPACE}"
    )
    controls = {letter for letter in html if letter.isascii() and not letter.isprintable()} - set("\n\t")
    if not strange and not controls:
        return html
    drawn = _characters()
    shown = {
        ord(letter): f"[U+{ord(letter):04X}]"
        for letter in strange | controls
        # direction overrides and the like (Cf) could make a text read as another; joiners cannot
        if ord(letter) not in drawn or unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cn", "Cs")
    }
    return html.translate(shown)


def _characters() -> set[int]:
    """Give the characters that can be drawn whichever of our families a text is set in."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    def covered(name: str) -> set[int]:
        with TTFont(HERE / "fonts" / f"{name}.ttf", lazy=True) as font:
            return set(font.getBestCmap() or ())

    first, *others = (covered(name) for name in FAMILIES)
    return first.intersection(*others) | covered(FALLBACK)


if __name__ == "__main__":
    sys.exit(main())
