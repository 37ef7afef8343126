"""Who said what, in which order, provably. Knows no model, no pandas and no HTML.

Each file holds one subject, most of them one published standard:

- ``canonical`` RFC 8785 bytes, ``statement`` in-toto Statement v1, ``envelope`` DSSE v1;
- ``keys`` and ``keystore`` signing keys, ``signers`` those that are in no file (tokens, key services);
- ``grants``, ``trust`` and ``log_keys`` which key may say what, or sign a head, from which entry to which;
  ``key_events`` what is said about keys, ``drafts`` what several sign, ``rotation`` the files of a key that takes
  another's place;
- ``holders`` and ``subjects`` people, whom statements only refer to, ``bindings`` what entries commit to of them,
  ``erasure`` and ``scrub`` how they are forgotten;
- ``merkle`` RFC 6962 trees, ``note`` and ``checkpoint`` the C2SP signed tree head;
- ``anchor_file``, ``timestamp`` RFC 3161, ``witness`` C2SP witnesses: heads that others keep or sign, which
  ``anchors`` opens;
- ``tables`` and ``ledger_tables`` the store, ``backend`` what databases differ in, ``sqlite`` and ``postgres`` with the
  files named after them what each has of its own;
- ``ledger`` a ledger that is appended to, ``history`` what is read of it, ``edge`` what the next entry needs to know,
  ``writer`` the only code that puts entries in, ``inbox`` and ``sequencer`` how many share one;
- ``tiles`` and ``prover`` proofs from what is stored, ``proof`` the C2SP tlog-proof;
- ``bundle``, ``tiles_folder`` and their checks: evidence that is verified with no ledger (``offline``);
- ``verify`` recomputes all of it and trusts nothing that it did not recompute: ``verify_range`` some records,
  ``verify_whole`` all of them, alone or with ``verify_pool``, ``verify_steps`` what that answers; ``entry_checks`` and
  ``entry_findings`` what is wrong with an entry, in a ledger as in evidence;
- ``durable`` how files are written that outlive a crash;
- ``attacks`` and ``forgery`` what a dishonest operator does, ``drill`` whether verification sees it.
"""
