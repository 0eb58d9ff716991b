"""The app on the board: reads 16 kHz float32 samples from standard input, prints one voice probability for each 32 ms.

    python3 listen.py RELEASE < samples.f32

Needs only what `edgekit deploy` pushed (edgekit_runtime and NumPy), on PYTHONPATH.
"""

import sys

import numpy as np

CHUNK, CONTEXT = 512, 64  # the network sees 512 new samples and the 64 before them


def probabilities(model, samples):
    """Voice probability of each chunk of `samples`; the network's state goes from one chunk to the next."""
    state = np.zeros((2, 1, 128), np.float32)
    context = np.zeros(CONTEXT, np.float32)
    found = []
    for start in range(0, len(samples) - CHUNK + 1, CHUNK):
        chunk = samples[start : start + CHUNK]
        probability, state = model({"input": np.concatenate([context, chunk])[None], "state": state})
        context = chunk[-CONTEXT:]
        found.append(float(probability[0, 0]))
    return found


if __name__ == "__main__":
    from edgekit_runtime import Model

    heard = np.frombuffer(sys.stdin.buffer.read(), np.float32)
    for probability in probabilities(Model(sys.argv[1]), heard):
        print(f"{probability:.4f}")
