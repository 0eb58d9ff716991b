"""The zoo itself: every network runs on its example, is the same each time, and is worth converting once trained."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn", reason="scikit-learn has the digits")

from zoo.catalogue import ZOO  # noqa: E402
from zoo.exporting import SAMPLES, exported  # noqa: E402
from zoo.model import ZooModel  # noqa: E402
from zoo.training import reached  # noqa: E402

pytestmark = pytest.mark.torch
each = pytest.mark.parametrize("model", ZOO, ids=lambda m: m.name)


@each
def test_a_network_is_the_same_each_time_and_answers_in_the_shape_of_what_is_wanted(model: ZooModel) -> None:
    known, example = model.data(), model.example()
    with torch.no_grad():
        one, two = (model.build()(example).numpy() for _ in range(2))
    assert np.array_equal(one, two) and np.isfinite(one).all() and one.std() > 0
    assert len(known.train_x) == len(known.train_y) == 1297 and len(known.test_x) == len(known.test_y) == 500
    assert model.score(np.repeat(one, 500, axis=0), known.test_y) < model.bar, "one answer for all is no good"


@pytest.mark.slow
@each
def test_a_trained_network_is_accurate_in_pytorch_and_as_onnx(model: ZooModel) -> None:
    from edgekit.graph.evaluation import Predictor

    files, known = exported(model), model.data()
    score = model.score(Predictor(files.onnx).predict(known.test_x), known.test_y)
    assert score >= model.bar
    assert score == pytest.approx(reached(model), abs=0.002)  # one sample
    (samples,) = np.load(files.samples).values()
    assert samples.shape == (SAMPLES, *model.example().shape[1:])
