"""Commands that make keys: in files here, on hardware tokens, for a key service; and those that replace another."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from audit.cli import Open, Opened
from audit.cli_drafts import PEM, as_keys_option, draft_option, dry_run_option, public_of, said, signers_of
from audit.errors import MalformedInput, NotFound
from audit.terminal import Command, NewPassphrase, json_option, print_json, say

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.grants import Grant
    from audit.key_events import KeyEvent
    from audit.keys import Algorithm, PublicKey
    from audit.keystore import KeyStore

__all__ = ["key_create", "key_rotate"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_algorithm_option = click.option(
    "--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), help="Kind of key (default: ed25519)."
)
_uri_option = click.option(
    "--uri", help="Where the key is kept that is in no file: pkcs11:, awskms:, gcpkms:, azurekms: or hv:."
)
_existing_option = click.option("--existing", is_flag=True, help="Take the key that is on the token already.")


@click.command(
    "create",
    cls=Command,
    examples=[
        "affidavit key create validator",
        "affidavit key create dana --uri 'pkcs11:token=bank;object=dana?module-path=/usr/lib/softhsm/libsofthsm2.so'",
        "affidavit key create deploy --uri awskms:alias/models --public deploy.pem",
    ],
)
@click.argument("name")
@_algorithm_option
@_uri_option
@_existing_option
@click.option("--public", type=_FILE, help="The public part, where a key service keeps the private one.")
@json_option
@click.pass_obj
def key_create(
    opened: Open,
    name: str,
    algorithm: str | None,
    uri: str | None,
    existing: bool,
    public: Path | None,
    as_json: bool,
) -> None:
    """Make a key; it holds no role yet.

    It may say nothing until `affidavit key grant` gives it one. With --uri the private part is made on a hardware
    token, or is in a key service, and only its place is kept here.
    """
    from audit.keystore import LOG_KEY

    here = opened()
    if name == LOG_KEY:
        raise MalformedInput(f"the name {name!r} is the log's own key: choose another")
    made = _make(here, here.keys, name, name, algorithm, uri, existing, public)
    file = here.keys.folder / f"{name}.{'uri' if uri else 'pem'}"
    if as_json:
        print_json({"name": name, "keyid": made.keyid, "file": str(file)})
        return
    say(f"Made the key {name} ({made.keyid[:16]}…) in {file}.")
    say(f"Give it roles with: affidavit key grant {name} --role ROLE --holder 'NAME OF THE PERSON'")


@click.command(
    "rotate",
    cls=Command,
    examples=[
        "affidavit key rotate validator --reason 'yearly rotation'",
        "affidavit key rotate validator --reason 'new laptop' --public new.pem",
        "affidavit key rotate log --reason 'yearly rotation'",
    ],
)
@click.argument("name")
@click.option("--reason", required=True, help="Why.")
@_algorithm_option
@_uri_option
@_existing_option
@click.option("--public", type=_FILE, help=PEM)
@as_keys_option
@draft_option
@dry_run_option
@json_option
@click.pass_obj
def key_rotate(
    opened: Open,
    name: str,
    reason: str,
    algorithm: str | None,
    uri: str | None,
    existing: bool,
    public: Path | None,
    as_keys: tuple[str, ...],
    draft: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put a new key in the place of one.

    It has the name, the roles and the holder of the old one. What the old key signed stays verified, and its files are
    kept under another name. `log` is the log's own key: the head that ends with this entry is signed by both. A stolen
    key is not rotated, but revoked.
    """
    from audit.drafts import would_stand
    from audit.keys import LocalSigner, new_private_key

    here = opened()
    old = _old(here, name, public is not None)
    # All that can be refused is, before a key is made.
    would_stand(here.ledger, old.event(here, LocalSigner(new_private_key()).public, reason).statement)
    facts: dict[str, object] = {"name": name, "replaces": old.grant.keyid if old.grant else None}
    sentence = f"the key {name} is {{}} from now on, and the one before may say nothing"
    if dry_run:
        if as_json:
            print_json({**facts, "dry_run": True})
        else:
            say(f"Would be said: {sentence.format('another one')}.")
        return
    signers_of(here, "key-rotate", as_keys, draft)
    new = _next(here, old.store, old.stored, algorithm, uri, existing, public)
    event = old.event(here, new, reason)
    facts["keyid"], sentence = new.keyid, sentence.format(f"{new.keyid[:16]}…")
    if old.grant is None:
        facts["verifier_key"] = event.statement.text("log")
    said(here, event, as_keys, draft, False, as_json, facts, sentence)


@dataclass(frozen=True, slots=True)
class _Old:
    """The key whose place another takes: its grant, None for the log's own; its store, and its name there, if any."""

    grant: "Grant | None"
    store: "KeyStore"
    stored: str

    def event(self, here: Opened, new: "PublicKey", reason: str) -> "KeyEvent":
        """Say that a new key takes its place."""
        from audit import key_events

        if self.grant is None:
            return key_events.log_rotate(here.ledger.origin, new, reason)
        return key_events.rotate(self.grant, new, reason)


def _old(here: Opened, name: str, is_made: bool) -> _Old:
    """Find the key of a name; `NotFound` where its next one cannot be made here and is not made yet."""
    from audit.keystore import LOG_KEY

    if name == LOG_KEY:
        old = _Old(None, here.log_keys, LOG_KEY)
    else:
        grant = here.ledger.trust().named(name)
        old = _Old(grant, here.keys, here.keys.named(grant.keyid) or "")
    if not old.stored and not is_made:
        raise NotFound(
            f"the private part of {name} is not in {old.store.folder}: its holder makes a new key there, and you pass "
            "--public FILE"
        )
    return old


def _make(
    here: Opened,
    store: "KeyStore",
    name: str,
    owner: str,
    algorithm: str | None,
    uri: str | None,
    existing: bool,
    public: Path | None,
) -> "PublicKey":
    """Make a key in a file, or where a URI says; its passphrase is asked for by the name of its owner."""
    from audit.keystore import passphrase_from_environment
    from audit.signers import create_at

    chosen = cast("Algorithm", algorithm or "ed25519")
    store.check_free(name)
    if uri is not None:
        known = public_of(public)
        made = create_at(
            uri, lambda: here.passphrase_of(owner), algorithm=chosen, existing=existing, public=known
        )
        store.register(name, uri, made)
        return made
    if existing or public is not None:
        raise MalformedInput("a key that exists already is named by its place: --uri")
    passphrase = NewPassphrase(passphrase_from_environment)
    signer = store.create(name, passphrase(owner), chosen)
    passphrase.warn_of_none()
    return signer.public


def _next(
    here: Opened,
    store: "KeyStore",
    stored: str,
    algorithm: str | None,
    uri: str | None,
    existing: bool,
    public: Path | None,
) -> "PublicKey":
    """Return the key that is to take the place of another: one given, one that was begun before, or a new one."""
    from audit.rotation import next_name

    given, waiting = public_of(public), next_name(stored)
    if given is not None and uri is None:
        return given
    if waiting in store.names():
        if uri is not None or algorithm is not None:
            raise MalformedInput(
                f"a next key of {stored} is in {store.folder} already, from a rotation that was not finished: rotate "
                f"without --uri and --algorithm to use it, or move the files {waiting}.* away"
            )
        return store.public(waiting)
    chosen = algorithm or store.public(stored).algorithm
    return _make(here, store, waiting, stored, chosen, uri, existing, public)
