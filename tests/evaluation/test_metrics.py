"""The metrics against scikit-learn, and what they say where scikit-learn would guess."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossbench.errors import CrossbenchError, EvaluationError
from crossbench.evaluation.metrics import (
    CLASS_METRICS,
    METRICS,
    UndefinedMetricError,
    auroc,
    evaluate,
    evaluate_log,
    expected_by_chance,
)
from crossbench.evaluation.probabilities import as_stored, log_of, log_softmax


@st.composite
def predictions(draw):
    """Labels and probabilities; small whole weights make ties and zeros common."""
    num_classes, samples = draw(st.integers(2, 5)), draw(st.integers(1, 30))
    weights = draw(arrays(np.int64, (samples, num_classes), elements=st.integers(0, 4)))
    weights[weights.sum(axis=1) == 0] = 1
    labels = draw(arrays(np.int64, samples, elements=st.integers(0, num_classes - 1)))
    return labels, weights / weights.sum(axis=1, keepdims=True)


def reference(name, labels, probabilities):
    predicted = probabilities.argmax(axis=1)
    classes = np.arange(probabilities.shape[1])
    macro = {"average": "macro", "zero_division": 0}
    with warnings.catch_warnings():  # scikit-learn warns about the conventions asserted here
        warnings.simplefilter("ignore")
        return {
            "accuracy": lambda: sk.accuracy_score(labels, predicted),
            "balanced_accuracy": lambda: sk.balanced_accuracy_score(labels, predicted),
            "precision": lambda: sk.precision_score(labels, predicted, **macro),
            "recall": lambda: sk.recall_score(labels, predicted, **macro),
            "f1": lambda: sk.f1_score(labels, predicted, **macro),
            "mcc": lambda: sk.matthews_corrcoef(labels, predicted),
            "log_loss": lambda: sk.log_loss(labels, probabilities, labels=classes),
        }[name]()


@settings(deadline=None, max_examples=60)
@given(predictions())
@pytest.mark.parametrize("name", [name for name in METRICS if not name.startswith("auroc")])
def test_agrees_with_scikit_learn_whatever_classes_are_absent(name, sample):
    assert evaluate(*sample).metrics[name] == pytest.approx(reference(name, *sample), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(predictions())
@pytest.mark.parametrize(("name", "way"), [("auroc", "ovr"), ("auroc_ovo", "ovo")])
def test_auroc_agrees_with_scikit_learn_or_says_which_class_is_absent(name, way, sample):
    labels, probabilities = sample
    scores = evaluate(labels, probabilities)
    absent = sorted(set(range(probabilities.shape[1])) - set(labels.tolist()))
    if absent:
        assert scores.metrics[name] is None
        assert scores.undefined[name].endswith(": absent from the labels")
        assert all(str(k) in scores.undefined[name] for k in absent)
        return
    binary = probabilities.shape[1] == 2
    score = probabilities[:, 1] if binary else probabilities
    expected = sk.roc_auc_score(labels, score, multi_class=way, average="macro")
    assert scores.metrics[name] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(predictions())
def test_per_class_metrics_agree_with_scikit_learn_one_versus_rest(sample):
    labels, probabilities = sample
    scores = evaluate(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    for k in range(probabilities.shape[1]):
        positive, found = labels == k, predicted == k
        values = {name: values[k] for name, values in scores.per_class.items()}
        if positive.any():
            assert values["sensitivity"] == sk.recall_score(positive, found, zero_division=0)
            expected = sk.average_precision_score(positive, probabilities[:, k])
            assert values["auprc"] == pytest.approx(expected, abs=1e-12)
        else:
            assert values["sensitivity"] is values["auprc"] is None
        if positive.all():
            assert values["specificity"] is None
        else:
            assert values["specificity"] == sk.recall_score(~positive, ~found, zero_division=0)


@settings(deadline=None, max_examples=60)
@given(predictions())
def test_every_value_is_a_finite_float_or_none_with_a_reason(sample):
    scores = evaluate(*sample)
    assert list(scores.metrics) == list(METRICS)
    assert list(scores.per_class) == list(CLASS_METRICS)
    lists = {name: (value,) for name, value in scores.metrics.items()} | scores.per_class
    assert set(scores.undefined) == {name for name, values in lists.items() if None in values}
    values = [value for values in lists.values() for value in values if value is not None]
    assert all(type(value) is float and np.isfinite(value) for value in values)


@settings(deadline=None, max_examples=60)
@given(predictions(), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(sample, random):
    labels, probabilities = sample
    order = list(range(len(labels)))
    random.shuffle(order)
    one, other = evaluate(labels, probabilities), evaluate(labels[order], probabilities[order])
    assert other.metrics == pytest.approx(one.metrics, abs=1e-12)
    assert other.undefined == one.undefined


def test_perfect_predictions_reach_the_best_value_of_every_metric():
    scores = evaluate([0, 1, 2], np.eye(3))
    assert scores.metrics == pytest.approx(
        {name: float(row.higher_is_better) for name, row in METRICS.items()}, abs=1e-12
    )
    assert scores.per_class == dict.fromkeys(CLASS_METRICS, (1.0, 1.0, 1.0))
    assert scores.undefined == {}


def test_a_wrong_certainty_costs_the_same_in_float32_as_in_float64():
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    for dtype in (np.float32, np.float64):
        assert evaluate([0, 1], certain.astype(dtype)).metrics["log_loss"] == pytest.approx(
            36.0437 / 2, abs=1e-4
        )


def test_single_class_labels_leave_undefined_only_what_needs_another_class():
    scores = evaluate([1, 1], [[0.4, 0.6], [0.7, 0.3]])
    assert scores.undefined == {
        "auroc": "class 0: absent from the labels",
        "auroc_ovo": "class 0: absent from the labels",
        "sensitivity": "class 0: absent from the labels",
        "specificity": "class 1: the only class in the labels",
        "auprc": "class 0: absent from the labels",
    }
    assert scores.metrics["balanced_accuracy"] == 0.5
    assert scores.per_class["sensitivity"] == (None, 0.5)


def test_reasons_name_every_absent_class():
    scores = evaluate([0, 3], np.full((2, 4), 0.25))
    assert scores.undefined["auroc"] == "classes 1, 2: absent from the labels"


def test_a_mean_over_fewer_classes_than_there_are_is_partial_and_names_them():
    given = np.full((2, 3), 1 / 3)
    scores = evaluate([0, 2], given, ("benign", "atypical", "malignant"))
    reason = "class 'atypical': absent from the labels"
    assert scores.partial == dict.fromkeys(
        ("balanced_accuracy", "precision", "recall", "f1"), reason
    )
    assert set(scores.undefined.values()) == {reason}
    assert evaluate([0, 1, 2], np.eye(3)).partial == {}


def test_an_undefined_metric_raises_its_reason_when_called_by_itself():
    with pytest.raises(UndefinedMetricError, match="class 1: absent from the labels"):
        auroc(np.array([0, 0]), np.log([[0.5, 0.5], [0.5, 0.5]]))


# ------------------------------------------------------------- nothing saturates


def confident(samples: int = 400, margin: float = 18.65):
    """Labels and float32 logits of a sure network: class 1 by some 19 nats, and rightly more."""
    random = np.random.default_rng(0)
    labels = np.arange(samples) % 2
    odds = margin + 2 * random.normal(size=samples) + 2.75 * labels
    return labels, np.stack([0 * odds, odds], axis=1).astype(np.float32)


def test_auroc_is_not_what_float32_probabilities_leave_of_it():
    """Saturated float32 probabilities: 0.643 from these, 0.858 from their logarithms."""
    labels, logits = confident()
    true = sk.roc_auc_score(labels, logits[:, 1])
    positive = np.exp(log_softmax(logits)).astype(np.float32)[:, 1]
    assert (true, sk.roc_auc_score(labels, positive)) == pytest.approx((0.858, 0.643), abs=5e-3)
    kept = as_stored(log_softmax(logits))
    assert evaluate_log(labels, kept).metrics["auroc"] == pytest.approx(true, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(-200, 200),
    st.floats(0.01, 30),
    st.sampled_from([np.float32, np.float64]),
)
def test_the_value_does_not_depend_on_which_class_is_called_1(seed, margin, spread, dtype):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(30) % 2)
    odds = margin + spread * random.normal(size=30)
    kept = log_softmax(np.stack([0 * odds, odds], axis=1)).astype(dtype)
    one, other = evaluate_log(labels, kept), evaluate_log(1 - labels, kept[:, ::-1])
    for name in ("auroc", "auroc_ovo"):
        assert one.metrics[name] == other.metrics[name]
    for name, values in one.per_class.items():
        assert values == other.per_class[name][::-1]
    assert one.metrics["auroc"] == pytest.approx(sk.roc_auc_score(labels, odds), abs=0.01)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 400), st.permutations(range(4)))
def test_one_versus_rest_saturates_nowhere_whatever_the_classes_are_called(seed, scale, order):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(40) % 4)
    logits = (scale * (random.normal(size=(40, 4)) + np.eye(4)[labels])).astype(np.float32)
    kept = as_stored(log_softmax(logits))
    wide = logits.astype(np.float64)
    odds = [wide[:, k] - np.logaddexp.reduce(np.delete(wide, k, axis=1), axis=1) for k in range(4)]
    scores = evaluate_log(labels, kept)
    areas = [sk.roc_auc_score(labels == k, odds[k]) for k in range(4)]
    assert scores.metrics["auroc"] == pytest.approx(np.mean(areas), abs=2e-3)
    renamed = evaluate_log(np.argsort(order)[labels], kept[:, order])
    for name in ("auroc", "auroc_ovo", "log_loss"):
        assert renamed.metrics[name] == pytest.approx(scores.metrics[name], abs=1e-12)


def test_a_class_of_probability_zero_costs_the_bound_and_ranks_last():
    kept = as_stored(log_of(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])))
    scores = evaluate_log([1, 0, 1], kept)
    assert scores.metrics["auroc"] == 0.5
    assert scores.metrics["log_loss"] == pytest.approx((36.0437 + np.log(2)) / 3, abs=1e-4)


def test_log_softmax_keeps_what_a_sum_with_one_would_swallow():
    logits = np.array([[60.0, 0.0, 0.0], [0.0, -np.inf, 0.0], [3e38, -3e38, 0.0]], np.float32)
    found = log_softmax(logits)
    assert found[0, 0] == pytest.approx(-2 * np.exp(-60), rel=1e-12, abs=0)
    assert found[1].tolist() == [-np.log(2), -np.inf, -np.log(2)]
    assert as_stored(found)[2].tolist() == [0.0, -np.inf, np.float32(-3e38)]


def test_probabilities_in_float16_are_taken():
    logits = np.random.default_rng(0).normal(0, 3, (50, 5))
    wide = np.exp(log_softmax(logits))
    labels = np.arange(50) % 5
    assert np.abs(wide.astype(np.float16).sum(axis=1, dtype=float) - 1).max() > 1e-4
    narrow = evaluate(labels, wide.astype(np.float16)).metrics
    assert narrow["accuracy"] == evaluate(labels, wide).metrics["accuracy"]
    assert narrow == pytest.approx(evaluate(labels, wide).metrics, abs=2e-3)
    with pytest.raises(EvaluationError, match=r"sums to 1\.0\d+, not 1 within 0\.00195"):
        evaluate(labels, (wide * 1.01).astype(np.float16))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[np.nan, 0.0]], "1 of 1 rows of log-probabilities.*hold NaN or .infinity; the network"),
        ([[np.inf, 0.0]], "hold NaN or .infinity; the network diverged"),
        ([[2.0, -1.0]], "a log-probability is 2, above 0; pass log-softmax outputs, not logits"),
        ([[-2.0, -1.0]], "row 0 of probabilities sums to 0.50.*; pass log-softmax outputs"),
        (np.zeros((1, 3, 2)), r"log-probabilities have shape \(1, 3, 2\); pass one column a class"),
    ],
)
def test_unusable_log_probabilities_are_refused(given, message):
    with pytest.raises(EvaluationError, match=message):
        evaluate_log([0], given)


def test_float32_softmax_over_many_classes_is_accepted():
    logits = np.random.default_rng(0).normal(0, 5, (50, 1000)).astype(np.float32)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert evaluate(np.arange(50), softmax).metrics["log_loss"] > 0


HALVES = np.full((3, 2), 0.5)
ONE_INFINITE = np.array([[0.5, 0.5], [np.inf, 0.5], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([[0], [1], [0]], HALVES, r"labels have shape \(3, 1\); pass one class index a sample"),
        ([], np.zeros((0, 2)), r"labels have shape \(0,\).*N >= 1"),
        ([0, 1, 0], [0.1, 0.2, 0.3], r"probabilities have shape \(3,\); pass one column a class"),
        ([0, 0, 0], np.ones((3, 1)), r"probabilities have shape \(3, 1\).*K >= 2"),
        ([0, 1], HALVES, "2 labels for 3 rows of probabilities; pass both for the same samples"),
        ([0.0, 1.0, 0.0], HALVES, "labels have dtype float64; pass integers"),
        ([0, 2, 0], HALVES, r"label 2 is outside \[0, 2\); give probabilities one column"),
        ([0, -1, 0], HALVES, r"label -1 is outside \[0, 2\)"),
        ([0, 1, 0], HALVES.astype(str), "probabilities have dtype <U.*; pass real numbers"),
        ([0, 1, 0], HALVES * np.nan, "3 of 3 rows .* hold NaN or infinity; the network diverged"),
        ([0, 1, 0], ONE_INFINITE, "1 of 3 rows .* the first row 1"),
        ([0, 1, 0], [[2.0, -1.0]] * 3, "a probability is -1; pass softmax outputs, not logits"),
        ([0, 1, 0], HALVES * 1.01, "row 0 of probabilities sums to 1.01, not 1 within 0.0001"),
    ],
)
def test_unusable_predictions_are_refused(labels, probabilities, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        evaluate(labels, probabilities)
    assert isinstance(caught.value, CrossbenchError)


def test_importing_the_metrics_imports_neither_torch_nor_scikit_learn():
    code = (
        "import sys, crossbench.evaluation.metrics as m; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------------------- chance


def over_guesses(name, labels, num_classes):
    """Mean of a metric over every way of guessing, each as likely as the others."""
    guesses = itertools.product(range(num_classes), repeat=len(labels))
    return np.mean(
        [evaluate(labels, np.eye(num_classes)[list(guess)]).metrics[name] for guess in guesses]
    )


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 1, 1], [0, 1, 2], [2, 1, 0, 0, 0]])
@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "recall"])
def test_chance_is_what_guessed_classes_expect(name, labels):
    num_classes = max(labels) + 1
    expected = over_guesses(name, labels, num_classes)
    assert expected_by_chance(name, num_classes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("labels", [[0, 1], [2, 1, 0, 0, 0]])
@pytest.mark.parametrize("name", ["auroc", "auroc_ovo", "log_loss"])
def test_chance_is_what_equal_probabilities_score(name, labels):
    num_classes = max(labels) + 1
    even = np.full((len(labels), num_classes), 1 / num_classes)
    value = evaluate(labels, even).metrics[name]
    assert expected_by_chance(name, num_classes) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", ["precision", "f1"])
def test_chance_is_not_defined_where_it_depends_on_the_samples(name):
    even, uneven = (over_guesses(name, labels, 2) for labels in ([0, 1], [0, 1, 1, 1]))
    assert abs(even - uneven) > 1e-3
    assert expected_by_chance(name, 2) is None


def test_a_metric_that_is_not_known_has_no_chance():
    assert expected_by_chance("speed", 2) is None
