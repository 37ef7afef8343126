"""The commands that name an anchor: a file, a time stamp authority, a witness."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.terminal import Group, json_option, print_json, say

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.anchor_settings import AnchorSettings, Authority
    from audit.ledger import Ledger

__all__ = ["Open", "Opened", "anchor_add", "dry_run_option", "refusal", "settings_of"]


class Home(Protocol):
    """Where an embedded ledger lies."""

    @property
    def folder(self) -> Path:
        """The ledger's folder."""
        ...


class Opened(Protocol):
    """An open ledger that knows where it lies; `ctx.obj` is a function that opens it."""

    @property
    def ledger(self) -> "Ledger":
        """The ledger."""
        ...

    @property
    def home(self) -> Home:
        """Where it lies."""
        ...


Open = Callable[[], Opened]
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.group("add", cls=Group)
def anchor_add() -> None:
    """Add an anchor."""


@anchor_add.command(
    "file",
    examples=[
        "affidavit anchor add file /mnt/compliance/credit.checkpoint",
        "affidavit anchor add file /mnt/compliance/credit.checkpoint --replace",
    ],
)
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", "replacing", is_flag=True, help="In place of the file that the ledger has now.")
@dry_run_option
@json_option
@click.pass_obj
def add_file(opened: Open, path: Path, replacing: bool, dry_run: bool, as_json: bool) -> None:
    """Keep the newest head in a file.

    It is written after every append, and the ledger is not appended to where it is behind it. Best on a disk that is
    backed up, restored and guarded on its own.

    With --replace the ledger must go on from the head in the file that it has now, and the new file holds the newest
    head before the old one is let go. The old file stays where it is; processes that have the ledger open keep to the
    new one from their next entry on.
    """
    from audit.anchor_settings import is_outside

    here = opened()
    settings, folder = settings_of(here), here.home.folder
    if settings.file is not None and not replacing:
        raise MalformedInput(
            f"the ledger keeps its head in {settings.file} already: --replace moves it to another file, "
            f"`affidavit anchor remove {settings.file}` lets it go"
        )
    old = settings.anchor_file(folder)
    outside = is_outside(path, folder)
    name = str(path.resolve() if outside else path.resolve().relative_to(folder.resolve()))
    notes = [] if outside else ["It lies in the ledger's own folder: no anchor outside."]
    if old is not None:
        _check_replaceable(here, settings, old.path, path)
        notes.append(f"The file before, {old.path}, stays as it is and is not written any more.")
    _keep_head_in(here, settings, path, name, replacing, dry_run)
    _say_added("file", name, dry_run, as_json, " ".join(notes))


def _check_replaceable(here: Opened, settings: "AnchorSettings", old: Path, new: Path) -> None:
    """Refuse to let go of a file whose head the ledger does not hold, or to put it in its own place."""
    if new.resolve() == old.resolve():
        raise MalformedInput(f"the ledger keeps its head in {old} already: there is nothing to replace")
    problem = refusal(here.ledger, settings, here.home.folder)
    if problem is not None:
        raise MalformedInput(
            f"the anchor file is not let go of, since the ledger does not go on from the head in it: {problem}"
        )


def _keep_head_in(
    here: Opened, settings: "AnchorSettings", path: Path, name: str, replacing: bool, dry_run: bool
) -> None:
    """Let a file hold the newest head, then name it in the list of anchors; in this order nothing is unguarded."""
    from audit import tables
    from audit.anchor_file import AnchorFile

    file, ledger = AnchorFile(path), here.ledger
    # One that is of this very history is taken up again: that of an attempt that was interrupted, or an older place.
    is_ours = (
        replacing
        and path.exists()
        and refusal(ledger, replace(settings, file=name), here.home.folder) is None
    )
    if not is_ours:
        file.check_free(ledger.origin)
    if dry_run:
        return
    # Nobody appends until the list names the file: each entry is in the file that the next one is compared with.
    with tables.writing(ledger.engine):
        (file.renew if is_ours else file.create)(ledger.head().checkpoint)
        replace(settings, file=name).write(here.home.folder)


@anchor_add.command(
    "timestamp",
    examples=["affidavit anchor add timestamp https://tsa.example/tsr --certificate tsa-chain.pem"],
)
@click.argument("url")
@click.option(
    "--certificate", "chain", type=_FILE, required=True,
    help="PEM of the certificate that signs the tokens first, then those above it, the root among them.",
)  # fmt: skip
@click.option("--policy", metavar="OID", help="The policy that tokens must name (default: any).")
@dry_run_option
@json_option
@click.pass_obj
def add_timestamp(
    opened: Open, url: str, chain: Path, policy: str | None, dry_run: bool, as_json: bool
) -> None:
    """Add a time stamp authority (RFC 3161).

    Its certificate is pinned: compare the fingerprint with the one that its operator publishes. When the authority
    changes its certificate, add the new one; the tokens by the old one go on counting.
    """
    from audit.timestamp import pin

    here = opened()
    authority = pin(url, chain.read_text("ascii", "replace"), policy)
    settings = settings_of(here).with_authority(authority)
    if not dry_run:
        settings.write(here.home.folder)
    _say_added("timestamp", url, dry_run, as_json, f"Pinned: {_described(authority)}.")


@anchor_add.command(
    "witness", examples=["affidavit anchor add witness https://witness.bank.example/ --key compliance.vkey"]
)
@click.argument("url")
@click.option("--key", "key", type=_FILE, required=True, help="The witness's verifier key.")
@dry_run_option
@json_option
@click.pass_obj
def add_witness(opened: Open, url: str, key: Path, dry_run: bool, as_json: bool) -> None:
    """Add a witness (C2SP tlog-witness).

    Its operator must know this ledger's verifier key: `affidavit checkpoint --json` prints it as verifier_key.
    """
    from audit.anchor_settings import WitnessAt, check_url
    from audit.cosignature import WitnessKey

    here = opened()
    try:
        witness = WitnessAt(check_url(url), WitnessKey.parse(key.read_text("utf-8", "replace").strip()))
    except MalformedInput as error:
        raise MalformedInput(f"{key}: {error}") from None
    settings = settings_of(here).with_witness(witness)
    if not dry_run:
        settings.write(here.home.folder)
    _say_added("witness", witness.key.name, dry_run, as_json, "")


def settings_of(here: Opened) -> "AnchorSettings":
    """Read which anchors the ledger has."""
    from audit.anchor_settings import AnchorSettings

    return AnchorSettings.read(here.home.folder)


def refusal(ledger: "Ledger", settings: "AnchorSettings", folder: Path) -> str | None:
    """Say why the ledger is not appended to because of its anchor file; None where it is, or has no such file."""
    file, head = settings.anchor_file(folder), ledger.head()

    def head_at(size: int) -> bytes | None:
        try:
            return ledger.head_at(size).checkpoint
        except NotFound:
            return None

    try:
        if file is not None:
            file.check(head.size, head.root, head_at, ledger.trust().logs.keys)
    except EnvironmentFailed as error:
        return str(error)
    return None


def _described(authority: "Authority") -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    leaf = x509.load_pem_x509_certificate(authority.certificate.encode())
    until = leaf.not_valid_after_utc.date().isoformat()
    return f"{leaf.subject.rfc4514_string()}, until {until}, SHA-256 {leaf.fingerprint(SHA256()).hex()}"


def _say_added(kind: str, name: str, dry_run: bool, as_json: bool, more: str) -> None:
    if as_json:
        print_json({"kind": kind, "name": name, "dry_run": dry_run, "note": more})
        return
    say(f"{'Would add' if dry_run else 'Added'} the {kind} {name}.")
    if more:
        say(more)
