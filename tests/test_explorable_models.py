"""What the demos' Python halves take from a model is what the model says: the two halves could be wrong alike."""

import pytest
import torch

from lvmteach.classroom.explorables import drawing, restore
from lvmteach.missing import impute
from lvmteach.runtime import seeded
from lvmteach.vae import pretrained


@pytest.fixture(scope="module")
def model():
    return pretrained("vae").model.double()


def test_a_drawings_posterior_is_the_encoders(model):
    found = drawing.compute(drawing.Values(example=3), drawing.payload())
    with torch.no_grad():
        q = model.encoder(found.x[None])
    torch.testing.assert_close(found.mean, q.mean[0])
    torch.testing.assert_close(found.sd, q.stddev[0])


def test_restoring_fills_in_as_the_library_does(model):
    """The share of wrong pixels over images and seeds, by the demo and by `impute`, from other draws."""
    data = restore.payload()
    runs = [restore.compute(restore.Values(i, turns=25, seed=s), data) for i in range(10) for s in range(8)]
    demo = torch.stack([run.wrong for run in runs]).reshape(10, 8)
    x, missing = torch.stack([run.x for run in runs[::8]]), runs[0].missing.bool()
    with seeded(1):
        library = [impute(model, x, missing, 25, warm_up=24) for _ in range(8)]
    wrong = torch.stack([((run.mean > 0.5) != (x > 0.5))[:, missing].double().mean(1) for run in library], 1)
    difference = demo.mean(1) - wrong.mean(1)
    std_err = ((demo.var(1) + wrong.var(1)) / 8).sum().sqrt() / 10
    assert abs(difference.mean()) < 5 * std_err
    assert std_err < 0.005  # an encoder read as a log variance would be seen: its fillings are wilder
