import assert from "node:assert/strict";
import { test } from "node:test";
import { shortest } from "./shortest.ts";

const ALL = Array.from({ length: 20 }, (_, n) => n);

test("only the items that are needed remain", async () => {
  const needs = (wanted: number[]) => async (items: readonly number[]) =>
    wanted.every((one) => items.includes(one));
  assert.deepEqual(await shortest(ALL, needs([7]), 1000), [7]);
  assert.deepEqual(await shortest(ALL, needs([2, 3, 17]), 1000), [2, 3, 17]);
  assert.deepEqual(await shortest(ALL, needs(ALL), 1000), ALL);
});

test("the number of runs is limited", async () => {
  let runs = 0;
  const kept = await shortest(
    ALL,
    async (items) => {
      runs++;
      return items.includes(5);
    },
    3,
  );
  assert.equal(runs, 3);
  assert.ok(kept.includes(5) && kept.length < ALL.length);
});
