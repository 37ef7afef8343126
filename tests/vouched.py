"""Anchors in a ledger for tests: a cosignature and a timestamp over one of its heads, by a witness and an authority."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from audit import tables
from audit.anchor_settings import AnchorSettings, WitnessAt
from audit.cosignature import WitnessKey, cosign
from audit.ledger import Ledger
from audit.note import Note
from audit.timestamp import pin
from tests.authority import LocalAuthority
from tests.small_ledger import signer

__all__ = ["TSA", "WITNESS", "vouch"]

WITNESS = "compliance.test.example"
TSA = "https://tsa.test.example/tsr"


def vouch(folder: Path, ledger: Ledger, size: int) -> None:
    """Keep a cosignature (row 1) and a timestamp (row 2) over the head of `size` entries, and pin who signed them."""
    text = Note.parse(ledger.head_at(size).checkpoint).text
    witness = signer()
    line = cosign(text, WITNESS, witness, int(time.time()))
    with TemporaryDirectory() as place:
        authority = LocalAuthority.make(Path(place) / "authority")
        query = TimestampRequestBuilder(data=text.encode(), hash_algorithm=HashAlgorithm.SHA256).build()
        answer = authority.answer(query.as_bytes())
    rows = [("cosignature", WITNESS, str(line).encode()), ("timestamp", TSA, answer)]
    with tables.writing(ledger.engine) as connection:
        for number, (kind, source, body) in enumerate(rows, start=1):
            row = {"number": number, "kind": kind, "size": size, "source": source, "body": body}
            connection.execute(tables.anchors.insert().values(**row))
    key = WitnessKey(WITNESS, witness.public.raw)
    settings = AnchorSettings.read(folder).with_authority(pin(TSA, authority.chain))
    settings.with_witness(WitnessAt("https://witness.test.example/", key)).write(folder)
