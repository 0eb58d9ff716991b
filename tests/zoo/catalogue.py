"""The list of the zoo."""

from __future__ import annotations

from functools import partial

from torch.nn import functional

from zoo import convolutions, data, mobilenets, reconstructions, scores, sequences
from zoo.model import ZooModel

ZOO = (
    ZooModel("digits_cnn", convolutions.digits_cnn, partial(data.pictures, 8, 8)),
    ZooModel("ds_cnn", convolutions.ds_cnn, partial(data.pictures, 49, 10)),
    ZooModel("mobilenet_v1", mobilenets.mobilenet_v1, partial(data.pictures, 48, 48, 3)),
    ZooModel("mobilenet_v2", mobilenets.mobilenet_v2, partial(data.pictures, 48, 48, 3)),
    ZooModel("mobilenet_v3", mobilenets.mobilenet_v3, partial(data.pictures, 48, 48, 3)),
    ZooModel("resnet8", convolutions.resnet8, partial(data.pictures, 32, 32, 3)),
    ZooModel(
        "autoencoder",
        reconstructions.autoencoder,
        partial(data.vectors, 32, 20),
        score=scores.explained,
        bar=0.6,
        loss=functional.mse_loss,
        epochs=20,
    ),
    ZooModel("cnn1d", convolutions.cnn1d, partial(data.rows, 32)),
    ZooModel("unet", reconstructions.UNet, partial(data.masks, 32)),
    ZooModel("lstm", sequences.lstm, data.sequences, epochs=20),
    ZooModel("gru", sequences.gru, data.sequences, epochs=20),
    ZooModel("vit", sequences.Vit, partial(data.pictures, 16, 16), bar=0.85, epochs=20, learning_rate=0.002),
)


def named(name: str) -> ZooModel:
    """The one of that name."""
    return next(model for model in ZOO if model.name == name)
