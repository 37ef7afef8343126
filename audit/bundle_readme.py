"""The README.txt of a bundle: how to check one entry with nothing but sha256sum, base64 and openssl.

Rules:

- The commands are those for this bundle: which side a hash of the proof stands on follows from the entry's number and
  the size of the tree, so a reader needs no program, only the patience to read them.
- Every command is indented by four spaces, runs in a shell (POSIX sh) in the folder where the bundle was unpacked, and
  works on the members as they are.
- Whoever makes a bundle writes its README too: it says so, and where to get these commands from elsewhere.

Source: RFC 6962, 2.1 (hashes); RFC 9162, 2.1.3.2 (the path); C2SP signed-note and tlog-checkpoint; DSSE v1 (PAE);
RFC 8410, section 4 (an Ed25519 key in DER is 12 bytes and the key).
"""

from collections.abc import Iterator, Sequence

from audit.errors import MalformedInput
from audit.keys import PublicKey
from audit.record import Entry

__all__ = ["readme"]

_HEAD = """EVIDENCE ABOUT {about}

from the ledger {origin}, entries {entries} of {size}

This is an affidavit bundle. With affidavit installed, check all of it, offline and without the ledger:

    affidavit verify THIS-FILE.zip --key KEY-OF-THE-LOG-FROM-ELSEWHERE

Without affidavit: the page docs/ledger-format.md of the project says what each file is, and is enough to write a
verifier. What follows checks one entry, number {seq}, by hand. Whoever made this bundle could have written these lines
to mislead you: compare them with the page docs/bundles.md of the project, or read what each command does.

Unpack the bundle into an empty folder, and type there.
"""

_VERIFIERS = """
Two verifiers came with it, which share no code with affidavit. verify_affidavit.py needs Python and its package
cryptography, and does all of this and more: "python3 verify_affidavit.py THIS-FILE.zip --key FILE", with the log's key
in FILE. verify_affidavit.html is a page to open in a browser; it asks no network. Both are signed by nobody: where that
matters, take them from the project (audit/portable).
"""

_KEY = """
1. Whose ledger is this?

The log's key is the last line of vkey.txt. It came with the bundle: compare it, character by character, with the one
that you have from the ledger's owner by another way. Everything below shows nothing if this key is another.

    tail -n 1 vkey.txt
"""

_LEAF = """
2. The entry stands in the ledger's tree

The hash of a leaf is SHA-256 of a zero byte and the record; the hash of a node is SHA-256 of a one byte, the node on
the left and the node on the right. The lines of the proof, from line 3 on, are the neighbours on the way to the root.

    {{ printf '\\000'; cat entries/{seq}.json; }} | openssl dgst -sha256 -binary > node
"""

_ROOT = """
What is in the file node now is the root. The third line of the checkpoint is the root that the log signed: the same?

    [ "$(base64 < node)" = "$(sed -n 3p checkpoint)" ] && echo "entry {seq} is in the tree"
"""

_HEAD_SIGNED = """
3. The log's key signed the checkpoint

Signed are its first three lines. A signature line holds, in base64, four bytes that name the key and 64 bytes of
Ed25519. The key is the last 32 bytes of the line in vkey.txt; the 12 bytes before it are how openssl wants it.

    sed -n 1,3p checkpoint > text
    sed -n {line}p checkpoint | cut -d ' ' -f 3 | base64 -d | tail -c 64 > signature
    {{ printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'
      tail -n 1 vkey.txt | cut -d + -f 3- | base64 -d | tail -c 32; }} > log.der
    openssl pkeyutl -verify -pubin -keyform DER -inkey log.der -rawin -in text -sigfile signature
"""

_SAID = """
4. {whose} signed the statement

The record holds a DSSE envelope: the statement in base64, and each signature with the id of its key. Signed is the
statement after a line that says its type and its length. There {are} in this record:

    sed 's/.*"payload":"\\([^"]*\\)".*/\\1/' entries/{seq}.json | base64 -d > statement
    {{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < statement)"; cat statement; }} > signed
    {{ cat entries/{seq}.json; echo; }} | tr '{{' '\\n' | sed -n 's/.*"sig":"\\([^"]*\\)".*/\\1/p' > signatures
    wc -l < signatures
{checks}
The id of a key, in the record and in the file's name, is the SHA-256 of the key. Each key was given its roles by an
entry of the kind genesis, key-grant or key-rotate in this bundle, checked alike. How many keys must sign what an admin
says is one, or what the newest entry of the kind threshold before it says: each signature counts, if it verifies.

5. What was said

    cat statement

{files}What a bundle cannot show: that nothing was left out of it. Another entry of the ledger may revoke a key or
reject what is approved here. Ask for the tiles tree (affidavit ledger tiles), which shows all entries.
"""

_SIGNATURE = """
Signature {number}, by the key {keyid}:

    sed -n {number}p signatures | base64 -d > signature
    openssl pkey -pubin -in keys/{keyid}.pem -outform DER | sha256sum
    {verify}
"""

_FILES = """A file that an entry names has the SHA-256 that the entry says:

    sha256sum {names}

"""

_TOKENS = """
6. The time stamps

A token says that the text of its note existed at a time. You need the authority's certificate, from the authority.

"""


def readme(
    about: str,
    entry: Entry,
    keys: Sequence[PublicKey],
    *,
    entries: tuple[int, ...],
    size: int,
    signature_line: int,
    files: tuple[str, ...] = (),
    tokens: tuple[str, ...] = (),
    verifiers: bool = False,
) -> bytes:
    """Write the README of a bundle that checks one of its entries by hand.

    `keys` are those that made the signatures of the entry, in their order, `signature_line` the line of the checkpoint
    with the signature by the last key in vkey.txt, `files` the names of artifacts and the report, `tokens` those of
    notes with a timestamp token, `verifiers` says whether the portable verifiers came along.
    """
    listed = ", ".join(map(str, entries))
    parts = [
        _HEAD.format(about=about, origin=entry.log, entries=listed, size=size, seq=entry.seq),
        *([_VERIFIERS] if verifiers else []),
        _KEY,
        _LEAF.format(seq=entry.seq),
        *_path(entry.seq, size),
        _ROOT.format(seq=entry.seq),
        _HEAD_SIGNED.format(line=signature_line),
        _SAID.format(
            seq=entry.seq,
            whose="The key of a person, or of a machine," if len(keys) == 1 else f"{len(keys)} keys",
            are="is one signature" if len(keys) == 1 else f"are {len(keys)} signatures",
            checks="".join(_signature(number, key) for number, key in enumerate(keys, 1)),
            files=_files(files),
        ),
    ]
    if tokens:
        parts += [_TOKENS, *map(_token, tokens)]
    return "".join(parts).encode()


def _path(seq: int, size: int) -> Iterator[str]:
    """Yield a command for each hash of the proof: the neighbour stands left where the node is a right child."""
    here, last, line = seq, size - 1, 3
    while last:
        neighbour = f"sed -n {line}p entries/{seq}.tlog-proof | base64 -d"
        if here & 1 or here == last:
            pair = f"{neighbour}; cat node"
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            pair = f"cat node; {neighbour}"
        yield f"    {{ printf '\\001'; {pair}; }} | openssl dgst -sha256 -binary > next && mv next node\n"
        here, last, line = here >> 1, last >> 1, line + 1


def _signature(number: int, key: PublicKey) -> str:
    """Write the commands that check one signature of the entry."""
    pem = f"keys/{key.keyid}.pem"
    verify = f"openssl pkeyutl -verify -pubin -inkey {pem} -rawin -in signed -sigfile signature"
    if not _is_ed25519(key):
        verify = f"openssl dgst -sha256 -verify {pem} -signature signature signed"
    return _SIGNATURE.format(number=number, keyid=key.keyid, verify=verify)


def _files(names: tuple[str, ...]) -> str:
    return _FILES.format(names=" ".join(names)) if names else ""


def _is_ed25519(key: PublicKey) -> bool:
    try:
        return bool(key.raw)
    except MalformedInput:
        return False


def _token(note: str) -> str:
    stem = note.removesuffix(".note")
    return (
        f"    sed -n 1,3p {note} > text\n"
        f"    openssl ts -verify -in {stem}.tsr -data text -CAfile AUTHORITY.pem -partial_chain\n"
    )
