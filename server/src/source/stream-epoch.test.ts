import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamInfo } from "@nats-io/jetstream";
import { epochOf, nextEpoch } from "./stream-epoch.ts";

const stream = (created: string, metadata?: Record<string, string>, name = "ODIN_TOKENS") =>
  ({ created, config: { name, metadata } }) as unknown as StreamInfo;

const CREATED = "2026-01-02T03:04:05.678901234Z";

test("the first epoch follows from name and creation time, and stays as it was in earlier releases", () => {
  assert.equal(epochOf(stream(CREATED)), "vdVUQlE3ymDl");
  assert.notEqual(epochOf(stream(CREATED, {}, "OTHER")), epochOf(stream(CREATED)));
  assert.notEqual(epochOf(stream("2026-01-02T03:04:05.678901235Z")), epochOf(stream(CREATED)));
});

test("an epoch in the metadata counts, except for a stream that was created again with a copy of it", () => {
  const metadata = { "odin-epoch": `abc ${CREATED}` };
  assert.equal(epochOf(stream(CREATED, metadata)), "abc");
  const later = "2027-01-01T00:00:00Z";
  assert.equal(epochOf(stream(later, metadata)), epochOf(stream(later)));
  assert.equal(epochOf(stream(CREATED, { "odin-epoch": "" })), epochOf(stream(CREATED)));
});

test("the next epoch follows from the epoch before and the last common message", () => {
  const last = { seq: 5, storedAt: 7 };
  assert.equal(nextEpoch("a", last), nextEpoch("a", last));
  const others = [
    nextEpoch("b", last),
    nextEpoch("a", { ...last, seq: 6 }),
    nextEpoch("a", { ...last, storedAt: 8 }),
  ];
  assert.equal(new Set([nextEpoch("a", last), ...others]).size, 4);
});
