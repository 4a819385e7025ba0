"""The live demos' machinery, without a browser: what is drawn, when, on which thread, and what happens if it fails."""

import io
import threading
from contextlib import nullcontext

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from lvmteach.classroom.explorables import controls, widgets
from lvmteach.classroom.figures import plots


class Waves:
    """A sine wave over two periods.

    The rest is for the reader of the code.
    """

    def __init__(self, log=False):
        self.fig, (self.ax, self.other) = plots.figure(1, 2)
        self.x = np.linspace(0.1, 12, 50)
        (self.line,) = self.ax.plot(self.x, 0 * self.x)
        (self.dot,) = self.ax.plot([], [], "o")
        self.ax.set(xlim=(-1, 13), ylim=(-3, 3), xlabel="time, s", ylabel="height, m")
        if log:
            self.ax.set(xscale="log", xlim=(0.1, 20))
        self.moving = [self.line, self.dot]
        self.paths = []

    def update(self, height=1.0, at=(1.0, 0.0), title=""):
        self.line.set_ydata(height * np.sin(self.x))
        self.dot.set_data([at[0]], [at[1]])
        if title != self.ax.get_title():
            self.ax.set_title(title)
        return f"height {height:.2f}"

    def pull(self, path, new):
        self.paths.append((path, new))


class Drawn(Waves):
    """Waves that are drawn anew as a whole each time: the oracle of the fast way."""

    def __init__(self):
        super().__init__()
        self.moving = []


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """What is displayed; and no explorations left over from another test."""
    seen = []
    monkeypatch.setattr(widgets, "display", lambda what, **more: seen.append((what, more)))
    monkeypatch.setattr(widgets, "_LIVE", [])
    monkeypatch.delenv("LVMTEACH_STRICT", raising=False)
    return seen


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def wholly_drawn(**values):
    scene = Drawn()
    scene.update(**values)
    return pixels(plots.live_jpeg(scene.fig))


def waves(*actions, scene=None, **more):
    scene = scene or Waves()
    return widgets.explore(scene, *actions, height=widgets.slider(0.0, 2.0, 1.0), **more)


# What is drawn


def test_the_picture_follows_the_slider():
    live = waves()
    for height in (0.0, 2.0, 0.5):
        live.controls["height"].value = height
        assert live.picture.summary == f"height {height:.2f}"
        assert np.array_equal(pixels(live.picture.image), wholly_drawn(height=height))


def test_what_moves_is_not_left_behind():
    live = waves()
    first = live.picture.image
    live.controls["height"].value = 2.0
    live.controls["height"].value = 1.0
    assert live.picture.image == first


def assert_titles_are_drawn():
    live = waves(title=widgets.choice(["one", "two"]))
    for title in ("two", "one"):
        live.controls["title"].value = title
        assert np.array_equal(pixels(live.picture.image), wholly_drawn(title=title))


def test_what_is_not_said_to_move_is_drawn_all_the_same():
    assert_titles_are_drawn()


def test_the_test_of_titles_sees_a_background_kept_too_long(monkeypatch):
    draw = plots._draw
    never_stale = lambda fig, moving: (setattr(fig, "stale", False), draw(fig, moving))  # noqa: E731
    monkeypatch.setattr(plots, "_draw", never_stale)
    with pytest.raises(AssertionError):
        assert_titles_are_drawn()


def test_key_frame_and_live_picture_are_one(shown):
    live = waves(at=widgets.Point((scene := Waves()).ax, (3.0, 1.0)), scene=scene)
    widgets.key_frame(Waves(), alt="A wave and a dot", height=1.0, at=(3.0, 1.0))
    (picture, more), (caption, _) = shown[-2:]
    # JPEG rounds by up to 24 of 255 at the edge of a letter; a pixel of another place or colour differs by more.
    assert np.abs(pixels(picture["image/png"]).astype(int) - pixels(live.picture.image)).max() < 40
    assert more["metadata"]["image/png"]["alt"] == picture["text/plain"] == "A wave and a dot"
    assert live.picture.summary in caption.data


def test_before_ipywidgets_8_the_key_frame_stands_in(shown, monkeypatch):
    monkeypatch.delattr("ipywidgets.widgets.widget.Widget._repr_mimebundle_")
    live = waves()
    (picture, more), (caption, _) = shown
    assert picture["image/png"].startswith(b"\x89PNG")
    assert more["metadata"]["image/png"]["alt"] == live.about
    assert live.picture.summary in caption.data


def test_a_scene_can_be_shown_both_ways(shown):
    scene = Waves()
    live = waves(scene=scene)
    widgets.key_frame(scene, alt="a wave", height=0.2, title="another title")
    live.controls["height"].value = 1.5
    assert np.array_equal(pixels(live.picture.image), wholly_drawn(height=1.5))


def test_a_figure_shown_elsewhere_keeps_its_moving_parts(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda what, **more: shown.append(what))
    scene = Waves()
    waves(scene=scene)
    plots.show(scene.fig, alt="a wave")
    scene.line.set_visible(False)
    plots.show(scene.fig, alt="no wave")
    assert not np.array_equal(*(pixels(one["image/png"]) for one in shown))


def test_words_for_those_who_do_not_see_it(shown):
    live = waves()
    assert live.picture.alt == "A sine wave over two periods. height 1.00"
    assert live.controls["height"].description == "height"
    (bundle, _) = shown[-1]
    assert "A sine wave over two periods." in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_one_message_a_picture(monkeypatch):
    live = waves()
    sent = []
    monkeypatch.setattr(type(live.picture), "send_state", lambda self, key=None: sent.append(sorted(key)))
    live.controls["height"].value = 2.0
    assert sent == [["alt", "image", "summary"]]


# When, and on which thread


class Slow(Waves):
    """A wave that is drawn when the test says so."""

    def __init__(self):
        super().__init__()
        self.drawn, self.begun, self.go_on = [], threading.Event(), threading.Event()
        self.go_on.set()

    def update(self, height):
        self.drawn.append(height)
        self.begun.set()
        assert self.go_on.wait(10)
        return super().update(height)


def move_while_drawing(live, heights):
    """Set the slider to each height in turn while the first of them is still being drawn on another thread."""
    scene, slider = live.scene, live.controls["height"]
    scene.drawn.clear(), scene.begun.clear(), scene.go_on.clear()
    first = threading.Thread(target=setattr, args=(slider, "value", heights[0]))
    first.start()
    assert scene.begun.wait(10)
    others = [threading.Thread(target=setattr, args=(slider, "value", height)) for height in heights[1:]]
    for other in others:
        other.start()
        other.join(0.2)  # a redraw that waits for its turn would still be there
    scene.go_on.set()
    for thread in (first, *others):
        thread.join(10)
    return scene.drawn


def test_only_the_newest_values_are_drawn_next():
    live = waves(scene=Slow())
    assert move_while_drawing(live, [0.1, 0.2, 0.3, 0.4, 1.9]) == [0.1, 1.9]
    assert live.picture.summary == "height 1.90"


def test_the_test_of_the_newest_sees_every_value_drawn(monkeypatch):
    monkeypatch.setattr(widgets.Exploration, "redraw", lambda self, change=None: self._show())
    live = widgets.Exploration(Slow(), (), {"height": widgets.slider(0.0, 2.0, 1.0)})
    assert len(move_while_drawing(live, [0.1, 0.2, 0.3, 1.9])) == 4


class Crowd(Waves):
    """A wave that counts who is in its update at the same time as any other."""

    inside = most = 0

    def update(self, height):
        Crowd.inside += 1
        Crowd.most = max(Crowd.most, Crowd.inside)
        threading.Event().wait(0.02)
        Crowd.inside -= 1
        return super().update(height)


def most_at_once():
    Crowd.most = 0
    both = [widgets.Exploration(Crowd(), (), {"height": widgets.slider(0.0, 2.0, 1.0)}) for _ in range(2)]
    threads = [threading.Thread(target=setattr, args=(one.controls["height"], "value", 0.3)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return Crowd.most


def test_one_drawing_at_a_time():
    assert most_at_once() == 1


def test_the_test_of_one_drawing_sees_a_lock_that_does_not_lock(monkeypatch):
    monkeypatch.setattr(plots, "LOCK", nullcontext())
    assert most_at_once() == 2


class Grad(Waves):
    """A wave that notes whether gradients are on."""

    def update(self, height=1.0):
        self.grad = torch.is_grad_enabled()
        return super().update(height)

    def step(self):
        self.grad_in_step = torch.is_grad_enabled()


def test_no_gradients_on_a_second_thread_and_those_of_the_first_left_alone():
    scene = Grad()
    live = waves(widgets.button("step", scene.step), scene=scene)
    for work in (lambda: setattr(live.controls["height"], "value", 2.0), live.actions[0].widget.click):
        scene.grad = scene.grad_in_step = True
        weight = torch.ones(1, requires_grad=True)
        thread = threading.Thread(target=work)  # a new thread has gradients on, whatever this one has
        thread.start()
        thread.join(10)
        (2 * weight).sum().backward()
        assert not scene.grad
        assert weight.grad == 2
    assert not scene.grad_in_step


# What goes wrong


class Fragile(Waves):
    """A wave that breaks above one."""

    def update(self, height):
        if height > 1:
            raise ValueError(f"{height} is too high; stay at or below 1")
        return super().update(height)

    def trip(self):
        raise RuntimeError("tripped")


def test_what_goes_wrong_is_shown_and_goes_away_again():
    live = waves(scene=Fragile())
    before = live.picture.image
    live.controls["height"].value = 2.0
    assert live.picture.error.startswith("ValueError: 2.0 is too high; stay at or below 1 (test_widgets.py, line ")
    assert live.picture.image == before
    live.controls["height"].value = 0.5
    assert live.picture.error == ""
    assert live.picture.summary == "height 0.50"


def test_what_goes_wrong_in_a_button_is_shown():
    scene = Fragile()
    live = waves(widgets.button("Trip", scene.trip), scene=scene)
    live.actions[0].widget.click()
    assert "RuntimeError: tripped" in live.picture.error


def test_what_goes_wrong_in_a_drag_is_shown():
    scene = Fragile()
    live = waves(widgets.Drag(scene.ax, lambda path, new: scene.trip()), scene=scene)
    live.picture.drag = {"press": 1, "path": [by_hand(scene.ax, 5, 0)]}
    assert "RuntimeError: tripped" in live.picture.error


def test_the_first_drawing_raises():
    with pytest.raises(ValueError, match="too high"):
        widgets.explore(Fragile(), height=widgets.slider(0.0, 2.0, 2.0))


def test_strictly_all_drawings_raise(monkeypatch):
    live = waves(scene=Fragile())
    monkeypatch.setenv("LVMTEACH_STRICT", "1")
    with pytest.raises(ValueError, match="too high"):
        live.controls["height"].value = 2.0


def test_strictly_a_demo_is_tried_before_it_is_shown(monkeypatch, shown):
    monkeypatch.setenv("LVMTEACH_STRICT", "1")
    with pytest.raises(ValueError, match="too high"):
        waves(scene=Fragile())
    assert shown == []
    scene = Waves()
    live = waves(widgets.Drag(scene.ax, scene.pull), scene=scene)
    assert len(scene.paths) == 2
    assert live.values == {"height": 1.0}


def test_a_summary_is_asked_for():
    class Mute(Waves):
        def update(self, height):
            super().update(height)

    with pytest.raises(TypeError, match="one-line summary, got NoneType"):
        waves(scene=Mute())


# Every control to both ends


def test_every_control_is_moved_to_both_ends():
    scene = Waves()
    live = waves(
        widgets.button("Trip", lambda: scene.line.set_color("red")),
        widgets.Drag(scene.ax, scene.pull),
        scene=scene,
        at=widgets.Point(scene.ax, (2.0, 0.5)),
        title=widgets.choice([("first", "one"), ("second", "two"), ("third", "three")]),
    )
    moved = widgets.exercise_all()
    to = {name: [one.to for one in moved if one.control == name] for name in ("height", "at", "title", "Trip")}
    assert to["height"] == [0.0, 2.0]
    assert to["at"] == [(-1.0, -3.0), (13.0, 3.0)]
    assert to["title"] == ["one", "two", "three"]
    assert to["Trip"] == ["once"]
    assert [new for _, new in scene.paths] == [True, True]
    assert live.values == {"height": 1.0, "at": (2.0, 0.5), "title": "one"}


@pytest.mark.parametrize(
    ("make", "ends"),
    [
        (lambda: widgets.slider(2, 9, 5), [2, 9]),
        (lambda: widgets.ladder([1, 2, 5, 50]), [1, 50]),
        (lambda: widgets.player(0, 30, 3), [0, 30]),
        (lambda: ipywidgets.Checkbox(value=True), [False, True]),
    ],
)
def test_the_ends_of_other_controls(make, ends):
    live = widgets.explore(Waves(), height=make())
    assert [one.to for one in live.exercise()] == ends


def test_a_control_without_ends_is_refused():
    with pytest.raises(TypeError, match="Text has no ends"):
        widgets.explore(Waves(), title=ipywidgets.Text("a")).exercise()


def test_exercise_raises_what_a_student_would_only_be_shown():
    waves(scene=Fragile())
    with pytest.raises(ValueError, match="too high"):
        widgets.exercise_all()


def test_exercise_raises_at_a_control_that_does_nothing():
    class Deaf(Waves):
        def update(self, height):
            return super().update(1.0)

    waves(scene=Deaf())
    with pytest.raises(RuntimeError, match=r"Deaf: height changes neither picture nor summary, tried 0.0, 2.0"):
        widgets.exercise_all()


def test_a_closed_exploration_is_not_exercised():
    waves().close()
    assert widgets.live() == ()
    assert widgets.exercise_all() == []


# The mouse


def by_hand(ax, x, y):
    """A place in data coordinates as fractions of the picture from its top left, worked out from the axes' position."""
    box, (x0, x1), (y0, y1) = ax.get_position(), ax.get_xlim(), ax.get_ylim()
    if ax.get_xscale() == "log":
        x, x0, x1 = np.log([x, x0, x1])
    across, up = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
    return [box.x0 + across * box.width, 1 - (box.y0 + up * box.height)]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("place", [(0.5, -2.0), (12.0, 2.5)])
def test_a_point_goes_where_the_mouse_is(log, place):
    scene = Waves(log)
    live = waves(at=widgets.Point(scene.ax), scene=scene)
    live.picture.drag = {"press": 1, "path": [by_hand(scene.ax, 5, 0), by_hand(scene.ax, *place)]}
    assert live.values["at"] == pytest.approx(place)
    assert scene.dot.get_xydata()[0] == pytest.approx(place)


def test_a_point_stays_within_its_axes():
    scene = Waves()
    live = waves(at=widgets.Point(scene.ax), scene=scene)
    live.picture.drag = {"press": 1, "path": [by_hand(scene.ax, 5, 0), [-0.5, -0.5]]}
    assert live.values["at"] == pytest.approx((-1, 3))


def test_a_press_elsewhere_is_for_nobody():
    scene = Waves()
    live = waves(at=widgets.Point(scene.ax, (1.0, 0.0)), scene=scene)
    live.picture.drag = {"press": 1, "path": [by_hand(scene.other, 0.5, 0.5)]}
    live.picture.drag = {"press": 1, "path": [by_hand(scene.other, 0.5, 0.5), by_hand(scene.ax, 5, 1)]}
    assert live.values["at"] == (1.0, 0.0)


def test_a_stroke_is_told_whole_and_its_beginning_once():
    scene = Waves()
    live = waves(widgets.Drag(scene.ax, scene.pull), scene=scene)
    places = [(1, 0), (2, 1), (3, -1)]
    path = [by_hand(scene.ax, *place) for place in places]
    for press, so_far in ((1, path[:1]), (1, path), (2, path[1:2])):
        live.picture.drag = {"press": press, "path": so_far}
    assert [new for _, new in scene.paths] == [True, False, True]
    for (told, _), expected in zip(scene.paths, (places[:1], places, places[1:2]), strict=True):
        # The browser's fractions and this arithmetic are doubles.
        assert told == pytest.approx(np.array(expected, float), abs=1e-9)


def test_arrow_keys_move_a_point_by_a_fortieth():
    scene = Waves()
    live = waves(at=widgets.Point(scene.ax, (1.0, 0.0)), scene=scene)
    live.picture.nudges = [2, -1]
    live.picture.nudges = [2, 0]
    assert live.values["at"] == pytest.approx((1 + 2 * 14 / 40, 0))
    live.picture.nudges = [2, -400]
    assert live.values["at"] == pytest.approx((1 + 2 * 14 / 40, -3))


def test_the_browser_is_told_where_the_mouse_counts():
    scene = Waves()
    live = waves(widgets.Drag(scene.ax, scene.pull), at=widgets.Point(scene.ax), scene=scene)
    (region,) = live.picture.regions
    assert region == pytest.approx(by_hand(scene.ax, -1, 3) + by_hand(scene.ax, 13, -3))
    assert controls._inside(by_hand(scene.ax, 0, 0), region)
    assert not controls._inside(by_hand(scene.other, 0.5, 0.5), region)


def test_the_mouse_counts_nowhere_if_nothing_asks_for_it():
    assert waves().picture.regions == []


# The controls


def test_a_slider_of_ints_is_whole():
    assert isinstance(widgets.slider(1, 5, 2), ipywidgets.IntSlider)
    assert isinstance(widgets.slider(1, 5, 2.0), ipywidgets.FloatSlider)
    assert widgets.slider(0.0, 2.0, 1.0).continuous_update


def test_a_player_moves_the_picture():
    live = widgets.explore(Waves(), height=widgets.player(0, 2, 1))
    live.controls["height"].slider.value = 2
    assert live.picture.summary == "height 2.00"
    live.controls["height"].value = 0
    assert live.controls["height"].slider.value == 0
