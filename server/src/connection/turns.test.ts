import assert from "node:assert/strict";
import { test } from "node:test";
import { type Job, Turns } from "./turns.ts";

/** Turns on a clock that only the jobs move. */
class World {
  now = 0;
  readonly log: string[] = [];
  readonly #later: (() => void)[] = [];
  readonly turns = new Turns(
    () => this.now,
    (turn) => void this.#later.push(turn),
  );

  /** A job of this many steps, each of which takes this long. */
  job(name: string, steps: number, ms: number): Job {
    let left = steps;
    return {
      step: () => {
        this.log.push(name);
        this.now += ms;
        return --left > 0;
      },
    };
  }

  turn(): string {
    this.log.length = 0;
    assert.ok(this.#later.length <= 1, "one turn is asked for at a time");
    this.#later.shift()?.();
    return this.log.join("");
  }
}

test("a job starts at once, and a long one continues in later turns", () => {
  const world = new World();
  world.turns.run(world.job("a", 10, 1));
  assert.equal(world.log.join(""), "aaaa");
  assert.equal(world.turn(), "aaaa");
  assert.equal(world.turn(), "aa");
  assert.equal(world.turn(), "");
});

test("clients that wait get one step each in turn, also those that come later", () => {
  const world = new World();
  world.turns.run(world.job("a", 8, 2));
  world.turns.run(world.job("b", 3, 2));
  world.turns.run(world.job("c", 1, 1));
  assert.equal(world.log.join(""), "aa", "the time of this turn is used up");
  assert.equal(world.turn(), "ab");
  assert.equal(world.turn(), "cab");
  assert.equal(world.turn(), "ab");
});

test("a job that waits already is not added again, and one that starts another job keeps its place", () => {
  const world = new World();
  const other = world.job("b", 1, 1);
  let first = true;
  const job: Job = {
    step: () => {
      world.log.push("a");
      world.now += 1;
      world.turns.run(other);
      world.turns.run(job);
      const again = first;
      first = false;
      return again;
    },
  };
  world.turns.run(job);
  assert.equal(world.log.join(""), "abab".slice(0, 4));
});

test("a step is over after its time", () => {
  const world = new World();
  const seen: boolean[] = [];
  world.turns.run({
    step: () => {
      seen.push(world.turns.stepOver);
      world.now += 1;
      seen.push(world.turns.stepOver);
      return false;
    },
  });
  assert.deepEqual(seen, [false, true]);
});
