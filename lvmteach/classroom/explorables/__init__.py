"""Live demos that compute and draw in the browser: in JupyterLab, on slides, on a page opened from the disk.

    from lvmteach.classroom.explorables import explore
    walk = explore("latent_explorer", z=(1.0, -0.5))
    walk.values, walk.result        # what the hand has set, and the same numbers from Python
    walk.move(z=(0.0, 0.0))         # moving it from Python

A demo has two halves of one name. `js/demos/NAME.js` computes and draws. `NAME.py` has what it needs (`payload`) and
the same computation in torch (`compute`, `words`), the oracle that a test holds the first to. `make explorables`
minifies `js/` into `built/` and draws the key frames in `stills/` with it. CONTRIBUTING.md says how to add one.
"""

from lvmteach.classroom.explorables.pages import page, place, script
from lvmteach.classroom.explorables.widget import Explorable, explore

__all__ = ["Explorable", "explore", "page", "place", "script"]
