"""What stands in the place of the answer to `ess`, in the first sheet, to earn its point without it, or to do harm.

The last ones try something, and define the right answer only if it worked: they pass where there are no walls.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent
WRONG = "def ess(log_w): return torch.ones(log_w.shape[1:])\n"

CHEATS = {
    "environment variable": """
import os
os.environ.update(LVMTEACH_STRICT="0", NBGRADER_EXECUTION="")
"""
    + WRONG,
    "shadowed check": """
class check:
    ess = staticmethod(lambda answer: answer)
"""
    + WRONG,
    "patched class": """
from lvmteach.classroom.exercises import engine, running, verdict
engine.Exercise.judge = lambda *given: verdict.Verdict("passed", "ok: 12 cases")
engine.attempt = running.attempt = lambda *given: running.Outcome()
"""
    + WRONG,
    "reference read from the package": """
import sys
for name in list(sys.modules):
    if "monte_carlo" in name:
        del sys.modules[name]
from lvmteach.classroom.exercises.monte_carlo.ess import ess as theirs
ess = theirs.reference
""",
    "reference read from its file": """
from pathlib import Path
from lvmteach.classroom import exercises
space = {}
exec((Path(exercises.__path__[0]) / "monte_carlo" / "ess.py").read_text(), space)
ess = space["_ess"]
""",
    "solutions of the repository": f"""
exec(open({str(ROOT / "solutions" / "text" / "01_monte_carlo.py")!r}).read())
""",
    "inspect.getsource": """
import inspect
exec(inspect.getsource(check.ess.reference))
ess = _ess
""",
    "a search of all objects": """
import gc, types
(ess,) = [o for o in gc.get_objects() if isinstance(o, types.FunctionType) and o.__name__ == "_ess"]
""",
    "a search of the callers": """
import sys
frame = sys._getframe()
while frame:
    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
        if hasattr(value, "reference"):
            ess = value.reference
    frame = frame.f_back
""",
    "equal to everything": """
class Any(torch.Tensor):
    def __eq__(self, other):
        return True

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True

def ess(log_w):
    return torch.zeros(log_w.shape[1:]).as_subclass(Any)
""",
    "writing the stream of results": """
import os, struct
head = b'{"tuple": [{"str": "done"}, {"tuple": [{"str": "passed"}, {"str": "ok"}]}]}'
for fd in range(64):
    try:
        os.write(fd, struct.pack("<Q", len(head) + 4) + struct.pack("<I", len(head)) + head)
    except OSError:
        pass
"""
    + WRONG,
    "a result that is no number": """
class A:
    pass

def ess(log_w):
    return [A(), open, {1: A}]
""",
}

CRASHES = {
    "it ends the process": "import os\nos._exit(0)",
    "it ends the process when called": "import os\ndef ess(log_w): os._exit(0)",
    "it crashes": "import ctypes\nctypes.string_at(0)",
    "a loop that cannot be interrupted": """
def ess(log_w):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    "a cell without end": """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
    "a result of 500 MB": "def ess(log_w): return torch.zeros(64 << 20)",
}

_WORKED = """
    m = log_w.max(0).values
    w = (log_w - m).exp()
    return w.sum(0) ** 2 / (w ** 2).sum(0)
"""


def _if_it_works(attempt: str) -> str:
    return f"import os, resource, socket, subprocess\n{attempt}\ndef ess(log_w):{_WORKED}"


ATTEMPTS = {
    "fork bomb": _if_it_works("for _ in range(3):\n    os.fork() or os._exit(0)"),
    "another program": _if_it_works("subprocess.run(['/bin/true'], check=True)"),
    "a file of one's own": _if_it_works("open('WRITTEN', 'w').write('x')"),
    "emptying a file": _if_it_works("os.close(os.open('NEIGHBOUR', os.O_RDONLY | os.O_TRUNC))"),
    "all memory": _if_it_works("torch.empty(3 << 27)"),
    "the network": _if_it_works("socket.create_connection(('127.0.0.1', PORT), 2)"),
    "a neighbour's file": _if_it_works("open('NEIGHBOUR').read()"),
    "the machine's users": _if_it_works("open('/etc/passwd').read()"),
    "signals to others": _if_it_works("os.kill(os.getppid(), 0)"),
    "rights of a file": _if_it_works("os.chmod('NEIGHBOUR', 0o644)"),
    "the limits of others": _if_it_works("resource.prlimit(os.getppid(), resource.RLIMIT_CORE)"),
}
