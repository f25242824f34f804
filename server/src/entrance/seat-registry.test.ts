import assert from "node:assert/strict";
import { test } from "node:test";
import { Admission } from "./admission.ts";
import { type SeatHolder, SeatRegistry, type UserLimit } from "./seat-registry.ts";

/** A process whose clients answer as the test wants. */
class FakeHolder implements SeatHolder {
  readonly checked: number[][] = [];
  readonly replaced: number[] = [];
  answer: PromiseWithResolvers<void> = Promise.withResolvers();

  checkClients(seats: readonly number[]): Promise<void> {
    this.checked.push([...seats]);
    return this.answer.promise;
  }
  replaceClient(seat: number): void {
    this.replaced.push(seat);
  }
}

function setUp(action: UserLimit["action"], maxPerIpPerSecond = 0) {
  const admission = new Admission({ maxConnections: 10, maxPerUser: 2, maxPerIpPerSecond });
  const registry = new SeatRegistry(admission, { maxPerUser: 2, action });
  const holders = [new FakeHolder(), new FakeHolder()] as const;
  for (const holder of holders) registry.add(holder);
  const take = (holder: SeatHolder, seat: number, user = "u") =>
    registry.take(holder, seat, { user: user === "" ? undefined : user, ip: "1.2.3.4" });
  return { admission, registry, holders, take };
}

test("seats of all processes are checked, and only seats that were freed are given again", async () => {
  const { admission, registry, holders, take } = setUp("refuse");
  const [first, second] = holders;
  await take(first, 1);
  await take(second, 1);
  await take(second, 2, "another");
  const waiting = [take(first, 2), take(second, 3)];
  assert.equal((await take(first, 3))?.reason, "per_user", "a third one does not wait");
  assert.deepEqual([first.checked, second.checked], [[[1]], [[1]]]);
  registry.free(second, 1);
  registry.free(second, 1);
  first.answer.resolve();
  second.answer.resolve();
  const outcomes = await Promise.all(waiting);
  assert.deepEqual(
    outcomes.map((refusal) => refusal?.reason),
    [undefined, "per_user"],
  );
  assert.equal(admission.connections, 3);
  first.answer = Promise.withResolvers();
  second.answer = Promise.withResolvers();
  const later = take(first, 4);
  assert.deepEqual(first.checked.at(-1), [1, 2], "each later client is worth another check");
  first.answer.resolve();
  second.answer.resolve();
  assert.equal((await later)?.reason, "per_user");
});

test("a process that ends frees its seats, also those of clients that wait", async () => {
  const { admission, registry, holders, take } = setUp("refuse");
  const [first, second] = holders;
  await take(first, 1);
  await take(first, 2);
  await take(first, 3, "");
  const waiting = take(second, 1);
  registry.remove(first);
  registry.remove(second);
  assert.equal(admission.connections, 0);
  first.answer.resolve();
  await waiting;
  assert.equal(admission.connections, 0);
});

test("replace: the oldest connection goes, wherever it is", async () => {
  const { admission, holders, take } = setUp("replace");
  const [first, second] = holders;
  for (const [holder, seat] of [
    [first, 1],
    [second, 1],
    [first, 2],
    [second, 2],
  ] as const)
    assert.equal(await take(holder, seat), undefined);
  assert.deepEqual([first.replaced, second.replaced], [[1], [1]]);
  assert.deepEqual([first.checked, second.checked], [[], []]);
  assert.equal(admission.connections, 2);
});

test("the address of a client that waited is counted once", async () => {
  const { holders, take } = setUp("refuse", 4);
  const [first] = holders;
  await take(first, 1);
  await take(first, 2);
  first.answer.resolve();
  assert.equal((await take(first, 3))?.reason, "per_user");
  assert.equal((await take(first, 4))?.reason, "per_user");
});
