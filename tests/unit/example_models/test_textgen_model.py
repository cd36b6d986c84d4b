"""models/textgen/model.py: the decoder in numpy, and how it learns."""

import numpy as np
import pytest

from models.textgen.model import START, Decoder, complete, train

SMALL = Decoder(layers=2, heads=2, width=8, context=12)
TEXT = np.frombuffer(b"one two three four five six seven eight nine ten\n", np.uint8)


def random_parameters(decoder, seed=0):
    random = np.random.default_rng(seed)
    start = decoder.start(random).items()
    return {name: array + random.normal(0, 0.1, array.shape) for name, array in start}


def texts(random, rows, length):
    return random.integers(97, 110, (rows, length)).astype(np.uint8)


@pytest.mark.parametrize("name", SMALL.start(np.random.default_rng(0)))
def test_gradients_are_the_slopes_of_the_loss(name):
    random = np.random.default_rng(1)
    parameters, some = random_parameters(SMALL), texts(random, 3, 10)
    along = random.normal(size=parameters[name].shape)

    def loss(step):
        return SMALL.gradients(parameters | {name: parameters[name] + step * along}, some)[0]

    _, gradients = SMALL.gradients(parameters, some)

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert (gradients[name] * along).sum() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_no_byte_sees_those_after_it():
    parameters, some = random_parameters(SMALL), texts(np.random.default_rng(2), 2, 9)
    others = some.copy()
    others[:, 5:] = ord("z")

    before, after = (SMALL.forward(parameters, each)[0] for each in (some, others))

    assert np.array_equal(before[:, :5], after[:, :5])
    assert not np.allclose(before[:, 5:], after[:, 5:])


def test_training_learns_a_text_by_heart():
    decoder = Decoder(layers=1, heads=2, width=32, context=24)

    parameters, loss = train(decoder, TEXT, steps=250, batch=4, seed=0, fastest=1e-2)

    prompt = np.frombuffer(b"six se", np.uint8)[None]
    completion, closest = complete(decoder, parameters, prompt, 11)
    assert completion.tobytes() == b"ven eight n"
    assert closest > 0
    assert loss < 0.5


def test_the_same_seed_gives_the_same_bits():
    once, again, other = (train(SMALL, TEXT, 5, 2, seed)[0] for seed in (0, 0, 1))

    assert all(np.array_equal(once[name], again[name]) for name in once)
    assert not np.array_equal(once["tokens"], other["tokens"])
    assert {array.dtype for array in once.values()} == {np.dtype(np.float32)}


def test_a_completion_begins_with_the_start_and_keeps_what_fits():
    parameters = random_parameters(SMALL)
    prompt = np.frombuffer(b"abcdefghijklmnop", np.uint8)[None]

    long, _ = complete(SMALL, parameters, prompt, 4)
    fitting, _ = complete(SMALL, parameters, prompt[:, -8:], 4)
    empty, _ = complete(SMALL, parameters, prompt[:, :0], 4)

    assert np.array_equal(long, fitting)
    likeliest = SMALL.forward(parameters, np.array([[START]], np.uint8))[0][0, -1].argmax()
    assert empty[0, 0] == likeliest
