"""What files of wrong answers that a check once let through share: how they are kept, and how they are judged again."""

from collections.abc import Callable

from lvmteach.classroom.exercises.stages import exercises


def keeper() -> tuple[dict[str, tuple[str, Callable]], Callable]:
    """A table, name to exercise and answer, and the decorator that puts an answer into it: `@missed("vae.kl")`."""
    kept = {}

    def missed(exercise):
        def keep(answer):
            kept[f"{exercise}, {answer.__name__}"] = exercise, answer
            return answer

        return keep

    return kept, missed


def assert_refused(exercise: str, answer: Callable) -> None:
    """exercise: stage and name, as in "vae.kl"."""
    stage, name = exercise.split(".")
    verdict = exercises(stage)[name].judge(answer, why=False)
    assert verdict.status == "not yet", (answer, verdict)
