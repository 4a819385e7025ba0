"""The engine of the checks, on one small exercise: every way to be wrong has its own words."""

import contextlib
import copy
import importlib
import math
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from chance import assert_share

from benchmarks import mutants, slips
from lvmteach.classroom.exercises import choice as choice_room
from lvmteach.classroom.exercises import mutation
from lvmteach.classroom.exercises.cases import with_an_axis_of_one, with_equal_entries
from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.compare import Close, CloseWithGradients, SameDistribution
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.running import TimeLimit, many_calls, time_limit
from lvmteach.classroom.exercises.showing import picture
from lvmteach.classroom.exercises.verdict import CheckFailed, wrapped
from lvmteach.runtime import seeded


def log_mean_exp(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


def log_weights(seed):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(shape, generator=generator, dtype=torch.float64),) for shape in [(3,), (5, 3), (50, 2)]]


LOG_K = "You return log K too much: divide by K inside the logarithm."
JENSEN = "This is the mean of the logs."
BATCH = "You averaged over the batch. Samples are the first axis."
exercise = Exercise(
    ask="Average K weights given as logarithms.",
    reference=log_mean_exp,
    cases=log_weights,
    misconceptions={
        LOG_K: lambda log_w: torch.logsumexp(log_w, 0),
        JENSEN: lambda log_w: log_w.mean(0),
        BATCH: lambda log_w: torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1]),
    },
    seconds=1.0,
)


impatient = replace(exercise, seconds=0.3)  # for loops that do not end


def not_attempted(log_w):
    raise NotImplementedError


def prints(log_w):
    print(log_mean_exp(log_w))


def forgets(log_w):
    log_mean_exp(log_w)


def changes(log_w):
    log_w -= 1
    return log_mean_exp(log_w) + 1


def never_ends(log_w):
    while True:
        log_w = log_w + 1


def takes_more(log_w, K):
    return log_mean_exp(log_w)


def breaks(log_w):
    oops = log_w.no_such_method()
    return oops


SYMPTOMS = [
    (prints, "it printed its result; return it instead"),
    (forgets, "returned nothing; end it with"),
    (changes, "changed its input log_w: work on a copy"),
    (takes_more, "should take (log_w)"),
    (breaks, "oops = log_w.no_such_method()"),
    (lambda log_w: log_mean_exp(log_w)[None], "should have shape (), got (1,)"),
    (lambda log_w: log_mean_exp(log_w).float(), "should have dtype torch.float64, got torch.float32"),
    (lambda log_w: log_mean_exp(log_w) * math.nan, "holds NaN"),
    (lambda log_w: log_mean_exp(log_w).numpy(), "return a torch tensor, got a numpy array"),
    (lambda log_w: (log_mean_exp(log_w), 1), "tuple"),
    (lambda log_w: log_mean_exp(log_w) + 1e-6, "too much"),
    (lambda log_w: "a string", "got a str"),
]


@pytest.mark.parametrize(("answer", "words"), SYMPTOMS)
def test_each_symptom_has_its_words(answer, words):
    verdict = exercise.judge(answer)
    assert verdict.status == "not yet"
    assert words in verdict.message


def test_a_loop_that_does_not_end_has_its_words():
    verdict = impatient.judge(never_ends)
    assert verdict.status == "not yet"
    assert "still running after 0.3 s" in verdict.message


@pytest.mark.parametrize("sentence", exercise.misconceptions)
def test_each_misconception_gets_its_own_sentence(sentence):
    verdict = exercise.judge(exercise.misconceptions[sentence])
    assert (verdict.status, verdict.diagnosis) == ("not yet", sentence)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda log_w: -log_mean_exp(log_w), "but for the sign"),
        (lambda log_w: 2 * log_mean_exp(log_w), "2 times the right one"),
        (lambda log_w: log_mean_exp(log_w) + 0.25, "plus 0.25"),
    ],
)
def test_a_plain_relation_is_named(answer, words):
    assert words in exercise.judge(answer).diagnosis


def test_a_right_value_is_not_called_one_times_the_right_one():
    assert exercise.judge(changes).diagnosis == ""


def two_mistakes(log_w):
    return torch.logsumexp(log_w, 0) + (len(log_w) > 9) * 0.3


def test_one_of_two_mistakes_is_named_with_care():
    assert exercise.judge(two_mistakes).diagnosis == f"One thing that fits here: {LOG_K}"


def test_no_mistake_is_named_where_two_would_fit():
    twice = {"First.": lambda log_w: torch.logsumexp(log_w, 0), "Second.": lambda log_w: log_w.exp().sum(0).log()}
    assert replace(exercise, misconceptions=twice).judge(two_mistakes).diagnosis == ""


def test_truth_values_are_too_few_to_name_one_of_two_mistakes():
    def positive(x):
        return x > 0

    either = Exercise(
        "Signs.", positive, lambda seed: [(torch.arange(-2, n),) for n in (4, 6)], {"No.": lambda x: x > 1}
    )
    assert (
        "No." not in either.judge(lambda x: x > len(x) // 2 - 2).diagnosis
    )  # x > 1 on the first case, x > 2 on the second


def test_a_function_that_is_a_builtin_is_tried():
    assert "raised TypeError" in exercise.judge(torch.logsumexp).message


def test_warnings_of_what_is_tried_stay_away_from_the_student(recwarn):
    def warns(log_w):
        warnings.warn("mind the gap", stacklevel=1)
        return log_mean_exp(log_w)

    assert exercise.judge(warns).status == "passed"
    assert len(recwarn) == 0


def test_a_result_of_several_is_named():
    pair = Exercise("Both.", lambda x: (x, x.sum()), lambda seed: [(torch.ones(3),)], {})
    assert "result 2: the result should have shape (), got (3,)" in pair.judge(lambda x: (x, x)).message
    assert "return 2 results, got one Tensor" in pair.judge(lambda x: x).message


def test_another_right_answer_passes():
    assert exercise.judge(lambda log_w: (log_w - log_w.max()).exp().mean(0).log() + log_w.max()).status == "passed"


def test_the_stub_is_not_attempted_and_run_all_goes_on(capsys):
    use = exercise(not_attempted)
    said = capsys.readouterr().out
    assert said.startswith("not attempted")
    assert "use the reference" in said
    assert use(torch.zeros(3)) == 0
    assert exercise.judge(use).status == "not attempted"  # run twice, it does not praise the reference


def test_a_pass_gives_the_answer_back(capsys):
    assert exercise(log_mean_exp) is log_mean_exp
    assert capsys.readouterr().out == "ok: 7 cases\n"


@pytest.mark.parametrize("answer", [not_attempted, prints, exercise.misconceptions[JENSEN]])
def test_strict_raises_unless_passed(answer, monkeypatch):
    monkeypatch.setenv("LVMTEACH_STRICT", "1")
    assert exercise(log_mean_exp) is log_mean_exp
    with pytest.raises(CheckFailed):
        exercise(answer)


def test_a_case_that_must_be_refused():
    def careful(K):
        if K < 1:
            raise ValueError("K must be at least 1")
        return float(K)

    refuses = Exercise("Refuse K < 1.", careful, lambda seed: [(1,), (0,)], {})
    assert refuses.judge(careful).status == "passed"
    assert "should raise ValueError" in refuses.judge(lambda K: float(K)).message


def test_a_single_number_may_be_a_float():
    one = replace(exercise, reference=lambda log_w: log_mean_exp(log_w).mean(), misconceptions={})
    assert torch.get_default_dtype() == torch.float32  # in which a float would lose half of its digits
    assert one.judge(lambda log_w: float(log_mean_exp(log_w).mean())).status == "passed"
    assert one.judge(lambda log_w: float(log_mean_exp(log_w.float()).mean())).status == "not yet"


def test_a_loop_ends_that_did_not_notice_the_first_interrupt():
    def stubborn(log_w):
        with contextlib.suppress(BaseException):
            never_ends(log_w)
        return never_ends(log_w)

    assert impatient.judge(stubborn).message.endswith("a loop that does not end")


def test_an_endless_loop_ends_where_interrupts_are_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a process that a shell put into the background
    try:
        assert impatient.judge(never_ends).message.endswith("a loop that does not end")
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_call_that_waits_for_a_processor_is_no_loop():
    """On a crowded machine the clock goes on while nothing is done; a sleep is as good as waiting."""

    def waits(log_w):
        time.sleep(0.45)
        return log_mean_exp(log_w)

    assert replace(exercise, seconds=0.3, cases=lambda seed: exercise.cases(seed)[:1]).judge(waits).status == "passed"


@pytest.mark.parametrize("work", [lambda: None, lambda: time.sleep(0.02)])
def test_what_does_not_end_is_ended_by_its_work_or_by_the_clock(work):
    def endless():
        with time_limit(0.2):
            while True:
                work()

    began, worked = time.monotonic(), time.process_time()
    with pytest.raises(TimeLimit):
        endless()
    assert time.process_time() - worked < 2 * 0.2  # where it works
    assert 0.2 < time.monotonic() - began < 5  # where it sleeps: three times its limit, and what a crowded machine adds


def test_a_changed_formula_that_does_not_end_costs_no_more_than_the_search_may():
    worked = time.process_time()
    with many_calls(until=worked + 0.4) as call:
        call(never_ends, (torch.zeros(1),))
    assert time.process_time() - worked < 1.2


BLOCKS = """
import time
from lvmteach.classroom.exercises.running import TimeLimit, time_limit

ends = 0
for k in range(500):
    try:
        with time_limit(0.004):
            until = time.process_time() + 0.004 + 1e-6 * (k % 600 - 300)
            while time.process_time() < until:
                pass
    except TimeLimit:
        pass
    ends += 1
print(ends)
"""


@pytest.mark.slow
def test_a_block_that_ends_with_its_time_is_not_interrupted_behind_its_end():
    """The watch fires as the block ends. In a process of its own, where no method is wrapped to check its types."""
    done = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("500", "")


def test_a_limit_around_another_one_gets_through():
    def waits():
        with time_limit(0.2):
            for _ in range(100):
                with time_limit(5):
                    time.sleep(0.05)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(TimeLimit):
        waits()
    assert signal.getsignal(signal.SIGINT) == handler


def test_a_package_whose_import_was_cut_off_is_imported_as_a_whole_next_time(tmp_path, monkeypatch):
    """On a slow machine the limit may fall into an import that torch makes at a function's first use."""
    package = tmp_path / "slow_to_import"
    package.mkdir()
    (package / "part.py").write_text("one = 1")
    (package / "__init__.py").write_text(
        "from .part import one\nimport os, time\ntime.sleep(float(os.environ['SLOW']))"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SLOW", "9")
    with pytest.raises(TimeLimit), time_limit(0.1):
        importlib.import_module("slow_to_import")
    monkeypatch.setenv("SLOW", "0")
    assert importlib.import_module("slow_to_import").part.one == 1


def test_an_interrupt_by_hand_is_not_taken_for_the_time_limit():
    def interrupted(log_w):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercise.judge(interrupted)


def test_choice():
    choice = Choice("Which?", {"a": "one", "b": "two"}, {"a": "No, because.", "b": "Yes, because."}, right="b")
    assert choice.judge(...).status == "not attempted"
    assert choice.judge("A")[:3] == ("not yet", "not yet", "No, because.")
    assert choice.judge("b").status == "passed"
    assert "got 'z'" in choice.judge("z").message


CHOICE = Choice("Which?", {"a": "one", "b": "two"}, {"a": "No, a < b.", "b": "Yes."}, right="b")


def test_without_an_answer_a_notebook_offers_buttons(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(choice_room, "radio_buttons", shown.append)
    CHOICE(...)
    assert shown == []  # no kernel, no buttons
    monkeypatch.setattr(choice_room, "in_a_notebook", lambda: True)
    CHOICE(...)
    assert shown == [CHOICE]
    CHOICE("a")
    assert len(shown) == 1
    assert capsys.readouterr().out.count("not attempted: answer with one of a, b") == 2


def test_a_button_shows_the_feedback_of_its_option(monkeypatch):
    boxes, real = [], choice_room.ipywidgets.VBox
    monkeypatch.setattr(choice_room.ipywidgets, "VBox", lambda parts: boxes.append(real(parts)) or boxes[-1])
    monkeypatch.setattr(choice_room, "display", lambda *args, **kwargs: None)
    choice_room.radio_buttons(CHOICE)
    buttons, said = boxes[0].children
    buttons.value = "a)  one"
    assert said.value == "<b>not yet</b> No, a &lt; b."
    buttons.value = "b)  two"
    assert said.value.startswith("<b>passed</b> Yes.")
    assert "write &quot;b&quot;" in said.value


def test_before_ipywidgets_8_the_question_in_words_has_to_do(monkeypatch):
    monkeypatch.delattr("ipywidgets.widgets.widget.Widget._repr_mimebundle_")
    shown = []
    monkeypatch.setattr(choice_room, "display", shown.append)
    choice_room.radio_buttons(CHOICE)
    assert shown == []


def test_samples_are_compared_in_distribution():
    compare, n = SameDistribution(), 5000
    with seeded(0):
        assert compare.difference(torch.randn(n, 2), torch.randn(n, 2)) is None
        assert "mean square" in compare.difference(torch.randn(n, 2), 1.1 * torch.randn(n, 2) ** 1)
        assert "mean should" in compare.difference(torch.randn(n, 2), torch.randn(n, 2) + 0.2)


def test_the_stated_false_alarm_rate_is_kept():
    with seeded(1):
        compare = SameDistribution(false_alarm=0.05)  # a rate that can be measured
        alarms = sum(compare.difference(torch.randn(400), torch.randn(400)) is not None for _ in range(2000))
    assert_share(alarms, 2000, 0.05, resolution=0.03)


def two_results(x, scale):
    value = torch.sum(x) * scale
    return value, value - 1


def test_mutants_change_numbers_and_never_tools():
    made = list(mutation.mutants(two_results))
    assert [m for m in made if m.where.endswith(" torch")] == []
    assert [m.kind for m in made if m.kind.startswith("result")] == [
        "result 1 has the other sign", "result 2 has the other sign",
        "result 1 is twice the right one", "result 2 is twice the right one",
    ]  # fmt: skip


@pytest.mark.parametrize(("fresh_scale", "survives"), [(1.0, False), (3.0, True)])
def test_a_mutant_survives_that_fresh_cases_tell_apart(fresh_scale, survives):
    def cases(seed):  # the check itself, seed 0, cannot tell x * 1 from x / 1
        return [(torch.full((1,), 2.0), fresh_scale if seed else 1.0)]

    result = mutants.judge("blind", Exercise("Multiply.", two_results, cases, {}))
    assert any("* scale: something is multiplied" in words for words in result.survivors) is survives
    assert result.different == result.rejected + len(result.survivors)


def first(x):
    return x[0]


def test_a_mutant_that_cannot_run_is_not_counted():
    result = mutants.judge("first", Exercise("First.", first, lambda seed: [(torch.full((1,), 3.0),)], {}), pairs=0)
    assert result.different == 4  # negated, doubled, squared, root; x[1] raises and x[-1] is the same


def test_a_case_of_several_tensors_is_told_by_their_shapes():
    def last(layers, size):
        return layers[-1][1] * size

    net = ((torch.ones(2, 3), torch.ones(3)), (torch.ones(3, 1), torch.ones(1)))
    nets = Exercise("Scale the last bias.", last, lambda seed: [(net, 2.0)], {"No.": lambda layers, size: layers[0][1]})
    assert "on layers (((2, 3), (3,)), ((3, 1), (1,))), size = 2.0" in nets.judge(lambda layers, size: -size).message


@pytest.mark.parametrize("leave", [lambda x: sys.exit(), lambda x: sys.exit("done"), lambda x: exit(0)])
def test_an_answer_that_leaves_the_program_is_an_answer_that_failed(leave):
    verdict = exercise.judge(leave)
    assert verdict.status == "not yet"
    assert "SystemExit" in verdict.message


def test_under_nbgrader_only_a_pass_will_do(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(CheckFailed):
        exercise(not_attempted)
    assert exercise(log_mean_exp) is log_mean_exp


def test_what_an_answer_writes_to_stderr_is_not_in_the_notebook(capsys):
    def with_a_bar(log_w):
        print("50 %", file=sys.stderr)
        return log_mean_exp(log_w)

    assert exercise(with_a_bar) is with_a_bar
    assert capsys.readouterr().err == ""


def test_in_strict_mode_an_endless_loop_is_met_once(monkeypatch):
    class Shell:
        user_ns: ClassVar = {}

    def loops(log_w):
        while True:
            pass

    Shell.user_ns.update(my_answer=loops, other=3)
    monkeypatch.setattr("lvmteach.classroom.exercises.engine.get_ipython", Shell)
    monkeypatch.setenv("LVMTEACH_STRICT", "1")
    with pytest.raises(CheckFailed):
        impatient(loops)
    x = torch.randn(5, 3, dtype=torch.float64)
    assert torch.equal(Shell.user_ns["my_answer"](x), log_mean_exp(x))
    assert Shell.user_ns["other"] == 3


@pytest.mark.parametrize(
    ("text", "lines"),
    [("not yet: short", ["not yet: short"]), ("a " * 40, ["a " * 29 + "a", "  " + "a " * 9 + "a"])],
)
def test_a_verdict_fits_on_a_phone(text, lines):
    assert wrapped(text).split("\n") == lines


def test_an_axis_of_length_one_is_tried_without_being_declared():
    def squeezed(log_w):
        return log_mean_exp(log_w).squeeze()

    verdict = exercise.judge(squeezed)
    assert "on log_w (5, 1), the result should have shape (1,), got ()" in verdict.message
    assert replace(exercise, size_one=False).judge(squeezed).status == "passed"


def test_what_sums_to_one_still_does_when_it_is_cut():
    q = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], dtype=torch.float64)
    assert [tuple(case[0].shape) for case in with_an_axis_of_one([(q,)])] == [(1, 3), (2, 1)]
    (_, (probabilities, logs)) = with_an_axis_of_one([(q, q.log())])
    assert torch.equal(probabilities, torch.ones(2, 1, dtype=torch.float64))
    assert torch.equal(logs, torch.zeros(2, 1, dtype=torch.float64))


def test_what_sums_to_one_still_does_when_two_entries_are_made_alike():
    shares = torch.arange(1.0, 5.0, dtype=torch.float64) / 10
    for case, log in (((shares,), False), ((shares.log(),), True)):
        (alike,) = next(iter(with_equal_entries([case])))
        assert alike[0] == alike[1]
        assert torch.isclose((alike.exp() if log else alike).sum(), torch.ones((), dtype=torch.float64))


def test_an_axis_of_length_one_is_tried_for_classes_too():
    def largest(x):
        return x.argmax(-1)

    draws = [(torch.randn(n, 3, dtype=torch.float64),) for n in (4, 5, 6)]
    classes = Exercise("Classes.", largest, lambda seed: draws, {}, also_right=[lambda x: x.max(-1).indices])
    assert "should have shape (1,), got ()" in classes.judge(lambda x: x.argmax(-1).squeeze()).message


def test_results_that_are_right_are_named_beside_a_wrong_one():
    pair = Exercise("Both.", lambda x: (x, x.sum()), lambda seed: [(torch.ones(3),)], {})
    assert pair.judge(lambda x: (x, x.sum() + 1)).message.endswith("1 too much; result 1 is right")


def test_cases_on_which_right_answers_differ_are_not_made():
    def spread(x):
        return x.std(0)

    answers = Exercise("Spread.", spread, lambda seed: [(torch.randn(4, 3),), (torch.randn(5, 2),)], {})
    shapes = [tuple(case[0].shape) for case in answers.all_cases()]
    assert shapes[:3] == [(4, 3), (5, 2), (4, 1)]
    assert (1, 3) not in shapes  # no spread of one


@pytest.mark.parametrize(
    ("alters", "words"),
    [
        (lambda x: x.requires_grad_().sum().detach(), "input x (it requires a gradient now)"),
        (lambda x: x.sub_(1).sum() + x.numel(), "input x: work on a copy"),
    ],
)
def test_an_input_must_be_left_as_it_was(alters, words):
    total = Exercise("Sum.", lambda x: x.sum(), lambda seed: [(torch.ones(n),) for n in (2, 3)], {})
    assert words in total.judge(lambda x: alters(x)).message


def test_a_copy_trained_in_place_of_the_model_is_noticed():
    def train(model):
        with torch.no_grad():
            model.weight.fill_(2)
        return torch.tensor(1.0)

    learns = Exercise("Train.", train, lambda seed: [(torch.nn.Linear(2, 1),)], {})
    assert learns.judge(train).status == "passed"
    assert "did not learn" in learns.judge(lambda model: train(copy.deepcopy(model))).message


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ([math.inf, 1.0], [math.inf, 2.0], "1 of 2 numbers differ, most at [1]: expected 1, received 2, 1 too much"),
        ([math.inf], [1.5], "expected inf, received 1.5"),
        ([5.0], [5.000001], "expected 5, received 5.000001, 1e-06 too much"),
    ],
)
def test_the_worst_number_is_shown_and_its_difference(right, wrong, words):
    right, wrong = (torch.tensor(values, dtype=torch.float64) for values in (right, wrong))
    assert Close().difference(right, wrong) == words


def test_the_input_whose_gradient_is_wrong_is_named():
    def product(a, b):
        return (a * b).sum()

    both = Exercise(
        "Multiply.", product, lambda seed: [tuple(torch.rand(3).requires_grad_() for _ in "ab")], {},
        compare=CloseWithGradients(1e-5),
    )  # fmt: skip
    said = both.judge(lambda a, b: (a * b.detach()).sum()).message
    assert "its gradient for b is not (that for a is right)" in said


def test_the_failing_case_is_shown_in_full(capsys):
    exercise.case()  # whatever was judged before
    exercise(lambda log_w: log_mean_exp(log_w) + (log_w.ndim > 1) * log_w[0])
    capsys.readouterr()
    exercise.case()
    said = capsys.readouterr().out
    assert said.startswith("log_w = \n[[")
    assert "right: [" in said
    assert "yours: [" in said
    exercise(log_mean_exp)
    exercise.case()
    assert "no case has failed" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(9,), (9, 3), (6, 7)])
def test_many_numbers_are_drawn(shape):
    right = torch.rand(shape, dtype=torch.float64).reshape(9 if len(shape) == 1 else shape[0], -1).numpy()
    assert picture("result", right, right + 1).axes


@pytest.mark.parametrize("answer", ["b", " B ", "'b'", "(b)", '"B."'])
def test_a_letter_is_taken_as_it_is_written(answer):
    choice = Choice("Which?", {"a": "one", "b": "two"}, {"a": "No.", "b": "Yes."}, right="b")
    assert choice.judge(answer).status == "passed"


def test_slips_are_made_and_pairs():
    kinds = [mutant.kind for mutant in slips.all_of(two_results, 5)]
    assert any("; " in kind for kind in kinds)
    assert "everything in single precision" in kinds


def test_a_step_in_single_precision_is_a_slip():
    (slip,) = (one for one in slips.numerical(two_results_of_logs) if one.kind == "single precision in one place")
    x = torch.tensor([2.0, 3.0], dtype=torch.float64)
    right, wrong = two_results_of_logs(x), slip.function(x)
    assert wrong[0].dtype == torch.float64
    assert 0 < (wrong[0] - right[0]).abs().max() < 1e-7
    assert torch.equal(wrong[1], right[1])


def two_results_of_logs(x):
    return torch.log(x), 2 * x
