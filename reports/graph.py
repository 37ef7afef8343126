"""The lineage of one version as a graph: from sources through steps and tables to the model and decisions.

Rules:

- Nodes and edges come from what the run recorded: a part that went into a step is joined to the step that
  made it, by name, or by fingerprint where the name changed on the way.
- A large graph is made smaller in stated ways only: a table that is all that the step of its name made stands
  in that step's box; then all tables fold into the steps that made them, then chains of steps fold into one box
  that says how many they are. Nothing else is left out.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from reports.facts import Approval, Decision, EntryFacts, Part, Run, Step
from reports.formats import short

__all__ = ["MOST_NODES", "Graph", "Node", "lineage"]

MOST_NODES = 34
COMFORTABLE = 15


@dataclass(frozen=True, slots=True)
class Node:
    """One box: its kind is source, step, table, model, evaluation, approval or decision."""

    id: str
    kind: str
    name: str
    digest: str | None
    entry: int | None


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes in a fixed order and the edges between their ids; `folded` says what was made smaller."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    folded: str | None = None


def lineage(
    entry: EntryFacts, run: Run, approvals: Sequence[Approval], decisions: Sequence[Decision]
) -> Graph:
    """Draw up the graph of one version, small enough to be read on one page."""
    graph = _of_run(entry.seq, run)
    if len(graph.nodes) + len(approvals) + len(decisions) > COMFORTABLE:
        told = "A table that is all that the step of its name made is not drawn beside it."
        graph = _without(graph, _namesakes(graph, run), told)
    if len(graph.nodes) + len(approvals) + len(decisions) > MOST_NODES:
        tables = {node.id for node in graph.nodes if node.kind == "table"}
        graph = _without(graph, tables, "Tables are folded into the steps that made them.")
        if len(graph.nodes) + len(approvals) + len(decisions) > MOST_NODES // 2:
            graph = _chains_folded(graph)
    return _with_people(graph, approvals, decisions)


def _of_run(seq: int, run: Run) -> Graph:
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    made: dict[str, str] = {}
    for index, source in enumerate(run.sources):
        nodes.append(Node(f"source-{index:03}", "source", source.uri.rpartition("/")[2] or source.uri,
                          short(source.digest) if source.digest else None, seq))  # fmt: skip
        edges.append((f"source-{index:03}", f"step-{source.step}"))
    for step in run.steps:
        kind = "evaluation" if step.kind == "evaluate" else "step"
        digest = short(step.source) if step.source else None
        nodes.append(Node(f"step-{step.name}", kind, step.name, digest, seq))
        edges.extend((origin, f"step-{step.name}") for origin in _origins(step, made))
        for part in step.outputs:
            _add_output(step, part, seq, nodes, edges, made)
    if run.model_file is not None and not any(node.kind == "model" for node in nodes):
        digest = run.model_file.fingerprint or run.model_file.sha256
        nodes.append(
            Node("model", "model", (run.model_file.kind or "model").rpartition(".")[2], short(digest), seq)
        )
        edges.extend((f"step-{step.name}", "model") for step in run.steps[-1:] if step.kind != "evaluate")
    if run.evaluation is not None and not any(node.kind == "evaluation" for node in nodes):
        nodes.append(Node("evaluation", "evaluation", "evaluation", None, seq))
        edges.extend((node.id, "evaluation") for node in nodes if node.kind == "model")
    known = {node.id for node in nodes}
    unique = dict.fromkeys(edge for edge in edges if edge[0] in known and edge[1] in known)
    return Graph(tuple(nodes), tuple(unique))


def _add_output(
    step: Step,
    part: Part,
    seq: int,
    nodes: list[Node],
    edges: list[tuple[str, str]],
    made: dict[str, str],
) -> None:
    at = f"step-{step.name}"
    if part.kind in ("table", "model") and step.kind != "evaluate":
        at = f"part-{part.name}"
        digest = short(part.fingerprint) if part.fingerprint else None
        nodes.append(Node(at, part.kind, part.name, digest, seq))
        edges.append((f"step-{step.name}", at))
    made[part.name] = at
    if part.fingerprint:
        made.setdefault(part.fingerprint, at)


def _origins(step: Step, made: dict[str, str]) -> list[str]:
    """List the nodes a step draws on: its inputs where they are known, else the steps it came after."""
    found = [made.get(part.name) or made.get(part.fingerprint or "") for part in step.inputs]
    origins = [origin for origin in found if origin is not None]
    drawn = {origin.partition("-")[2].partition(".")[0] for origin in origins}
    return origins + [f"step-{name}" for name in step.after if name not in drawn]


def _namesakes(graph: Graph, run: Run) -> set[str]:
    """Find the tables that are the only product of a step of the same name."""
    tables = {node.id for node in graph.nodes if node.kind == "table"}
    return {
        f"part-{step.name}"
        for step in run.steps
        if [part.name for part in step.outputs] == [step.name] and f"part-{step.name}" in tables
    }


def _without(graph: Graph, ids: Collection[str], told: str) -> Graph:
    """Remove nodes, joining what came before each to what came after it."""
    if not ids:
        return graph
    edges = list(graph.edges)
    for node in graph.nodes:
        if node.id not in ids:
            continue
        before = [start for start, end in edges if end == node.id]
        after = [end for start, end in edges if start == node.id]
        edges = [edge for edge in edges if node.id not in edge]
        edges.extend((start, end) for start in before for end in after)
    nodes = tuple(node for node in graph.nodes if node.id not in ids)
    return Graph(nodes, tuple(dict.fromkeys(edges)), told)


def _chains_folded(graph: Graph) -> Graph:
    """Fold each chain of two or more steps, joined only to one another, into one box."""
    into = Counter(end for _, end in graph.edges)
    out = Counter(start for start, _ in graph.edges)
    kinds = {node.id: node.kind for node in graph.nodes}
    follows = {
        start: end
        for start, end in graph.edges
        if out[start] == 1 and into[end] == 1 and kinds[start] == kinds[end] == "step"
    }
    heads = [node.id for node in graph.nodes if node.id in follows and node.id not in follows.values()]
    member: dict[str, str] = {}
    names: dict[str, str] = {}
    by_id = {node.id: node for node in graph.nodes}
    for head in heads:
        chain = [head]
        while chain[-1] in follows:
            chain.append(follows[chain[-1]])
        member.update(dict.fromkeys(chain, head))
        names[head] = f"{len(chain)} steps: {by_id[head].name} … {by_id[chain[-1]].name}"
    if not heads:
        return graph
    nodes = tuple(
        replace(node, name=names[node.id], digest=None) if node.id in names else node
        for node in graph.nodes
        if member.get(node.id, node.id) == node.id
    )
    joined = ((member.get(start, start), member.get(end, end)) for start, end in graph.edges)
    edges = tuple(dict.fromkeys(edge for edge in joined if edge[0] != edge[1]))
    return Graph(nodes, edges, f"{graph.folded} Chains of steps are folded into one box.")


def _with_people(graph: Graph, approvals: Sequence[Approval], decisions: Sequence[Decision]) -> Graph:
    starts = {start for start, _ in graph.edges}
    ends = [node for node in graph.nodes if node.id not in starts]
    spoken = [node for node in ends if node.kind in ("model", "evaluation")] or ends
    nodes, edges = list(graph.nodes), list(graph.edges)
    for approval in approvals:
        words = "rejected" if approval.verdict == "reject" else "approved"
        at = f"approval-{approval.entry.seq:09}"
        name = f"{_doubted(approval.entry)}{approval.role or 'person'}: {words}"
        nodes.append(Node(at, "approval", name, approval.entry.leaf_hash[:12], approval.entry.seq))
        edges.extend((node.id, at) for node in spoken)
    given = {approval.entry.seq for approval in approvals}
    for decision in decisions:
        at = f"decision-{decision.entry.seq:09}"
        name = f"{_doubted(decision.entry)}{decision.stage}: {decision.decision}"
        nodes.append(Node(at, "decision", name, decision.entry.leaf_hash[:12], decision.entry.seq))
        used = [f"approval-{seq:09}" for seq in decision.approvals if seq in given]
        edges.extend((start, at) for start in (used or [node.id for node in spoken]))
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges))


def _doubted(entry: EntryFacts) -> str:
    # In front, since a long name is cut at its end.
    return "in doubt: " if entry.doubts else ""
