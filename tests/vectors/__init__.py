"""Language-neutral vectors for whoever writes another implementation; `README.md` says how to read them."""
