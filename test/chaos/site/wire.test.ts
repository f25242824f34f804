import assert from "node:assert/strict";
import { test } from "node:test";
import { Wire } from "./wire.ts";

const welcome = (epoch: string) => JSON.stringify({ type: "welcome", epoch, offset: 0 });
const envelope = (seq: number, offset: number) => JSON.stringify({ seq, offset, channel: "A.trade" });

function reportsOf(...texts: string[]): string[] {
  const reports: string[] = [];
  const wire = new Wire((what) => reports.push(what));
  for (const text of texts) wire.take(text);
  return reports;
}

test("envelopes that are repeated with their seq, and those of other connections and streams", () => {
  assert.deepEqual(
    reportsOf(welcome("e"), envelope(1, 5), envelope(3, 7), envelope(2, 6), envelope(2, 6)),
    [],
  );
  assert.deepEqual(reportsOf(welcome("e"), envelope(1, 5), welcome("e"), envelope(1, 6), envelope(2, 5)), []);
  const other = JSON.stringify({ type: "throttle_update", since: { epoch: "f", offset: 0 } });
  assert.deepEqual(reportsOf(welcome("e"), envelope(1, 5), other, envelope(2, 5), ""), []);
});

test("a message that comes again with another seq, and a seq that comes again with another message", () => {
  const same = JSON.stringify({ type: "throttle_update", since: { epoch: "e", offset: 0 } });
  assert.deepEqual(reportsOf(welcome("e"), envelope(1, 5), same, envelope(2, 5)), [
    "the gateway sent offset 5 of A.trade as seq 1 and as seq 2",
  ]);
  assert.deepEqual(reportsOf(welcome("e"), envelope(1, 5), envelope(1, 6)), [
    "the gateway sent seq 1 for offset 5 and for offset 6",
  ]);
});
