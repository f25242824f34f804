import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { exceededLimits, machineLimits } from "./limits.ts";
import { type Options, readOptions } from "./options.ts";

const read = (...args: string[]) => readOptions(["sustained", ...args], {}) as Options;
const remote = ["--url", "ws://192.0.2.1/ws", "--source-addresses", "192.0.2.2"];

describe("limits of the machine", () => {
  test("accept a load that fits", () => {
    assert.deepEqual(exceededLimits(read(), { openFiles: 2600 + 2500, ports: 28_232 }), []);
    assert.deepEqual(exceededLimits(read(...remote), { openFiles: 20_000, ports: 10_000 }), []);
  });

  test("report too many connections for the open files and for the local ports", () => {
    const files = exceededLimits(read("--workers", "4"), { openFiles: 2599, ports: 28_232 });
    assert.match(
      files.join(),
      /^--connections: 2500 connections in each of 4 processes exceed the limit of 2599 open files/,
    );
    const ports = exceededLimits(read(...remote), { openFiles: 20_000, ports: 9999 });
    assert.match(ports.join(), /^--connections: 1 local address\(es\) have only 9999 ports/);
    const more = [...remote.slice(0, -1), "192.0.2.2,192.0.2.3"];
    assert.deepEqual(exceededLimits(read(...more), { openFiles: 20_000, ports: 9999 }), []);
  });

  test("are read from this machine", { skip: process.platform !== "linux" && "reads /proc" }, () => {
    const { openFiles, ports } = machineLimits();
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    assert.equal(openFiles, Number(soft));
    assert.ok(ports > 0 && ports < 65_536);
  });
});
