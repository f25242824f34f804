import assert from "node:assert/strict";
import { test } from "node:test";
import { Emitter } from "./emitter.ts";
import type { Status } from "./types.ts";

test("a changed status is emitted as a new object", () => {
  const emitter = new Emitter();
  const emitted: Status[] = [];
  emitter.on("status", (status) => emitted.push(status));
  const before = emitter.status;
  emitter.set({ state: "connecting", reason: "" });
  assert.equal(emitter.status, before);
  emitter.set({ state: "open" });
  assert.deepEqual([emitted.length, before.state, emitter.status.state], [1, "connecting", "open"]);
  assert.equal(emitted[0], emitter.status);
});

test("a function that is added twice is two listeners, which end separately", () => {
  const emitter = new Emitter();
  let calls = 0;
  const listener = () => calls++;
  const off = emitter.on("subscribed", listener);
  emitter.on("subscribed", listener);
  emitter.emit("subscribed", { channels: [] });
  off();
  off();
  emitter.emit("subscribed", { channels: [] });
  emitter.emit("refetch", { channels: [], reason: "epoch" });
  assert.equal(calls, 3);
});

test("a listener may remove another and add one, which gets the next event", () => {
  const emitter = new Emitter();
  const calls: string[] = [];
  emitter.on("status", () => {
    calls.push("first");
    off();
    if (calls.length === 1) emitter.on("status", () => calls.push("added"));
  });
  const off = emitter.on("status", () => calls.push("ended"));
  emitter.set({ state: "open" });
  assert.deepEqual(calls, ["first"]);
  emitter.set({ state: "waiting" });
  assert.deepEqual(calls, ["first", "first", "added"]);
});
