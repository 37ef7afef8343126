"""The driver's connection, closed where it is struck down in the middle of a command.

The handler of a signal may raise any exception while the server's answer is waited for (a soft time limit of a job
does). The driver cancels the command for a KeyboardInterrupt; for any other exception it leaves the connection with a
command half done, so that the next one to use it fails, or takes the answer for its own. Here the connection is closed
then: whoever used it learns that it was lost, and that what it did stands or does not (`audit.inbox`).

It needs psycopg, and is imported when a database is opened.

Source: psycopg's documentation, "Connection.wait".
"""

from typing import Any

from audit.errors import EnvironmentFailed

try:
    import psycopg
except ModuleNotFoundError:
    raise EnvironmentFailed(
        "a ledger on PostgreSQL needs the driver: pip install 'affidavit[postgres]'"
    ) from None

__all__ = ["ClosingConnection"]


class ClosingConnection(psycopg.Connection[Any]):
    """Closes itself where what is raised while it waits is neither the server's nor the driver's to deal with."""

    def wait(self, *arguments: Any, **more: Any) -> Any:
        """Wait for an answer of the server."""
        try:
            return super().wait(*arguments, **more)
        except (psycopg.Error, KeyboardInterrupt):
            raise
        except BaseException:
            self.pgconn.finish()
            raise
