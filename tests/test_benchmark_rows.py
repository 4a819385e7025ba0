"""The benchmarks' report: what is promised is judged, and every row is in the table."""

import pytest

from benchmarks import __main__ as bench
from benchmarks.timing import Row, report, table

FAST = Row("a step", 0.5, "the usual", 1.0, 2.0, 1.9, 2.1, 1.5, "one thread")
SLOW = FAST._replace(what="an epoch", ratio=1.4)
FREE = SLOW._replace(what="a draw", target=0.0, note="")


def test_a_row_is_a_line_of_the_table():
    assert list(table([FAST, SLOW, FREE]))[2:] == [
        "| a step | 0.5 | the usual | 1 | **2.00** [1.90, 2.10] | 1.5: met | one thread |",
        "| an epoch | 0.5 | the usual | 1 | **1.40** [1.90, 2.10] | 1.5: missed | one thread |",
        "| a draw | 0.5 | the usual | 1 | **1.40** [1.90, 2.10] |  |  |",
    ]


def test_rows_are_printed_as_they_come_and_given_back(capsys):
    def rows():
        yield FAST
        assert "ratio 2.00" in capsys.readouterr().out  # before the next is timed
        yield SLOW

    assert report(rows()) == [FAST, SLOW]


@pytest.mark.parametrize(("rows", "status", "met"), [([FAST], 0, True), ([SLOW, FAST], 0, False), ([FAST], 1, False)])
def test_one_missed_promise_is_an_error_whoever_made_it(monkeypatch, capsys, rows, status, met):
    class Ratios:
        rows = staticmethod(lambda: iter(found))

    class Pictures:
        main = staticmethod(lambda names: status)

    found = rows
    monkeypatch.setattr(bench, "machine", lambda: None)
    monkeypatch.setattr(bench.importlib, "import_module", lambda name: Pictures if name.endswith("pages") else Ratios)
    assert bench.main(["deep", "pages"]) == met
    assert capsys.readouterr().out.count("| a step |") == 1


def test_an_unknown_benchmark_is_told_the_others():
    with pytest.raises(SystemExit, match=r"no benchmark 'shallow'; there are linear_gaussian, mixtures, .*, pages"):
        bench.main(["deep", "shallow"])
