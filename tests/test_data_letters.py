"""Letters: what they are, which way up, and that they are no darker than digits."""

import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from lvmteach.data import alphabet, letters, load_images

SHAPES = [(28, 28), (8, 8)]


@pytest.mark.parametrize("shape", [*SHAPES, (12, 20)])
def test_letters_are_distinct_grey_images_that_fill_their_box(shape):
    x = letters(shape)
    assert x.shape == (156, shape[0] * shape[1])
    assert x.dtype == torch.float32
    assert x.min() >= 0
    assert 0.9 < x.max() <= 1
    assert len(x.unique(dim=0)) == len(x)
    grey = (x > 0.05) & (x < 0.95)
    assert grey.any(1).all(), "soft edges"
    margin = 4 if shape == (28, 28) else 0
    inside = torch.zeros(shape, dtype=bool)
    inside[margin : shape[0] - margin, margin : shape[1] - margin] = True
    assert (x.reshape(-1, *shape)[:, ~inside] == 0).all()
    assert torch.equal(x, letters(shape)), "nothing random"


def pillow_letter(letter, face, side=84):
    """The same glyph by FreeType through Pillow: black box cut out, scaled to the inner square, centred."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(fonts / f"{face}.ttf", 400)
    sheet = Image.new("L", (900, 900))
    ImageDraw.Draw(sheet).text((250, 200), letter, fill=255, font=font)
    glyph = sheet.crop(sheet.getbbox())
    inner = side - 2 * (side // 7)
    scale = inner / max(glyph.size)
    glyph = glyph.resize([round(n * scale) for n in glyph.size], Image.Resampling.BOX)
    out = Image.new("L", (side, side))
    out.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    return np.asarray(out, float).reshape(-1) / 255


def assert_is(image, letter, face):
    """Correlation above 0.95 with Pillow's drawing: half a pixel's shift of the edges costs about 0.03."""
    assert np.corrcoef(image, pillow_letter(letter, face))[0, 1] > 0.95


@pytest.mark.parametrize("face", range(6))
def test_each_row_is_its_letter_upright_and_unmirrored(face):
    x = letters((84, 84)).numpy().reshape(6, 26, 84, 84)
    for i, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        assert_is(x[face, i].reshape(-1), letter, alphabet.FACES[face])
    for wrong in (x[face, 5, ::-1], x[face, 5, :, ::-1], x[face, 5].T, x[face, 4], x[(face + 1) % 6, 5]):
        with pytest.raises(AssertionError):
            assert_is(wrong.reshape(-1), "F", alphabet.FACES[face])


def test_ink_alone_gives_no_letter_away():
    """Letters have the digits' amount of ink, within one standard deviation between digits."""
    for images in map(load_images, ["digits", "mnist"] if os.environ.get("LVMTEACH_DATA") else ["digits"]):
        ink = images.train.mean(1)
        assert abs(letters(images.shape).mean() - ink.mean()) < ink.std()


def test_letters_need_some_room():
    with pytest.raises(ValueError, match=r"at least \(4, 4\), got \(3, 9\)"):
        letters((3, 9))
