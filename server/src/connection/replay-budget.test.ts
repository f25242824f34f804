import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplayBudget } from "./replay-budget.ts";

test("a user is served at once until the budget is used up, and then waits until the debt is paid", () => {
  const budget = new ReplayBudget();
  for (const at of [0, 1]) {
    assert.equal(budget.waitMs("ann", at), 0);
    budget.charge("ann", 28_000, 0, at);
  }
  const wait = budget.waitMs("ann", 1);
  assert.ok(wait >= 1990 && wait <= 2000, `${wait}`);
  assert.equal(budget.waitMs("ann", 1 + wait), 0);
  assert.equal(budget.waitMs("bob", 1), 0, "another user has another budget");
});

test("bytes count too", () => {
  const budget = new ReplayBudget();
  budget.charge("ann", 10, 36_000_000, 0);
  assert.ok(budget.waitMs("ann", 0) > 1000);
});

test("nobody waits longer than 5 s, whatever was sent", () => {
  const budget = new ReplayBudget();
  budget.charge("ann", 1e9, 1e12, 0);
  assert.equal(budget.waitMs("ann", 0), 5000);
  assert.equal(budget.waitMs("ann", 5000), 0);
});

test("a clock that is set back does not add to the debt", () => {
  const budget = new ReplayBudget();
  budget.charge("ann", 50_000, 0, 1e6);
  assert.equal(budget.waitMs("ann", 0), 0);
});

test("users who have paid everything back are forgotten", () => {
  const budget = new ReplayBudget();
  budget.charge("ann", 3000, 0, 0);
  budget.charge("bob", 30_000, 0, 0);
  budget.sweep(2000);
  assert.equal(budget.size, 1);
  budget.sweep(11_000);
  assert.equal(budget.size, 0);
});
