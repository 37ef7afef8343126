"""What is said about models: pipelines, runs, data, fairness, policies, gates, the catalogue and its verbs.

Everything here becomes a statement in the ledger (`audit`) or is learned from one. Heavy libraries are imported by
the few files that are about them, so that reading and verifying a ledger needs none of them.

The modules lie flat. docs/architecture.md of the sources names their rooms: runs and what surrounds them, values,
fingerprints, profiles, lineage, evaluation, the gate, the ledger of models, and the commands.
"""
