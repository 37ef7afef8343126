"""Tests of the declared lineage of a run."""

from typing import Any

from registry.lineage import Edge, Node, lineage_of

MODEL = "affidavit-model-v1:sha256:" + "b" * 64


def a_run(**changed: Any) -> dict[str, Any]:
    """Say a run in the fewest fields that lineage reads: a source, two steps, and a model of two features."""
    run: dict[str, Any] = {
        "model": "loans",
        "sources": [{"step": "load", "uri": "loans.csv", "sha256": "2" * 64}],
        "steps": [
            {"name": "load", "after": [], "outputs": [{"fingerprint": "affidavit-table-v1:sha256:a"}]},
            {"name": "fit", "after": ["load"], "outputs": [{"fingerprint": MODEL}]},
        ],
        "model_file": {"fingerprint": MODEL, "features": ["income", "debt"]},
    }
    return run | changed


def test_a_model_comes_from_its_step_and_that_from_the_source() -> None:
    graph = lineage_of(a_run())
    assert graph.edges == (
        Edge("source:loans.csv", "step:load", "declared"),
        Edge("step:load", "step:fit", "declared"),
        Edge("step:fit", "model", "declared"),
        Edge("feature:income", "model", "declared"),
        Edge("feature:debt", "model", "declared"),
    )


def test_nodes_stand_in_the_order_of_the_run_and_the_model_last() -> None:
    assert [node.kind for node in lineage_of(a_run()).nodes] == [
        "source", "step", "step", "feature", "feature", "model",
    ]  # fmt: skip


def test_every_edge_joins_nodes_that_are_there() -> None:
    graph = lineage_of(a_run())
    known = {node.id for node in graph.nodes}
    assert all(edge.start in known and edge.end in known for edge in graph.edges)


def test_a_source_that_two_steps_read_is_one_node() -> None:
    read_twice = [{"step": step, "uri": "loans.csv", "sha256": "2" * 64} for step in ("load", "fit")]
    graph = lineage_of(a_run(sources=read_twice))
    assert [node.id for node in graph.nodes].count("source:loans.csv") == 1


def test_a_run_without_a_model_ends_with_its_steps() -> None:
    graph = lineage_of(a_run(model_file=None))
    assert [node.id for node in graph.nodes] == ["source:loans.csv", "step:load", "step:fit"]


def test_a_model_without_known_features_has_none() -> None:
    graph = lineage_of(a_run(model_file={"fingerprint": MODEL, "features": None}))
    assert Node("model", "model", "loans", MODEL) in graph.nodes
    assert not [node for node in graph.nodes if node.kind == "feature"]


def test_text_names_what_flows_into_each_node() -> None:
    assert list(lineage_of(a_run()).lines()) == [
        f"source loans.csv  (sha256:{'2' * 64})",
        "step load <- loans.csv",
        "step fit <- load",
        f"model loans <- fit  ({MODEL})",
        "  reads 2 features: debt, income",
    ]


def test_the_document_has_the_keys_of_the_interface() -> None:
    document = lineage_of(a_run()).to_json()
    nodes, edges = document["nodes"], document["edges"]
    assert isinstance(nodes, list)
    assert isinstance(edges, list)
    assert nodes[0] == {
        "id": "source:loans.csv",
        "kind": "source",
        "name": "loans.csv",
        "detail": f"sha256:{'2' * 64}",
    }
    assert edges[0] == {"from": "source:loans.csv", "to": "step:load", "how": "declared"}
