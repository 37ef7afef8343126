"""Who said what, in which order, provably. Knows no model, no pandas and no HTML.

Each file holds one subject, most of them one published standard:

- ``canonical`` RFC 8785 bytes, ``statement`` in-toto Statement v1, ``envelope`` DSSE v1;
- ``keys`` and ``keystore`` signing keys, ``trust`` which key may say what, and from when;
- ``merkle`` RFC 6962 trees, ``note`` and ``checkpoint`` the C2SP signed tree head;
- ``tables`` and ``ledger`` the store and the only code that writes it;
- ``verify`` recomputes all of it and trusts nothing that it did not recompute.
"""
