"""Run a pipeline in a process of its own and write what happened: the other side of `registry.reproduce`.

``python -m registry.rerun`` reads one JSON document on standard input, ``{"target", "parameters", "artifacts",
"result", "kept", "key", "privacy"}``, runs the pipeline in the working directory with its artifacts in the folder
named, and writes the run predicate as canonical JSON to the file `result`, with the member `stood_in` for the steps
whose kept tables were taken, and why. Nothing is signed and no ledger is opened.

Exit status 0 when a run was written (succeeded or failed), 2 with one line on standard error otherwise.
"""

import sys
from pathlib import Path
from typing import cast

from audit.canonical import JsonObject, decode, encode
from audit.errors import AffidavitError
from registry.artifacts import ArtifactStore
from registry.fingerprint_key import FingerprintKey
from registry.privacy import Privacy
from registry.recorded_values import from_json
from registry.run import run_pipeline
from registry.standing_in import stand_in_for
from registry.target import load_target

__all__ = ["main"]


def main(job: bytes) -> int:
    """Do one job and return the exit status."""
    asked = cast(dict[str, str | JsonObject], decode(job))
    try:
        target = load_target(str(asked["target"]))
        stood_in = stand_in_for(target.pipeline, cast(JsonObject, asked["kept"]))
        parameters = {name: from_json(value) for name, value in cast(JsonObject, asked["parameters"]).items()}
        result = run_pipeline(
            target.pipeline,
            parameters,
            artifacts=ArtifactStore(Path(str(asked["artifacts"]))),
            target=target.text,
            progress=lambda line: print(line, file=sys.stderr),  # noqa: T201
            key=FingerprintKey(bytes.fromhex(str(asked["key"]))) if asked.get("key") else None,
            privacy=Privacy.from_json(asked.get("privacy")),
            unprofiled="a rerun is compared by its fingerprints",
        )
    except AffidavitError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    said: JsonObject = {**result.predicate, "stood_in": dict(stood_in)}
    Path(str(asked["result"])).write_bytes(encode(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer.read()))
