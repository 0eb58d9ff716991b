"""LayerNormalization in int8: sums of squares as products beat stored squares, most of all beside an outlier."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net, data, quantized, sqnr_db, to_bytes

from edgekit.graph import reductions
from edgekit.graph.decompose import for_int8
from edgekit.graph.evaluation import Predictor

ROWS, WIDTH = 16, 64


def layer():
    net = Net(4)
    scale, shift = (net.constant((b + 0.2 * net.rng.standard_normal(WIDTH)).astype(np.float32)) for b in (1, 0))
    return net.model(net.op("LayerNormalization", net.input("x", 1, ROWS, WIDTH), scale, shift))


def samples(count, ratio, loud, seed):
    """Rows whose standard deviations differ by up to `ratio`; one channel is `loud` times louder."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 1, ROWS, WIDTH))
    x[..., 7] *= loud
    return (x * ratio ** rng.uniform(-0.5, 0.5, (count, 1, ROWS, 1))).astype(np.float32)


def answers(model, inputs):
    predictor = Predictor(to_bytes(model), optimise=False)
    return np.stack([predictor.run({"x": x})[0] for x in inputs])


def int8_db(model, ratio, loud):
    unseen = samples(48, ratio, loud, seed=2)
    q = quantized(for_int8(model), data(samples(96, ratio, loud, seed=1)))
    return sqnr_db(answers(model, unseen), answers(q.model, unseen))


def rounded_input_db(model, ratio, loud):
    unseen = samples(48, ratio, loud, seed=2)
    step = np.ptp(unseen) / 255
    return sqnr_db(answers(model, unseen), answers(model, (np.rint(unseen / step) * step).astype(np.float32)))


# how unlike the rows are, how loud one channel is → dB that are gained
GAINS = {(1, 1): -0.5, (1, 10): 3, (4, 1): 0, (4, 10): 6, (16, 1): 3, (16, 10): 3}


@pytest.mark.parametrize(("ratio", "loud"), GAINS)
def test_a_product_of_each_row_with_itself_keeps_more_than_stored_squares(monkeypatch, ratio, loud):
    model = layer()
    product, bound = int8_db(model, ratio, loud), rounded_input_db(model, ratio, loud)
    monkeypatch.setattr(reductions, "LONGEST_ROW", 0)
    squares = int8_db(model, ratio, loud)
    print(f"ratio {ratio}, loud {loud}: input {bound:.1f}, product {product:.1f}, stored squares {squares:.1f} dB")
    assert product > squares + GAINS[ratio, loud]
    assert product > bound - 13
