"""What looks like a secret in Python code, by the rule for parameters, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.secrets_in_code import holds_a_secret

SECRETS = {
    "an assignment": "PASSWORD = 'hunter2'",
    "an assignment of bytes": "secret_key = b'hunter2'",
    "a declared one": "api_key: str = 'hunter2'",
    "an attribute": "settings.db_password = 'hunter2'",
    "a place in a dictionary": "os.environ['AWS_SECRET_ACCESS_KEY'] = 'hunter2'",
    "in a dictionary": "DATABASE = {'user': 'ana', 'password': 'hunter2'}",
    "an argument": "connect(user='ana', password='hunter2')",
    "a default": "def connect(user, token='hunter2'): ...",
    "a default by name": "def connect(*, token='hunter2'): ...",
    "an address": "URL = 'postgresql://ana:hunter2@db.bank.example/loans'",
    "a query": "requests.get('https://x.example/?access_token=hunter2')",
    "a private key": "x = '''-----BEGIN RSA PRIVATE KEY-----\nabc'''",
    "a token of a known form": "x = 'ghp_0123456789abcdef'",
    "an assignment that was put aside": "x = 1  # PASSWORD = 'hunter2'",
    "what is no Python": "export PASSWORD=hunter2",
}
NONE = {
    "from the environment": "PASSWORD = os.environ['PASSWORD']",
    "asked for": "password = getpass.getpass('Password: ')",
    "none yet": "password = ''",
    "nothing": "token = None",
    "a number": "token = 7",
    "a name": "connect(password=password)",
    "put together": "f'password={password}'",
    "a docstring": "def f():\n    'Give token=... to it.'",
    "a comment in words": "x = 1  # the password is elsewhere",
    "an ordinary file": "import pandas as pd\n\nname = 'loans'\nsignature = inspect.signature(f)",
    "no Python and no secret": "for ever",
    "an empty file": "",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=list(SECRETS))
def test_it_looks_like_a_secret(text: str) -> None:
    assert holds_a_secret(text)


@pytest.mark.parametrize("text", NONE.values(), ids=list(NONE))
def test_it_does_not_look_like_a_secret(text: str) -> None:
    assert not holds_a_secret(text)


@given(st.text())
def test_whatever_is_in_a_file_is_answered(text: str) -> None:
    assert holds_a_secret(text) in (True, False)
    assert holds_a_secret(f"{text}\n# PASSWORD = 'hunter2'\n") in (True, False)
