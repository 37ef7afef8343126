"""Model files: a fitted model in the artifact store, and back.

Rules:

- skops is the format, because reading it runs no code of the file's choosing. A pickle is written only when it
  is asked for, is marked as such, and is read only when that is asked for too.
- Reading goes: digest first, list of reviewed types second, the model last. What a file itself says that it
  needs (`get_untrusted_types`) is compared with the list and never becomes it.
- The bytes of a skops file differ from save to save: the digest names the file, the fingerprint the learned state.

>>> description = save_model(fitted, store)                    # doctest: +SKIP
>>> read_model(description, store).predict(rows)               # doctest: +SKIP
"""

import io
import pickle
from collections.abc import Iterable
from numbers import Integral
from typing import Literal, cast

from audit.canonical import Json, JsonObject
from audit.errors import EnvironmentFailed, MalformedInput, NotPermitted
from audit.report import counted
from registry.artifacts import ArtifactStore
from registry.held import written
from registry.model_state import class_path, fingerprint_model
from registry.sentences import listed

__all__ = ["REVIEWED", "ModelFormat", "checked_format", "describe_model", "read_model", "save_model"]

ModelFormat = Literal["skops", "pickle"]

REVIEWED = frozenset(
    {
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.DotProduct",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.RationalQuadratic",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._classification.balanced_accuracy_score",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.metrics._dist_metrics.MinkowskiDistance64",
        "sklearn.metrics._scorer._CurveScorer",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.model_selection._split.GroupKFold",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    }
)
"""Types beyond skops' own list that stock scikit-learn models are made of. Each was read: building one runs no code
of the file's choosing. Trees hold raw indices that scikit-learn does not check, so a forged file could crash the
reader; that is why the digest, which a signed entry names, comes first."""


def checked_format(format: str) -> ModelFormat:  # noqa: A002 - the name that its users give it
    """Return the format of a model's file, or raise `MalformedInput` where there is none of that name."""
    match format:
        case "skops" | "pickle":
            return format
    raise MalformedInput(f"{format!r} is no model format: choose skops or pickle")


def save_model(
    model: object,
    artifacts: ArtifactStore,
    *,
    format: str = "skops",  # noqa: A002 - likewise
    features: Iterable[object] | None = None,
) -> JsonObject:
    """Store a fitted model and return the run predicate's `model_file`.

    `features` are the names of the columns it was fitted on; without them, the model's own `feature_names_in_`.
    Raises `MalformedInput` where the format cannot hold the model, and where the model remembers other features.
    """
    format = checked_format(format)  # noqa: A001 - likewise
    data = _to_pickle(model) if format == "pickle" else _to_skops(model)
    unreviewed = _unreviewed(data, ()) if format == "skops" else []
    if nameless := [name for name in unreviewed if "<" in name]:
        # skops writes a lambda by a name that no reader can find again.
        raise MalformedInput(
            f"skops cannot store the model of the type {class_path(model)}: it holds {', '.join(nameless)}; define "
            "functions and classes by name at the top of a module"
        )
    described = describe_model(model, format=format, features=features)
    described |= {"sha256": artifacts.put(data), "bytes": len(data)}
    if unreviewed:
        described["unreviewed"] = cast(list[Json], unreviewed)
    return described


def describe_model(
    model: object,
    *,
    format: ModelFormat,  # noqa: A002 - likewise
    features: Iterable[object] | None = None,
) -> JsonObject:
    """Return the run predicate's `model_file` without what is about the file: nothing is stored."""
    described: JsonObject = {
        "format": format,
        "fingerprint": None,
        "class": class_path(model),
        "features": _features(model, features),
    }
    try:
        described["fingerprint"] = fingerprint_model(model)
    except MalformedInput as error:
        described["note"] = f"the learned state has no fingerprint: {error}"
    return described


def read_model(
    described: JsonObject,
    artifacts: ArtifactStore,
    *,
    trusted: Iterable[str] = (),
    allow_pickle: bool = False,
) -> object:
    """Read a model that `save_model` described.

    `trusted` are types that the caller has reviewed beyond `REVIEWED`. Raises `NotVerified` where the file is not
    the recorded one, and `NotPermitted` where it is a pickle or holds types that nobody reviewed.
    """
    data = artifacts.get(str(described["sha256"]))
    if described["format"] == "pickle":
        if not allow_pickle:
            raise NotPermitted(
                "this model is a pickle, and reading one runs its code: allow it by allow_pickle=True"
            )
        return pickle.loads(data)  # noqa: S301 - the digest was checked, and the caller asked for it
    if described["format"] != "skops":
        raise MalformedInput(f"the model file's format is {described['format']!r}, which is not known here")
    reviewed = sorted({*REVIEWED, *trusted})
    if unreviewed := _unreviewed(data, reviewed):
        raise NotPermitted(
            f"the model file holds types that nobody reviewed: {', '.join(unreviewed)}; read what they do and name "
            "them in trusted=[...]"
        )
    import skops.io

    try:
        return skops.io.loads(data, trusted=reviewed)
    except Exception as error:  # skops raises whatever the classes it builds raise
        raise MalformedInput(
            f"the model file cannot be read with the installed scikit-learn: {type(error).__name__}: {error}"
        ) from error


def _to_skops(model: object) -> bytes:
    try:
        import skops.io
    except ImportError as error:
        raise EnvironmentFailed("storing a model needs the package skops: pip install skops") from error
    try:
        return bytes(skops.io.dumps(model))
    except Exception as error:  # skops raises whatever the objects it takes apart raise
        raise MalformedInput(
            f"skops cannot store the model of the type {class_path(model)} ({type(error).__name__}): make it of "
            'stock parts, or ask for a pickle (Pipeline(..., model_format="pickle") or run.model(..., format="pickle"))'
        ) from error


def _to_pickle(model: object) -> bytes:
    try:
        return pickle.dumps(model, protocol=5)
    except Exception as error:  # pickling runs the code of every class involved
        raise MalformedInput(
            f"pickle cannot store the model of the type {class_path(model)} ({type(error).__name__}): define its "
            "functions and classes at the top of a module"
        ) from error


def _unreviewed(data: bytes, reviewed: Iterable[str]) -> list[str]:
    """Name the types in a skops file that neither skops nor this project has reviewed."""
    import skops.io

    try:
        needed = skops.io.get_untrusted_types(file=cast(str, io.BytesIO(data)))
    except Exception as error:  # a damaged or forged file fails in any way
        raise MalformedInput(f"the model file is not a skops file: {type(error).__name__}") from error
    return sorted(set(needed) - REVIEWED - set(reviewed))


def _features(model: object, features: Iterable[object] | None) -> Json:
    names = getattr(model, "feature_names_in_", None) if features is None else features
    if names is None:
        return None
    if isinstance(names, str):
        raise MalformedInput(f"features takes the names of all columns: write features=[{names!r}]")
    said = written(names)
    if features is not None:
        _refuse_others(model, said)
    return list[Json](said)


def _refuse_others(model: object, said: tuple[str, ...]) -> None:
    """Refuse names of features that are not as many as the model remembers, or others than it remembers.

    A model that remembers neither, as many outside scikit-learn do, contradicts nothing.
    """
    names = getattr(model, "feature_names_in_", None)
    own = () if names is None else written(names)
    count = getattr(model, "n_features_in_", len(own) or None)
    if isinstance(count, Integral) and count != len(said):
        raise MalformedInput(
            f"features= names {counted(len(said), 'column')} ({listed(said)}), and the model was fitted on {count}: "
            "name all that it was fitted on, in order"
        )
    # Names that are not as many were set by somebody else, and say nothing (`registry.estimators.input_names`).
    if len(own) != len(said) or _are_places(own):
        return
    for name, other in zip(said, own, strict=True):
        if _without_spaces(name) != _without_spaces(other):
            raise MalformedInput(
                f"features= names {name} where the model was fitted on {other}: leave features= out, or name the "
                "columns that it was fitted on, in order"
            )


def _are_places(names: tuple[str, ...]) -> bool:
    """Say whether names stand for places only, as LightGBM makes them up for an array."""
    return all(name == f"Column_{place}" for place, name in enumerate(names))


def _without_spaces(name: str) -> str:
    """Write a name as LightGBM remembers it."""
    return "_".join(name.split())
