"""A hardware token in software for tests: SoftHSM2 (Debian's softhsm2), with its own folder and nothing else's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["MODULE", "PIN", "need_softhsm", "new_token", "uri"]

PIN = "1234"
_PLACES = ("/usr/lib/softhsm/libsofthsm2.so", *map(str, Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")))
MODULE = next((place for place in _PLACES if Path(place).exists()), "")


def need_softhsm() -> None:
    """Skip loudly where SoftHSM2 is missing; fail in CI, which installs it."""
    if not MODULE or shutil.which("softhsm2-util") is None:
        assert os.environ.get("CI") != "true", "CI must have SoftHSM2: .ci/run installs softhsm2"
        pytest.skip("SKIPPED FOR WANT OF SOFTHSM2: nothing was signed on a token (apt-get install softhsm2)")


def new_token(folder: Path, label: str, patch: pytest.MonkeyPatch) -> None:
    """Make a token in a folder, for this process and its children as long as `patch` holds; skip loudly without one."""
    need_softhsm()
    tokens = folder / "tokens"
    tokens.mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    patch.setenv("SOFTHSM2_CONF", str(settings))
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "5678"],
        check=True,
        capture_output=True,
    )
    import pkcs11

    # A module reads its settings once: those of another folder may be known from before.
    pkcs11.lib(MODULE).reinitialize()


def uri(label: str, token: str = "bank", module: str = MODULE) -> str:
    """Name a key on the token."""
    return f"pkcs11:token={token};object={label}?module-path={module}"
