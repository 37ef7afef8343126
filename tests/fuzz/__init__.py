"""The parsers, fed with anything: only errors of ours may escape. `make fuzz` feeds them by coverage, with atheris."""
