import assert from "node:assert/strict";
import { test } from "node:test";
import { shareNext } from "./share-next.ts";

test("callers share a question, and each gets the answer to a later question than its call", async () => {
  const open: ((answer: string) => void)[] = [];
  const ask = shareNext(() => new Promise<string>((resolve) => void open.push(resolve)));
  const first = ask();
  const [second, third] = [ask(), ask()];
  assert.equal(open.length, 1);
  open[0]?.("a");
  assert.equal(await first, "a");
  await new Promise(setImmediate);
  assert.equal(open.length, 2);
  open[1]?.("b");
  assert.deepEqual(await Promise.all([second, third]), ["b", "b"]);
  await new Promise(setImmediate);
  const last = ask();
  open[2]?.("c");
  assert.equal(await last, "c");
});
