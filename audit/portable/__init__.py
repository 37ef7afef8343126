"""Verifiers that an auditor takes away: files of their own that share no code with the package, nor it with them."""
