"""Cases that no exercise declares: equal entries, old gradients, what can be gone through once. Each has its bug."""

import torch

from lvmteach.classroom.exercises.cases import Stream, with_equal_entries, with_old_gradients
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.running import copied


def draws(seed, *sizes):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=draw, dtype=torch.float64) for size in sizes]


def others(x):
    """The sum of all entries but each one."""
    return x.sum() - x


def by_value(x):
    return torch.stack([x[x != one].sum() for one in x])


def test_an_entry_that_is_removed_by_its_value_takes_its_equal_along():
    exercise = Exercise("Sum the others.", others, lambda seed: [(x,) for x in draws(seed, 3, 5, 8)], {})
    verdict = exercise.judge(by_value)
    assert verdict.status == "not yet"
    assert "two entries of x along axis 0 are alike" in verdict.diagnosis


def test_two_entries_are_made_alike_along_the_axes_of_one_length():
    x, table, S = torch.arange(3.0), torch.arange(12.0).reshape(3, 4), torch.eye(4)
    ((same, rows, matrix),) = with_equal_entries([(x, table, S)])  # not along those of length four: S would be singular
    assert same.tolist() == [0, 0, 2]
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[2], table[2])
    assert torch.equal(matrix, S)


def test_of_equals_a_choice_is_not_asked():
    def largest(x):
        return x.argmax()

    first = Exercise("Find the largest.", largest, lambda seed: [(x,) for x in draws(seed, 3, 5)], {})
    assert [len(x) for (x,) in first.all_cases(0)] == [3, 5, 1]  # one number alone, but no two that are equal
    assert first.judge(lambda x: len(x) - 1 - x.flip(0).argmax()).status == "passed"


def slope(x):
    """The derivative of x^4."""
    return 4 * x.detach() ** 3


def by_backward(x):
    (x**4).sum().backward()
    found, x.grad = x.grad, None
    return found


def cleared_first(x):
    x.grad = None
    return by_backward(x)


def test_a_gradient_of_before_does_not_belong_to_the_result():
    def cases(seed):
        return [(x.requires_grad_(),) for x in draws(seed, 2, 3, 4)]

    exercise = Exercise("Differentiate.", slope, cases, {})
    assert exercise.judge(cleared_first).status == "passed"
    verdict = exercise.judge(by_backward)
    assert verdict.status == "not yet"
    assert "gradients of an earlier backward lie in x" in verdict.diagnosis


def test_old_gradients_travel_with_a_copy_and_the_given_input_keeps_none():
    model = torch.nn.Linear(2, 1)
    ((made,),) = with_old_gradients([(model,)])
    assert all((p.grad == 1).all() for p in copied(made).parameters())
    assert all(p.grad is None for p in model.parameters())


def means(batches):
    return torch.stack([batch.mean() for batch in batches])


def counted_first(batches):
    found = torch.zeros(sum(1 for _ in batches), dtype=torch.float64)
    for i, batch in enumerate(batches):
        found[i] = batch.mean()
    return found


def test_what_can_be_gone_through_once_is_not_gone_through_twice():
    def cases(seed):
        return [(Stream(*draws(seed, *sizes)),) for sizes in ((2, 3), (4, 1, 5))]

    exercise = Exercise("Average each batch.", means, cases, {})
    assert exercise.judge(lambda batches: means(list(batches))).status == "passed"
    verdict = exercise.judge(counted_first)
    assert verdict.status == "not yet"
    assert "can be gone through once" in verdict.diagnosis


def test_a_check_that_fails_by_itself_passes_nobody():
    def broken(x):
        raise ImportError("cut short")

    verdict = Exercise("Nothing.", broken, lambda seed: [(x,) for x in draws(seed, 2, 3, 4)], {}).judge(broken)
    assert verdict.status == "not yet"
    assert "Restart the kernel" in verdict.message.replace("\n", " ")
