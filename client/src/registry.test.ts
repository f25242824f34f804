import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@odin-ws/protocol";
import { Registry } from "./registry.ts";

const message = (channel: string, offset = 1): Envelope => {
  return { seq: 1, offset, ts: 0, type: "t", priority: "high", channel, data: null };
};

test("a message reaches each listener once, even if several of its channels match", () => {
  const registry = new Registry();
  const calls: string[] = [];
  const add = (name: string, ...channels: string[]) =>
    registry.add(
      channels,
      () => calls.push(name),
      0,
      () => {},
    );
  add("all", "*.*", "BTC.*", "*.trade", "BTC.trade", "odin.token.BTC.trade");
  add("other", "ETH.trade");
  add("pattern", "*.trade");
  registry.deliver(message("BTC.trade"), false);
  assert.deepEqual(calls.sort(), ["all", "pattern"]);
});

test("a channel stays until its last listener is removed; removing a listener twice has no effect", () => {
  const registry = new Registry();
  let changes = 0;
  const add = (...channels: string[]) =>
    registry.add(
      channels,
      () => {},
      0,
      () => void changes++,
    );
  const first = add("A.trade", "B.trade");
  const second = add("A.trade");
  first();
  first();
  assert.deepEqual([...registry.channels], ["A.trade"]);
  second();
  assert.deepEqual([...registry.channels], []);
  assert.ok(changes >= 4);
});

test("a listener gets no message from before its start, until another stream begins", () => {
  const registry = new Registry();
  const got: number[] = [];
  registry.add(
    ["A.trade"],
    ({ offset }) => got.push(offset),
    5,
    () => {},
  );
  for (const offset of [4, 5, 6]) registry.deliver(message("A.trade", offset), false);
  registry.begin(-1);
  registry.deliver(message("A.trade", 1), false);
  registry.clear();
  registry.deliver(message("A.trade", 9), false);
  assert.deepEqual(got, [6, 1]);
});

test("a list with an invalid name adds no channel", () => {
  const registry = new Registry();
  const add = () =>
    registry.add(
      ["A.trade", "nonsense"],
      () => {},
      0,
      () => {},
    );
  assert.throws(add, { name: "TypeError", message: "nonsense is not a channel like BTC.trade" });
  assert.deepEqual([...registry.channels], []);
});
