"""Run a pipeline in a process of its own and write what happened: the other side of `registry.reproduce`.

``python -m registry.rerun`` reads a `Job` as one JSON document on standard input, runs the pipeline in the working
directory with its artifacts in the folder named, and writes the run predicate as canonical JSON to the file `result`,
with the member `stood_in` for the steps whose kept tables were taken, and why. It signs nothing, opens no ledger and
stores no model: what the model learned is compared by its fingerprint.

Exit status 0 when a run was written (succeeded or failed), 2 with one line on standard error otherwise.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import AffidavitError
from registry.artifacts import ArtifactStore
from registry.fingerprint_key import FingerprintKey
from registry.privacy import Privacy
from registry.recorded_values import from_json
from registry.run import run_pipeline
from registry.standing_in import stand_in_for
from registry.target import load_target

__all__ = ["Job", "main"]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, with what, and where the result goes."""

    target: str
    parameters: JsonObject
    """The parameters (`step.NAME`) as a run records them."""
    artifacts: Path
    result: Path
    kept: JsonObject
    """The kept tables that may stand in for steps (`registry.standing_in`)."""
    key: FingerprintKey | None
    privacy: Json
    """The privacy rules that were in force, as a run records them; null for none."""
    small_cell: int | None
    """With what its groups were told (`registry.run_evaluation`)."""

    def to_json(self) -> JsonObject:
        """Write the job; it holds the key."""
        return {
            "target": self.target,
            "parameters": self.parameters,
            "artifacts": str(self.artifacts),
            "result": str(self.result),
            "kept": self.kept,
            "key": None if self.key is None else self.key.secret.hex(),
            "privacy": self.privacy,
            "small_cell": self.small_cell,
        }

    @classmethod
    def read(cls, data: bytes) -> "Job":
        """Read what `to_json` wrote, as canonical JSON."""
        said = cast(JsonObject, decode(data))
        return cls(
            target=str(said["target"]),
            parameters=cast(JsonObject, said["parameters"]),
            artifacts=Path(str(said["artifacts"])),
            result=Path(str(said["result"])),
            kept=cast(JsonObject, said["kept"]),
            key=None if said["key"] is None else FingerprintKey(bytes.fromhex(str(said["key"]))),
            privacy=said["privacy"],
            small_cell=cast("int | None", said["small_cell"]),
        )


def main(job: Job) -> int:
    """Do one job and return the exit status."""
    try:
        target = load_target(job.target)
        stood_in = stand_in_for(target.pipeline, job.kept)
        result = run_pipeline(
            target.pipeline,
            {name: from_json(value) for name, value in job.parameters.items()},
            artifacts=ArtifactStore(job.artifacts),
            target=target.text,
            progress=lambda line: print(line, file=sys.stderr),  # noqa: T201 - to who waits for this process
            key=job.key,
            privacy=Privacy.from_json(job.privacy),
            # A run of an earlier version keyed columns by their names alone.
            named_alone=not (isinstance(job.privacy, dict) and "key" in job.privacy),
            unprofiled="a rerun is compared by its fingerprints",
            store_model=False,
            small_cell=job.small_cell,
        )
    except AffidavitError as error:
        print(error, file=sys.stderr)  # noqa: T201 - likewise
        return 2
    said: JsonObject = {**result.predicate, "stood_in": dict(stood_in)}
    job.result.write_bytes(encode(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(Job.read(sys.stdin.buffer.read())))
