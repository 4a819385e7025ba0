// Steps of an algorithm as a value, a string of letters: the states that they lead through, of which old ones are kept.

// States before the first step and after each. `key` names all else that they depend on.
export function replay(model, key, steps, begin, step) {
  const known = model.replayed;
  let states = [begin()], done = 0;
  if (known?.key === key) {
    while (done < steps.length && steps[done] === known.steps[done]) done++;
    states = known.states.slice(0, done + 1);
  }
  for (const letter of steps.slice(done)) states.push(step(states.at(-1), letter));
  model.replayed = { key, steps, states };
  return states;
}
