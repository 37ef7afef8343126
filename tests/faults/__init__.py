"""Faults at every write: kill, EIO and ENOSPC, by strace, and loss of power. `make faults` prints the table."""
