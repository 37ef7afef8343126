"""A run, approvals and rules for the tests of gates: a small run that clears every rule here, and how to spoil it."""

import functools
from typing import Any

from registry.gate import Approval, Evidence, RuleResult, decide
from registry.policy import Policy, parse

__all__ = [
    "ACCURACY", "APPROVALS", "APPROVER", "EITHER", "HEX", "IDENTICAL", "RATIO", "ROWS", "TPR",
    "VALIDATOR", "changed", "evidence", "few_hispanic", "figure", "group", "judged", "policy", "ratio",
    "run", "said",
]  # fmt: skip

HEX = "ab" * 32


def figure(
    name: str, value: str | None, low: str | None, high: str | None, n: int, note: str | None = None
) -> Any:
    return {"name": name, "value": value, "low": low, "high": high, "n": n, "note": note}


def group(name: str, n: int, selection: str | None, tpr: str | None, positives: int) -> Any:
    few = None if tpr else "not enough data: too few rows with the positive label"
    return {
        "group": {"race": name},
        "name": name,
        "n": n,
        "enough": n >= 30,
        "metrics": [
            figure("selection_rate", selection, selection, selection, n),
            figure("true_positive_rate", tpr, tpr, tpr, positives, few),
        ],
    }


def run() -> Any:
    """A run that clears every rule here: shaped as the run predicate, small."""
    return {
        "model": "mortgage",
        "status": "succeeded",
        "failure": None,
        "how": "pipeline",
        "code": {"commit": HEX[:40], "branch": "main", "dirty": False, "patch": None, "untracked": 0},
        "environment": {"python": "3.11.7", "packages": {"count": 87, "artifact": HEX}},
        "steps": [
            {
                "name": "split",
                "seed": 7,
                "inputs": [],
                "outputs": [
                    {"name": "split.test", "kind": "table", "fingerprint": f"affidavit-table-v1:sha256:{HEX}"}
                ],
                "checks": [{"part": "split.test", "schema": HEX, "passed": True, "failed": [], "more": 0}],
            }
        ],
        "evaluation": {
            "n": 1000,
            "confidence": "0.95",
            "metrics": [
                figure("accuracy", "0.88", "0.85", "0.91", 1000),
                figure("roc_auc", "0.78", "0.70", "0.84", 1000),
            ],
            "bias": [
                {
                    "attribute": "race",
                    "columns": ["race"],
                    "missing": 5,
                    "minimum": 30,
                    "groups_omitted": 0,
                    "groups": [
                        group("black", 98, "0.87", "0.93", 69),
                        group("hispanic", 46, "0.95", "0.99", 32),
                        group("white", 851, "0.96", "0.99", 772),
                    ],
                    "disparities": [
                        figure("demographic_parity_ratio", "0.90", "0.81", "0.97", 995),
                        figure("equalized_odds_difference", "0.10", "0.05", "0.15", 995),
                    ],
                }
            ],
        },
        "model_file": {"format": "skops", "sha256": HEX},
    }


def said(
    seq: int, key: str, role: str, verdict: str = "approve", meaning: str = "I have examined it"
) -> Approval:
    return Approval(seq, key, None, role, verdict, meaning, "2026-11-23T08:00:00.000000Z")


APPROVALS = (said(2, "vera-key", "validator"), said(3, "anna-key", "approver"))


def evidence(
    predicate: Any = None, approvals: tuple[Approval, ...] = APPROVALS, verdicts: tuple[str, ...] = ()
) -> Evidence:
    reproductions = tuple({"verdict": verdict} for verdict in verdicts)
    return Evidence(
        "mortgage",
        1,
        "production",
        run() if predicate is None else predicate,
        "rec-key",
        approvals,
        reproductions,
    )


def policy(*rules: str) -> Policy:
    lines = [
        f"  - {{id: r{i}, says: Said., clauses: ['NIST-AI-RMF:MEASURE-2.1'], {rule}}}"
        for i, rule in enumerate(rules)
    ]
    return parse(
        "\n".join(["name: test", "version: 1", "title: Test", "rules:", *lines]).encode(), "test.yaml"
    )


def judged(rule: str, given: Evidence | None = None) -> RuleResult:
    decision = decide([policy(rule)], given or evidence())
    (result,) = decision.results
    assert decision.allowed is (result.outcome == "passed")
    return result


def changed(path: str, value: object) -> Any:
    """A run with one place set, such as `evaluation.metrics.0.value`."""
    predicate = run()
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = functools.reduce(lambda inner, part: inner[part], way, predicate)
    place[last] = value
    return predicate


RATIO = "kind: limit, metric: demographic_parity_ratio, of: race, operator: '>=', limit: 0.80, on: interval"
ACCURACY = "kind: limit, metric: accuracy, operator: '>=', limit: 0.80, on: point"
TPR = "kind: limit, metric: true_positive_rate, of: race, group: every, operator: '>=', limit: 0.80, on: interval"
ROWS = "kind: limit, metric: rows, of: race, group: every, operator: '>=', limit: 30, on: point"
VALIDATOR = "kind: approval, role: validator, count: 1"
APPROVER = "kind: approval, role: approver, count: 1"
IDENTICAL = "kind: reproduction, verdicts: [identical]"
EITHER = "kind: reproduction, verdicts: [identical, equivalent]"


def ratio(value: str | None, low: str | None, high: str | None) -> Evidence:
    return evidence(
        changed("evaluation.bias.0.disparities.0", figure("demographic_parity_ratio", value, low, high, 995))
    )


def few_hispanic() -> Any:
    predicate = changed("evaluation.bias.0.groups.1", group("hispanic", 28, None, None, 20))
    predicate["evaluation"]["n"] = 982
    return predicate
