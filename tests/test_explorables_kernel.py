"""An explorable in a kernel: shown once, with its key frame and its mark; moved from Python; its result from torch."""

import base64
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lvmteach.classroom.explorables import Explorable, explore, kit, latent_explorer, pages


def outputs(source):
    """What a cell displays, by type."""
    shell = InteractiveShell.instance()
    with capture_output() as seen:
        result = shell.run_cell(f"from lvmteach.classroom.explorables import explore\n{source}", store_history=True)
    result.raise_error()
    return [one.data for one in seen.outputs]


def test_a_cell_shows_it_once():
    for source in ('explore("heart")', 'it = explore("heart")', 'it = explore("heart")\nit'):
        assert len(outputs(source)) == 1, source
    assert len(outputs("it")) == 1  # a later cell shows it again


def test_what_is_stored_is_the_key_frame_and_the_mark():
    (shown,) = outputs('explore("latent_explorer", z=(1.0, -0.5))')
    assert shown[kit.MARK] == {"demo": "latent_explorer", "values": {"z": [1.0, -0.5]}}
    image = shown["image/png"]
    assert (base64.b64decode(image) if isinstance(image, str) else image).startswith(b"\x89PNG")
    assert "log p(z) = -2.46 nats" in shown["text/plain"]


def test_without_a_key_frame_there_are_words():
    (shown,) = outputs('explore("latent_explorer", z=(0.0, 0.0))')
    assert "image/png" not in shown
    assert "z = (0.00, 0.00)" in shown["text/plain"]


def test_before_ipywidgets_8_a_link_below_the_key_frame_brings_the_page_along(monkeypatch):
    monkeypatch.setattr("ipywidgets.__version__", "7.7.1")
    picture, link = outputs('explore("heart", z=0.5)')
    assert not any("widget-view" in kind for kind in picture)
    assert "image/png" in outputs('explore("heart")')[0]
    assert "z = 0.50" in picture["text/plain"]
    coded = re.search(r'download="heart.html" href="data:text/html;base64,([^"]+)"', link["text/html"])[1]
    assert base64.b64decode(coded).decode() == pages.page("heart", z=0.5)


def test_moved_from_python_and_read_in_python():
    walk = Explorable("latent_explorer")
    walk.move(z=(0.0, 2.0))
    assert walk.values == {"z": [0.0, 2.0]}
    assert walk.result.log_p_z.item() == pytest.approx(-2 - 1.8378770664)
    with pytest.raises(ValueError, match="no value y"):
        walk.move(y=1)


def test_data_of_ones_own_are_not_marked_as_the_courses():
    own = {**latent_explorer.payload(), "labels": latent_explorer.payload()["labels"][:0]}
    bundle, _ = Explorable("latent_explorer", own)._repr_mimebundle_()
    assert kit.MARK not in bundle
    assert "image/png" not in bundle


def test_an_unknown_demo_names_those_there_are():
    with pytest.raises(ValueError, match=r"no explorable 'walk'; there are .*latent_explorer"):
        explore("walk")
