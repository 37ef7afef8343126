"""Tests against the emulator of Azure's storage: `make azure`."""
