"""Faults at every write: kill, EIO and ENOSPC, injected by strace, one at a time. `make faults` prints the table."""
