import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { beyondLimits, limitsHere } from "./limits.ts";
import { type Options, readOptions } from "./options.ts";

const read = (...args: string[]) => readOptions(["sustained", ...args], {}) as Options;
const remote = ["--url", "ws://192.0.2.1/ws", "--source-addresses", "192.0.2.2"];

describe("limits of the machine", () => {
  test("a load that fits in is no problem", () => {
    assert.deepEqual(beyondLimits(read(), { openFiles: 2600 + 2500, ports: 28_232 }), []);
    assert.deepEqual(beyondLimits(read(...remote), { openFiles: 20_000, ports: 10_000 }), []);
  });

  test("files of a process, and ports of an address", () => {
    const files = beyondLimits(read("--workers", "4"), { openFiles: 2599, ports: 28_232 });
    assert.match(files.join(), /^--connections: 2500 in each of 4 processes, but one may have 2599 files/);
    const ports = beyondLimits(read(...remote), { openFiles: 20_000, ports: 9999 });
    assert.match(ports.join(), /^--connections: from 1 local address\(es\) there are 9999 ports/);
    const more = [...remote.slice(0, -1), "192.0.2.2,192.0.2.3"];
    assert.deepEqual(beyondLimits(read(...more), { openFiles: 20_000, ports: 9999 }), []);
  });

  test("are those of this machine", { skip: process.platform !== "linux" && "reads /proc" }, () => {
    const { openFiles, ports } = limitsHere();
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    assert.equal(openFiles, Number(soft));
    assert.ok(ports > 0 && ports < 65_536);
  });
});
