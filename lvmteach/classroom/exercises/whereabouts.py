"""Right on ordinary inputs: what the wrong cases have in common."""

from __future__ import annotations

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence
from lvmteach.classroom.exercises.features import FEW, features, lengths_of_one, tells
from lvmteach.classroom.exercises.ordinary import explains

MANY = 5  # right cases, if a case holds too little to tell much


def special_inputs(seen: Evidence, of_lengths: bool = True) -> Diagnosis | None:
    """What all wrong cases have and no right one has. of_lengths: whether that may be an axis longer than two."""
    wrong, right = seen.wrong, seen.right
    if len(right) < (2 if seen.informative else MANY):
        return None
    total = len(seen.received)
    for words, holds in lengths_of_one(seen):
        if all(holds(i) and tells(seen, i) for i in right) and not any(holds(i) for i in wrong):
            return Diagnosis(f"Right on those {len(right)} of {total} inputs alone where {words}.")
    found: dict[str, str] = {}  # one of a family
    tried = set()
    for words, holds in features(seen):
        if not of_lengths and words.endswith("longer than two"):
            continue
        structural = words.startswith("an axis of") or (words.endswith("parts") and len(right) >= FEW)
        if len(right) < len(wrong) and not structural:  # then a likeness is chance
            continue
        family = next((family for part, family in FAMILIES.items() if part in words), words)
        if family in found or not all(holds(i) for i in wrong) or any(holds(i) for i in right):
            continue
        explained = explains(seen, words)
        if explained is not False:
            found[family] = words
        if explained or words.startswith("the right result"):
            tried.add(family)
    likely = [found[family] for family in found if family in tried][:1] or list(found.values())
    if len(wrong) > 1:
        likely = likely[:1]
    if not 1 <= len(likely) <= 2:  # one case has many a likeness
        return None
    words = ", and ".join(likely)
    return Diagnosis(f"Right on {len(right)} of {total} inputs. The others are those where {words}.")


# Which of the features say nearly the same of an input.
FAMILIES = {
    "length one": "length one", "is tiny": "tiny result", "tiny numbers": "small", "small numbers": "small",
    "infinit": "infinite", "far apart": "large", "further apart": "large", "large positive": "large positive",
    "large": "large", "is long": "long",
}  # fmt: skip


def mostly_right(seen: Evidence) -> Diagnosis | None:
    """The same, where it is likelier than any other reason: not of a length, which many a formula has a part in."""
    return special_inputs(seen, of_lengths=False) if len(seen.right) >= 2 * len(seen.wrong) else None
