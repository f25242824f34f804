import assert from "node:assert/strict";
import { test } from "node:test";
import { machineFacts } from "./machine-types.ts";

const GIB = 2 ** 30;

test("predefined, custom and shared types", () => {
  for (const [type, vcpus, cores, gib, gbits] of [
    ["e2-standard-2", 2, 2, 8, 4],
    ["e2-standard-4", 4, 4, 16, 8],
    ["e2-standard-16", 16, 16, 64, 16],
    ["e2-highcpu-8", 8, 8, 8, 16],
    ["n2-highmem-2", 2, 2, 16, undefined],
    ["n1-standard-1", 1, 1, 3.75, undefined],
    ["e2-medium", 2, 1, 4, 2],
    ["e2-micro", 2, 0.25, 1, 1],
    ["n2-custom-6-5120-ext", 6, 6, 5, undefined],
    ["e2-custom-4-8192", 4, 4, 8, 8],
    ["e2-custom-small-3072", 2, 0.5, 3, 1],
  ] as const)
    assert.deepEqual(
      machineFacts(type),
      { vcpus, cores, memoryBytes: gib * GIB, egressBits: gbits === undefined ? undefined : gbits * 1e9 },
      type,
    );
});

test("nothing is guessed about unknown types", () => {
  for (const type of [
    "x9-standard-2",
    "n2-gigantic-2",
    "t2d-highmem-2",
    "f1-micro",
    "e2-standard-0",
    "toString",
  ])
    assert.equal(machineFacts(type), undefined, type);
});
