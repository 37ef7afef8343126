"""The PDF: the same bytes every time, every outcome and entry in its text, fonts of the package only."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from io import BytesIO
from typing import Any

import pypdf
import pytest

from audit.errors import EnvironmentFailed, MalformedInput
from reports import pdf
from reports.html import render
from tests import report_example as made

TITLE = "Model card of mortgage@1"
PAGE = (
    "<!DOCTYPE html><html lang='en'><head><title>t</title><style>{style}</style></head>"
    "<body><h1>{body}</h1></body></html>"
)
FONTS = (
    '@font-face { font-family: "IBM Plex Sans"; src: url("affidavit-package:fonts/IBMPlexSans-Regular.ttf") }'
    '@font-face { font-family: "DejaVu Sans"; src: url("affidavit-package:fonts/DejaVuSans.ttf") }'
    'h1 { font-family: "IBM Plex Sans", "DejaVu Sans"; font-weight: 400 }'
)


def drawn(html: str) -> bytes:
    return pdf.write(html, title=TITLE, as_of="2026-11-23T09:30:00.000000Z", identifier="mortgage@1")


def page(body: str, style: str = FONTS) -> str:
    return PAGE.format(style=style, body=body)


def pages_of(data: bytes) -> list[str]:
    return [part.extract_text() for part in pypdf.PdfReader(BytesIO(data)).pages]


def joined(pages: list[str]) -> str:
    """Give the text of all pages with all white space removed: digests are broken over lines."""
    return re.sub(r"\s+", "", "".join(pages))


def text_of(data: bytes) -> str:
    return joined(pages_of(data))


@pytest.fixture(scope="module")
def card() -> bytes:
    return drawn(render(made.example(), "model-card"))


@pytest.fixture(scope="module")
def pages(card: bytes) -> list[str]:
    return pages_of(card)


def test_the_same_dossier_gives_the_same_bytes_in_another_process(card: bytes) -> None:
    code = (
        "import hashlib; from tests.test_pdf import drawn; from reports.html import render;"
        "from tests.report_example import example;"
        "print(hashlib.sha256(drawn(render(example(), 'model-card'))).hexdigest())"
    )
    surroundings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ".",
        "PYTHONHASHSEED": "77",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=surroundings, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == hashlib.sha256(card).hexdigest()


def test_the_text_holds_the_outcome_of_every_rule(pages: list[str]) -> None:
    text = joined(pages)
    for outcomes in (made.PROMOTED, made.REFUSED):
        for rule, outcome in zip(made.RULES, outcomes, strict=True):
            assert f"{rule['id']}{rule['policy']}{outcome.capitalize()}" in text


def test_the_text_holds_every_entry_of_the_evidence(pages: list[str]) -> None:
    text = joined(pages)
    for item in made.example().evidence:
        assert item.entry.leaf_hash in text
        assert f"{item.ref}#{item.entry.seq}" in text


def test_the_text_holds_every_figure_of_the_evaluation(pages: list[str]) -> None:
    text = joined(pages)
    evaluation = made.example().run.evaluation
    assert evaluation is not None
    assert all(f"{float(figure.value or 0):.3f}" in text for figure in evaluation.metrics)


def test_the_file_names_itself_and_its_time_from_the_ledger(card: bytes) -> None:
    reader = pypdf.PdfReader(BytesIO(card))
    assert reader.metadata is not None
    assert reader.metadata.title == TITLE
    assert str(reader.metadata["/CreationDate"]).startswith("D:20261123093000")


def test_the_file_is_tagged_and_says_its_language(card: bytes) -> None:
    root: Any = pypdf.PdfReader(BytesIO(card)).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en-GB"
    told = root["/Metadata"].get_data()
    assert b'pdfaid:part="3"' in told
    assert b"<pdfuaid:part>1</pdfuaid:part>" in told


def test_no_stream_ends_in_a_carriage_return_that_a_reader_would_drop(card: bytes) -> None:
    # Those of the file's own structure are made last, out of reach; a reader finds their end by their length.
    own = (b"/ObjStm", b"/XRef")
    streams = [part for part in card.split(b"endstream") if not any(kind in part for kind in own)]
    assert not any(part.endswith(b"\r\n") for part in streams)


def test_the_metadata_can_be_read_without_a_filter(card: bytes) -> None:
    root: Any = pypdf.PdfReader(BytesIO(card)).trailer["/Root"]
    assert "/Filter" not in root["/Metadata"]


def test_every_font_is_embedded_and_ours(card: bytes) -> None:
    names = set()
    for part in pypdf.PdfReader(BytesIO(card)).pages:
        resources: Any = part["/Resources"]
        for font in resources["/Font"].values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            assert "/FontFile2" in inner["/FontDescriptor"].get_object()
            names.add(str(inner["/BaseFont"]).partition("+")[2])
    assert all(name.startswith(("IBM-Plex", "DejaVu")) for name in names)


def test_every_page_has_text(pages: list[str]) -> None:
    assert pages
    assert all(len(text) > 200 for text in pages)


def test_a_character_that_no_font_has_is_printed_as_its_code_point() -> None:
    assert "[U+5F20]" in text_of(drawn(page("Zhang 张, Weiß, Ωμέγα, Łódź")))


def test_a_direction_override_cannot_hide_in_a_name() -> None:
    assert "evil[U+202E]txt" in text_of(drawn(page("evil\N{RIGHT-TO-LEFT OVERRIDE}txt")))


def test_letters_that_only_the_second_font_has_are_drawn() -> None:
    text = text_of(drawn(page("שלום")))
    assert "שלום"[::-1] in text or "שלום" in text


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "http://127.0.0.1:9/x.png", "affidavit-package:pdf.py"]
)
def test_nothing_outside_the_package_is_fetched(address: str) -> None:
    with pytest.raises(MalformedInput, match="may not fetch"):
        drawn(page(f'<img alt="x" src="{address}">'))


def test_a_library_that_is_missing_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Missing(MetaPathFinder):
        def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(
        EnvironmentFailed, match=r"apt-get install libpango-1\.0-0 libpangoft2-1\.0-0 libharfbuzz-subset0"
    ):
        pdf.library()


def test_a_drawing_process_that_dies_is_an_environment_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EnvironmentFailed, match="failed"):
        drawn(page("x"))
