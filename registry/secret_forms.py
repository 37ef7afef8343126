"""What looks like a secret: by the name of what holds it, or by the form of a text.

Rules:

- A name gives a secret away where one of its words does (`api_key`, `dbPassword`); a text by a URL with a password, an
  assignment (`pwd=...`), a private key, or a token that can be told by its form.
- What neither name nor form gives away cannot be seen.

>>> is_secret_name("apiKey"), is_secret_name("monkey"), is_secret_text("sqlite://ana:hunter2@host/loans")
(True, False, True)
"""

import re
from urllib.parse import unquote, urlsplit

__all__ = ["is_secret_name", "is_secret_text"]

_SECRET = re.compile(
    r"(?:^|_)(?:pass(?:words?|wd|phrases?)|pwd|(?:user|db|sql|smtp|ftp|ssh)_?(?:pass|pw)|secrets?|token|"
    r"(?:api|access|auth|refresh)_?tokens|credentials?|authorization|bearer|jwt|"
    r"(?:api|access|private|secret|auth|account|ssh)_?keys?)(?:_|$)"
)
_SECRET_IN_TEXT = re.compile(
    r"(?i)\b\w*(?:pass(?:word|wd)|pwd|secret|token|(?:api|access|account)_?key|signature)\s*=|\bsig\s*=|[?&]key="
    r"|\bbearer\s+[\w.~+/-]*\d|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:gh[oprsu]_|github_pat_|glpat-|hf_|xox[abprs]-)[\w-]{10}|(?-i:\b(?:AKIA|ASIA)[A-Z0-9]{12}|\beyJ[\w-]{8,}\.)"
    r"|^(?!mailto:)[^\s/:@]+:[^\s/@]+@[^\s@]+$"
)
"""Assignments and queries, bearer tokens, private keys, the tokens of some big houses, JWT, and user:password@host."""


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that what it names is a secret."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return _SECRET.search(words) is not None


def is_secret_text(text: str) -> bool:
    """Tell whether a text carries a secret that its form gives away, also when it is unquoted (RFC 3986, 2.1)."""
    return _is_secret(text) or ("%" in text and _is_secret(unquote(text)))


def _is_secret(text: str) -> bool:
    if _SECRET_IN_TEXT.search(text):
        return True
    if "://" not in text:
        return False
    try:
        parts = urlsplit(text)
        password, _ = parts.password, parts.port  # what stands for a port and is no number may be a password
    except ValueError:
        return True
    return password is not None or re.match(r"https?://[^/?#]*@", text) is not None
