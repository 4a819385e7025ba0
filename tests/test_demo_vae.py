"""The demos of stage 08, on small untrained models: what they show is what the model says."""

import itertools

import numpy as np
import pytest
import torch

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes import vae
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

SHAPE = (7, 5)  # not square: height and width must not be mixed up


def small_model(L):
    with seeded(4):
        model = VAE(GaussianEncoder(35, L, hidden=(8,)), BernoulliDecoder(L, 35, hidden=(8,)), StandardNormal(L))
        for one in model.parameters():
            one.data += 0.3 * torch.randn_like(one)
    return model


def images(n=6):
    with seeded(5):
        return torch.bernoulli(torch.full((n, 35), 0.4))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(widgets, "display", lambda *what, **more: None)
    monkeypatch.setattr(widgets, "_LIVE", [])
    monkeypatch.setenv("LVMTEACH_STRICT", "1")  # `live` moves every control to both ends
    with torch.no_grad():  # as the machinery calls update
        yield


def shown(artist):
    return np.asarray(artist.get_array())


def test_the_explorer_shows_the_decoder_at_the_point():
    model = small_model(2)
    scene = vae.LatentExplorer(model, SHAPE, images(), torch.tensor([0, 1, 2, 9, 9, 1]))
    scene.live()
    words = scene.update(z=(0.5, -1.5))
    expected = model.decoder(torch.tensor([0.5, -1.5])).mean.reshape(SHAPE)
    assert shown(scene.image) == pytest.approx(expected.numpy())
    assert scene.point.get_xydata()[0] == pytest.approx([0.5, -1.5])
    assert words == "z = (0.50, -1.50), log p(z) = -3.09 nats"  # -log 2 pi - (0.25 + 2.25) / 2


def test_the_explorer_shows_codes_by_class():
    x, labels = images(), torch.tensor([0, 1, 2, 9, 9, 1])
    model = small_model(2)
    scene = vae.LatentExplorer(model, SHAPE, x, labels)
    marks = {line.get_marker(): line.get_xydata() for line in scene.plane.lines if "$" in str(line.get_marker())}
    assert set(marks) == {"$0$", "$1$", "$2$", "$9$"}
    assert marks["$9$"] == pytest.approx(model.encoder(x[3:5]).mean.numpy())


def test_the_explorer_needs_a_plane():
    with pytest.raises(ValueError, match=r"L = 2, got L = 3; train one with L=2"):
        vae.LatentExplorer(small_model(3), SHAPE)


@pytest.mark.parametrize("L", [2, 5])
def test_a_morph_begins_and_ends_with_its_images(L):
    model, x = small_model(L), images()
    scene = vae.Morph(model, SHAPE, x)
    scene.live()
    for way, end in ((0.0, 4), (1.0, 2)):
        scene.update(way=way, start=4, end=2)
        start, latent, pixels, finish = (shown(image).ravel() for image in scene.images)
        assert start == pytest.approx(x[4].numpy())
        assert finish == pytest.approx(x[2].numpy())
        assert pixels == pytest.approx(x[end].numpy())
        reconstruction = model.decoder(model.encoder(x[end][None]).mean).mean
        assert latent == pytest.approx(reconstruction.numpy().ravel(), rel=1e-5)  # float32


def test_a_morph_needs_two_images():
    with pytest.raises(ValueError, match=r"got \(1, 35\); a morph needs two images"):
        vae.Morph(small_model(2), SHAPE, images(1))


def board(L=5):
    return vae.Drawing(small_model(L), SHAPE, images())


@pytest.mark.parametrize("L", [2, 5])
def test_what_is_drawn_is_encoded_and_decoded(L):
    scene = board(L)
    scene.live()
    scene.wipe()
    scene.pen(np.array([[1.0, 2.0], [3.0, 5.0]]), True)
    scene.update()
    x = torch.as_tensor(scene.ink, dtype=torch.float32).reshape(1, -1)
    assert 0 < x.sum() < 35
    assert shown(scene.drawn) == pytest.approx(scene.ink)
    q = scene.model.encoder(x)
    assert shown(scene.decoded).ravel() == pytest.approx(scene.model.decoder(q.mean).mean.numpy().ravel())


def test_the_posterior_of_many_axes_is_shown_with_its_width():
    scene = board()
    scene.update()
    q = scene.model.encoder(torch.as_tensor(scene.ink, dtype=torch.float32).reshape(1, -1))
    order = scene.posterior.order
    assert sorted(order.tolist()) == list(range(5))
    assert scene.posterior.mean.get_ydata() == pytest.approx(q.mean[0, order].numpy())
    lengths = [np.ptp(segment[:, 1]) for segment in scene.posterior.bars.get_segments()]
    assert lengths == pytest.approx(4 * q.stddev[0, order].numpy(), rel=1e-5)


def test_the_posterior_on_the_plane_is_shown_with_its_width():
    scene = board(2)
    scene.update()
    q = scene.model.encoder(torch.as_tensor(scene.ink, dtype=torch.float32).reshape(1, -1))
    ellipse = scene.posterior.ellipse
    assert sorted((ellipse.width, ellipse.height)) == pytest.approx(sorted((4 * q.stddev[0]).tolist()), rel=1e-5)
    assert ellipse.get_center() == pytest.approx(q.mean[0].tolist())


def by_walking(path, radius):
    """What a round pen inks, found by putting it down at many places along the path."""
    ink = np.zeros(SHAPE)
    for a, b in itertools.pairwise(path):
        for t in np.linspace(0, 1, 400):
            for row, column in np.ndindex(*SHAPE):
                if np.hypot(*(a + t * (b - a) - (column, row))) <= radius:
                    ink[row, column] = 1
    return ink


PATH = np.array([[0.1, 0.2], [3.3, 1.1], [3.7, 5.6], [1.2, 6.1]])


def test_the_pen_inks_what_it_passes_over():
    scene = board()
    scene.wipe()
    scene.radius = 0.8
    scene.pen(PATH, True)
    assert np.array_equal(scene.ink, by_walking(PATH, 0.8))


def test_a_stroke_in_pieces_is_the_stroke():
    whole, pieces = board(), board()
    for scene in (whole, pieces):
        scene.wipe()
    whole.pen(PATH, True)
    for n in (1, 2, 4):
        pieces.pen(PATH[:n], n == 1)
    assert np.array_equal(whole.ink, pieces.ink)


def test_two_strokes_are_not_joined():
    scene = board()
    scene.wipe()
    scene.pen(np.array([[0.0, 0.0]]), True)
    scene.pen(np.array([[4.0, 6.0]]), True)
    assert np.argwhere(scene.ink).tolist() == [[0, 0], [6, 4]]


def test_a_click_inks_the_pixel_under_it():
    scene = board()
    scene.wipe()
    scene.pen(np.array([[2.2, 3.1]]), True)
    assert np.argwhere(scene.ink).tolist() == [[3, 2]]


def test_examples_come_round():
    scene = board()
    seen = [scene.ink]
    for _ in range(6):
        scene.next_example()
        seen.append(scene.ink)
    assert np.array_equal(seen[0], seen[6])
    assert not np.array_equal(seen[0], seen[1])


def test_the_summary_is_a_pair_of_bounds_that_only_the_drawing_changes():
    scene = board()
    first = scene.update()
    assert scene.update() == first
    elbo, iwae = (float(part.split()[-1].rstrip(",")) for part in (first.split(", with")[0], first.split(" nats")[0]))
    assert elbo <= iwae < 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_models_of_either_precision(dtype):
    model = small_model(2).to(dtype)
    vae.LatentExplorer(model, SHAPE, images()).live()
    vae.Morph(model, SHAPE, images()).live()
    vae.Drawing(model, SHAPE, images()).live()


def test_frames_keep_clear_of_images():
    scene = board()
    scene.update()
    plots.live_png(scene.fig, scene.moving)
    for artist in (scene.drawn, scene.decoded):
        frame, image = artist.axes.get_window_extent(), artist.get_window_extent()
        assert image.x0 - frame.x0 > 2  # pixels: half the spine's width, and one more
        assert frame.x1 - image.x1 > 2
