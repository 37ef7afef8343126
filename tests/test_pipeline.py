"""Steps are declared as plain functions, and their order follows from the names of their arguments."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from audit.errors import MalformedInput
from registry.pipeline import Pipeline

if TYPE_CHECKING:
    from elsewhere import Unknown  # type: ignore[import-not-found]


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline("mortgage")


def names(pipeline: Pipeline, **given: object) -> list[str]:
    return [planned.step.name for planned in pipeline.plan(given)]


def test_a_decorated_function_stays_the_function_it_was(pipeline: Pipeline) -> None:
    def double(n: int = 2) -> int:
        return 2 * n

    assert pipeline.step(double) is double
    assert double(4) == 8


def test_the_order_follows_the_arguments_and_ties_keep_the_declaration(pipeline: Pipeline) -> None:
    @pipeline.step
    def model(split: Any) -> None: ...

    @pipeline.step
    def second() -> None: ...

    @pipeline.step()
    def split(applications: Any) -> None: ...

    @pipeline.step
    def applications() -> None: ...

    assert names(pipeline) == ["second", "applications", "split", "model"]


def test_an_argument_with_a_step_of_its_name_is_that_step_even_with_a_default(pipeline: Pipeline) -> None:
    @pipeline.step
    def load() -> int:
        return 5

    @pipeline.step
    def use(load: int = 1, n: int = 2) -> int:
        return load + n

    _, planned = pipeline.plan({})
    assert planned.after == ("load",)
    assert planned.parameters == {"n": 2}
    assert planned.call({"load": 5}) == 7


def test_positional_only_arguments_are_passed_by_position(pipeline: Pipeline) -> None:
    @pipeline.step
    def use(n: int = 2, /, m: int = 3) -> tuple[int, int]:
        return n, m

    [planned] = pipeline.plan({"n": 4})
    assert planned.call({}) == (4, 3)


def test_a_missing_name_is_answered_with_the_step_and_near_names(pipeline: Pipeline) -> None:
    @pipeline.step
    def applications() -> None: ...

    @pipeline.step
    def split(aplications: Any) -> None: ...

    with pytest.raises(
        MalformedInput, match=r"the step split asks for aplications.*did you mean applications"
    ):
        pipeline.plan({})


def test_a_required_parameter_is_given_by_its_name(pipeline: Pipeline) -> None:
    @pipeline.step
    def load(source: str) -> None: ...

    [planned] = pipeline.plan({"source": "a.csv"})
    assert planned.parameters == {"source": "a.csv"}


def test_a_circle_is_shown_by_its_names(pipeline: Pipeline) -> None:
    @pipeline.step
    def outside(a: Any) -> None: ...

    @pipeline.step
    def a(c: Any) -> None: ...

    @pipeline.step
    def b(a: Any) -> None: ...

    @pipeline.step
    def c(b: Any) -> None: ...

    with pytest.raises(
        MalformedInput, match=r"in a circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"
    ):
        pipeline.plan({})


def test_a_step_that_asks_for_itself_is_a_circle(pipeline: Pipeline) -> None:
    @pipeline.step
    def model(model: Any) -> None: ...

    with pytest.raises(MalformedInput, match="model -> model"):
        pipeline.plan({})


def test_two_steps_of_one_name_are_refused(pipeline: Pipeline) -> None:
    def load() -> None: ...

    pipeline.step(load)
    with pytest.raises(MalformedInput, match="already has a step load"):
        pipeline.step(load)


async def coroutine() -> None: ...


def generator() -> Any:
    yield 1


async def stream() -> Any:
    yield 1


def many(*tables: Any) -> None: ...


def options(**more: Any) -> None: ...


def umlaut(größe: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (coroutine, "asynchronous"),
        (stream, "asynchronous"),
        (generator, "generator"),
        (many, r"\*tables"),
        (options, r"\*\*more"),
        (umlaut, "ASCII"),
        (lambda: 1, "use def"),
        (3, "a step is a function"),
    ],
)
def test_what_cannot_be_recorded_is_refused_when_it_is_declared(
    pipeline: Pipeline, function: Callable[..., object], words: str
) -> None:
    with pytest.raises(MalformedInput, match=words):
        pipeline.step(function)


def test_a_step_given_as_a_parameter_is_refused(pipeline: Pipeline) -> None:
    @pipeline.step
    def load() -> None: ...

    with pytest.raises(MalformedInput, match="load is a step"):
        pipeline.plan({"load": 1})


def test_a_pipeline_without_steps_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(MalformedInput, match="no steps"):
        pipeline.plan({})


@pytest.mark.parametrize("name", ["", "a b", "a@1", "a\n"])
def test_a_name_that_no_model_can_have_is_refused(name: str) -> None:
    with pytest.raises(MalformedInput, match="name"):
        Pipeline(name)


def test_an_unknown_model_format_is_refused() -> None:
    with pytest.raises(MalformedInput, match="skops or pickle"):
        Pipeline("m", model_format="joblib")  # type: ignore[arg-type]


def test_a_second_evaluation_is_refused(pipeline: Pipeline) -> None:
    @pipeline.evaluate(sensitive=["race"])
    def first() -> None: ...

    with pytest.raises(MalformedInput, match="already evaluates in first"):

        @pipeline.evaluate()
        def second() -> None: ...


def test_evaluate_without_brackets_is_answered_with_how_to_write_it(pipeline: Pipeline) -> None:
    with pytest.raises(TypeError):
        pipeline.evaluate(lambda: None)  # type: ignore[call-arg, arg-type]


def test_a_sensitive_column_that_is_no_text_is_refused(pipeline: Pipeline) -> None:
    columns: Any = ["race", 7]
    with pytest.raises(MalformedInput, match="sensitive names columns by text, not by 7"):
        pipeline.evaluate(sensitive=columns)


def test_sensitive_as_one_text_is_answered_with_how_to_write_it(pipeline: Pipeline) -> None:
    with pytest.raises(MalformedInput, match=r'sensitive=\["race"\]'):
        pipeline.evaluate(sensitive="race")


def test_an_unknown_option_of_an_evaluation_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(MalformedInput, match="did you mean positive"):
        pipeline.evaluate(positiv="yes")


def test_an_annotation_that_cannot_be_resolved_does_not_hide_the_others(pipeline: Pipeline) -> None:
    @pipeline.step
    def load(thing: "Unknown" = None, n: "int" = 1) -> None: ...

    with pytest.raises(MalformedInput, match="takes a whole number"):
        pipeline.plan({"n": "x"})
    assert pipeline.plan({"thing": object()})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicates": "many"}, "replicates is a whole number from 100, not 'many'"),
        ({"replicates": 99}, "replicates is a whole number from 100"),
        ({"minimum": -3}, "minimum is a whole number from 1"),
        ({"seed": True}, "seed is a whole number from 0"),
        ({"confidence": 95}, "confidence is a share between 0 and 1"),
        ({"confidence": float("nan")}, "confidence is a share between 0 and 1"),
    ],
)
def test_an_evaluation_that_cannot_be_done_is_refused_where_it_is_declared(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(MalformedInput, match=message):
        Pipeline("p").evaluate(**cast(dict[str, Any], options))
