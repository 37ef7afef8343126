"""An example dossier for tests and for the eye: a mortgage model with every part that a report can show."""

import hashlib
from typing import Any

from audit.canonical import Json
from registry.profile import ColumnProfile, Profile
from reports.dossier import Dossier, EntryFacts, compose
from reports.facts import TableProfile

KEYS = {"recorder": "a3" * 16, "validator": "b7" * 16, "approver": "c9" * 16}
PEOPLE = {"recorder": "training service", "validator": "Nadja Weiß", "approver": "Samuel Okafor"}
EVIDENCE = hashlib.sha256(b"evidence").hexdigest()


def digest(*parts: object) -> str:
    """Make a digest that looks like one and is the same every time."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def table(name: str, rows: int, columns: int) -> dict[str, Json]:
    """Describe a table that went in or came out."""
    return {
        "name": name,
        "kind": "table",
        "fingerprint": f"affidavit-table-v1:sha256:{digest('table', name)}",
        "rows": rows,
        "columns": columns,
        "document": digest("document", name),
    }


def figure(
    name: str, value: float | None, width: float, n: int, note: str | None = None, **more: Json
) -> dict[str, Json]:
    """Make a figure with an interval of about the width given; no value, no interval."""
    low = None if value is None else f"{max(value - width, 0):.6f}"
    high = None if value is None else f"{min(value + width, 1):.6f}"
    told: dict[str, Json] = {
        "name": name,
        "value": None if value is None else f"{value:.6f}",
        "low": low,
        "high": high,
        "n": n,
        "note": note,
    }
    return {**told, **more}


def group(
    columns: list[str], values: list[str], n: int, rates: tuple[float, float, float, float] | None
) -> dict[str, Json]:
    """Make one group; None for rates means that it is too small."""
    names = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
    note = None if rates else f"{n} rows, fewer than 30"
    metrics: list[Json] = [
        figure(name, rates[index] if rates else None, 0.9 / max(n, 1) ** 0.5, n, note)
        for index, name in enumerate(names)
    ]
    return {
        "group": dict(zip(columns, values, strict=True)),
        "name": ", ".join(values),
        "n": n,
        "enough": rates is not None,
        "metrics": metrics,
    }


def attribute(
    columns: list[str], groups: list[dict[str, Json]], missing: int, ratio: float
) -> dict[str, Json]:
    """Make one protected attribute with its groups and disparities."""
    between: Json = [groups[0]["name"], groups[-1]["name"]]
    return {
        "attribute": " x ".join(columns),
        "columns": list(columns),
        "missing": missing,
        "minimum": 30,
        "groups_omitted": 0,
        "groups": list(groups),
        "disparities": [
            figure("demographic_parity_difference", (1 - ratio) * 0.9084, 0.061, 583, None, between=between),
            figure("demographic_parity_ratio", ratio, 0.071, 583, None, between=between),
            figure("equalized_odds_difference", 0.2113, 0.1012, 461, None, between=between),
        ],
    }


def evaluation() -> dict[str, Json]:
    """Make the evaluation of the example: race, marital status and their intersection."""
    race = attribute(
        ["race"],
        [
            group(["race"], ["black"], 59, (0.6271, 0.7317, 0.3889, 0.7119)),
            group(["race"], ["hispanic"], 33, (0.7273, 0.8, 0.5, 0.7576)),
            group(["race"], ["white"], 502, (0.9084, 0.9532, 0.5902, 0.8845)),
        ],
        3,
        0.6903,
    )
    married = attribute(
        ["married"],
        [
            group(["married"], ["no"], 203, (0.8473, 0.91, 0.5814, 0.8079)),
            group(["married"], ["yes"], 393, (0.8779, 0.9383, 0.5556, 0.8753)),
        ],
        1,
        0.9652,
    )
    both = attribute(
        ["race", "married"],
        [
            group(["race", "married"], ["black", "no"], 24, None),
            group(["race", "married"], ["black", "yes"], 35, (0.6, 0.7, 0.4, 0.6857)),
            group(["race", "married"], ["hispanic", "no"], 9, None),
            group(["race", "married"], ["hispanic", "yes"], 24, None),
            group(["race", "married"], ["white", "no"], 170, (0.8882, 0.9412, 0.5588, 0.8412)),
            group(["race", "married"], ["white", "yes"], 331, (0.9184, 0.9592, 0.6, 0.9063)),
        ],
        4,
        0.6533,
    )
    return {
        "n": 597,
        "task": "binary classification",
        "positive": "1",
        "labels": ["0", "1"],
        "confidence": "0.95",
        "replicates": 2000,
        "seed": 0,
        "method": "percentile bootstrap over counts",
        "metrics": [
            figure("accuracy", 0.871204, 0.0255, 597),
            figure("selection_rate", 0.8676, 0.027, 597),
            figure("base_rate", 0.8777, 0.0262, 597),
            figure("true_positive_rate", 0.928, 0.0222, 524),
            figure("false_positive_rate", 0.5616, 0.1122, 73),
            figure("precision", 0.9221, 0.0231, 518),
            figure("roc_auc", 0.80321, 0.0525, 597),
            figure("brier_score", 0.0949, 0.0163, 597),
        ],
        "bias": [race, married, both],
        "artifact": None,
    }


def step(
    name: str, after: list[str], inputs: list[Json], outputs: list[Json], **parameters: Json
) -> dict[str, Json]:
    """Make one step that succeeded."""
    seed = parameters.get("seed")
    return {
        "name": name,
        "kind": "evaluate" if name == "evaluation" else "step",
        "source": digest("source", name),
        "status": "succeeded",
        "parameters": dict(parameters),
        "seed": seed,
        "duration_s": f"0.{len(name):02}4",
        "after": list(after),
        "inputs": inputs,
        "outputs": outputs,
    }


def steps() -> list[Json]:
    """Make the four steps of the example."""
    raw, train, test = (
        table("applications", 1989, 12),
        table("split.train", 1392, 12),
        table("split.test", 597, 12),
    )
    model: dict[str, Json] = {
        "name": "model",
        "kind": "model",
        "type": "sklearn.pipeline.Pipeline",
        "fingerprint": f"affidavit-model-v1:sha256:{digest('model')}",
        "rows": None,
        "columns": None,
        "document": None,
    }
    return [
        step("applications", [], [], [raw], source="loanapp.csv"),
        step("split", ["applications"], [raw], [train, test], test_size={"decimal": "0.3"}, seed=7),
        step("model", ["split"], [train], [model], C={"decimal": "1.0"}, class_weight=None),
        step("evaluation", ["model", "split"], [model, test], []),
    ]


def run_predicate(**changes: Any) -> dict[str, Json]:
    """Make the predicate of a run that succeeded; name members to change them."""
    return {
        **common("recorder", "2026-11-23T08:00:00.123456Z"),
        "model": "mortgage",
        "status": "succeeded",
        "failure": None,
        "started": "2026-11-23T07:59:57.101222Z",
        "duration_s": "2.914",
        "how": "pipeline",
        "code": {
            "commit": hashlib.sha1(b"commit").hexdigest(),
            "branch": "main",
            "remote": "https://git.bank.example/credit/mortgage.git",
            "dirty": True,
            "patch": digest("patch"),
            "untracked": 1,
            "target": "mortgage.py:mortgage",
            "source": digest("code"),
        },
        "environment": {
            "python": "3.11.7",
            "implementation": "CPython",
            "platform": "Linux-6.1.0-26-amd64-x86_64-with-glibc2.36",
            "machine": "x86_64",
            "cpu_count": 2,
            "variables": {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
            "packages": {"count": 87, "artifact": digest("packages")},
        },
        "steps": steps(),
        "sources": [
            {
                "step": "applications",
                "parameter": "source",
                "uri": "loanapp.csv",
                "sha256": digest("loanapp"),
                "bytes": 183_442,
            }
        ],
        "evaluation": evaluation(),
        "model_file": {
            "format": "skops",
            "sha256": digest("skops"),
            "bytes": 24_816,
            "fingerprint": f"affidavit-model-v1:sha256:{digest('model')}",
            "class": "sklearn.pipeline.Pipeline",
            "features": [
                "loan_to_value",
                "debt_to_income",
                "housing_expense",
                "credit_history",
                "self_employed",
                "unemployment",
                "cosigner",
            ],
        },
        **changes,
    }


def common(role: str, time: str) -> dict[str, Json]:
    """Make the members that every predicate has."""
    return {
        "ledger": "bank.example/models",
        "entry_id": "0193580f-6a7b-7c1d-8e2f-3a4b5c6d7e8f",
        "signed_at": time,
        "observed": {"size": 3, "root": digest("observed")},
        "role": role,
    }


def rule(name: str, message: str, *clauses: str) -> dict[str, Json]:
    """Make one rule of a policy, without an outcome."""
    return {"id": name, "policy": name.partition("-")[0], "message": message, "clauses": list(clauses)}


RULES = [
    rule("baseline-1", "The run has a clean working tree, or its patch is stored.", "SR 26-2 III.A"),
    rule("baseline-2", "Accuracy is at least 0.800: 0.871, n = 597.", "SR 26-2 III.B"),
    rule("baseline-3", "A validator other than the recorder approved the evidence.", "SR 26-2 IV"),
    rule("lending-1", "The selection rate ratio by race is at least 0.800: 0.690.", "12 CFR 1002.4(a)"),
    rule("lending-2", "The equalized odds difference by race is at most 0.250: 0.211.", "12 CFR 1002.4(a)"),
    rule("lending-3", "Every intersection has enough data.", "12 CFR 1002.4(a)", "12 CFR 1002.6(b)"),
    rule("lending-4", "The selection rate ratio by married is at least 0.800: 0.965.", "12 CFR 1002.4(a)"),
]


def decision_predicate(
    decision: str, outcomes: list[str], approvals: list[int], time: str, **changes: Any
) -> dict[str, Json]:
    """Make the predicate of a decision on production, one outcome for each of `RULES`."""
    rules: list[Json] = [{**rule, "outcome": outcome} for rule, outcome in zip(RULES, outcomes, strict=True)]
    return {
        **common("approver", time),
        "model": "mortgage",
        "version": 1,
        "stage": "production",
        "action": "promote",
        "decision": decision,
        "reason": None,
        "evidence": EVIDENCE,
        "policies": [
            {"name": "baseline", "sha256": digest("baseline")},
            {"name": "lending", "sha256": digest("lending")},
        ],
        "rules": rules,
        "approvals": list(approvals),
        **changes,
    }


def approval_predicate(role: str, meaning: str, time: str, **changes: Any) -> dict[str, Json]:
    """Make the predicate of an approval for production."""
    return {
        **common(role, time),
        "model": "mortgage",
        "version": 1,
        "stage": "production",
        "verdict": "approve",
        "meaning": meaning,
        "evidence": EVIDENCE,
        **changes,
    }


def entry(seq: int, kind: str, role: str, time: str, predicate: dict[str, Json]) -> EntryFacts:
    """Make the facts of one entry."""
    return EntryFacts(seq, kind, time, KEYS[role], PEOPLE[role], digest("leaf", seq), predicate)


def run_entry(**changes: Any) -> EntryFacts:
    """Make the entry of the run."""
    return entry(6, "run", "recorder", "2026-11-23T08:00:00.208113Z", run_predicate(**changes))


REFUSED = ["passed", "passed", "missing", "failed", "uncertain", "missing", "passed"]
PROMOTED = ["passed", "passed", "passed", "waived", "waived", "waived", "passed"]


def approval_entries() -> list[EntryFacts]:
    """Make a validator's and an approver's approval."""
    first, second = "2026-11-23T08:41:12.000000Z", "2026-11-23T09:02:45.500000Z"
    return [
        entry(8, "approval", "validator", first, approval_predicate(
            "validator", "Validated independently on the held-out sample; the ratio by race is accepted until the "
            "remediation of data item 14 is complete.", first)),
        entry(9, "approval", "approver", second, approval_predicate(
            "approver", "Approved for use in the north-east region.", second)),
    ]  # fmt: skip


def decision_entries() -> list[EntryFacts]:
    """Make a refusal and, after the approvals, a promotion with two rules waived."""
    first, second = "2026-11-23T08:12:30.250000Z", "2026-11-23T09:14:05.750000Z"
    return [
        entry(7, "decision", "approver", first, decision_predicate("refused", REFUSED, [], first)),
        entry(10, "decision", "approver", second, decision_predicate("promoted", PROMOTED, [8, 9], second)),
    ]


def reproduction_entry() -> EntryFacts:
    """Make a reproduction that came out identical."""
    time = "2026-11-23T09:30:00.000000Z"
    return entry(11, "reproduction", "validator", time, {
        **common("validator", time), "model": "mortgage", "version": 1, "verdict": "identical", "reason": None,
        "first_difference": None, "environment": {},
        "compared": [
            {"step": "split", "part": "split.test", "same": True}, {"step": "model", "part": "model", "same": True},
        ],
    })  # fmt: skip


def origins() -> list[Json]:
    """Make a query that was heard, and an object with its version."""
    told: dict[str, Json] = {"etag": '"9f8e"', "version": None, "bytes": 1024, "modified": None}
    query: dict[str, Json] = {
        "step": "applications", "parameter": None, "kind": "sql", "uri": "postgresql+psycopg://db.bank.example/loans",
        "how": "observed", "query": "SELECT * FROM loans", "version": None, "note": None,
    }  # fmt: skip
    stored: dict[str, Json] = {
        **query, "kind": "object", "uri": "s3://bank/loans.parquet", "how": "declared", "query": None, "version": told,
    }  # fmt: skip
    return [query, stored]


def checks() -> list[Json]:
    """Make a check that passed, one that failed and one that could not be made."""
    said: dict[str, Json] = {
        "part": "applications", "schema": digest("schema"), "name": "loans", "library": "pandera 0.35.0",
        "passed": True, "failed": [], "more": 0,
    }  # fmt: skip
    failed: dict[str, Json] = {"column": "income", "check": "greater_than(0)", "reason": None, "cases": 3}
    return [said, {**said, "passed": False, "failed": [failed]}, {**said, "passed": None}]


def profiles() -> list[TableProfile]:
    """Make the profile of the table that came in: numbers, categories, dates, and a protected column."""
    shares = tuple((f"0.{5 * n:02}".rstrip("0"), str(40 + 6 * n * n)) for n in range(1, 20))
    income = ColumnProfile(
        *("income", "int", 4, "0", None, None, 644, True, "12", "2790"), shares, "571", "480"
    )
    kinds = (("single family", 1210), ("condominium", 402), ("two family", 90))
    home = ColumnProfile(
        "home", "text", 0, "0", distinct=5, exact=True, lengths=("9", "13", "13"), values=kinds,
        hidden=2, hidden_rows=287,
    )  # fmt: skip
    race = ColumnProfile("race", "text", 3, "0").withhold("a protected column", 1000, 10)
    return [TableProfile("applications", digest("profile"), Profile(1989, (income, home, race)))]


def example(**changes: Any) -> Dossier:
    """Compose the example; name arguments of `compose` to change them."""
    arguments: dict[str, Any] = {
        "model": "mortgage",
        "version": 1,
        "stages": ("production",),
        "run": run_entry(),
        "approvals": approval_entries(),
        "decisions": decision_entries(),
        "reproductions": [reproduction_entry()],
        "origin": "bank.example/models",
        "size": 12,
        "root": digest("root"),
        "log_vkey": "bank.example/models+3f0c1c2a+ARpc2Vzc2lvbi1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk",
        "as_of": "2026-11-23T09:30:00.000000Z",
        "profiles": profiles(),
        **changes,
    }
    return compose(**arguments)
