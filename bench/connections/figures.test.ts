import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesEach, idleMicros, type Reading, spreadOf } from "./figures.ts";
import { kernelMemoryOf } from "./kernel.ts";

const reading = (connections: number, more: Partial<Reading["kernel"]> = {}, pss = 1e9): Reading => ({
  connections,
  gateway: { rss: 2 * pss, pss, cpu: 0, processes: 3 },
  kernel: { slab: 1e8, tcpBuffers: 0, tables: 1e7, sockets: 0, available: 2e10, ...more },
  loadRss: 1e8,
});

test("the empty processes and what other programs use do not count for the connections", () => {
  const now = reading(
    1000,
    { slab: 1e8 + 8e6, tcpBuffers: 1e6, tables: 2e7, available: 2e10 - 3e7 },
    1e9 + 7e6,
  );
  assert.deepEqual(bytesEach(reading(0), now), {
    gateway: 7000,
    kernel: 8000 + 1000 + 10_000,
    load: 0,
    machine: 30_000,
  });
  assert.throws(
    () => bytesEach(reading(1000), reading(1000)),
    /there are 1000 connections, not more than 1000/,
  );
});

test("idle CPU is above that of the empty gateway, for one connection and second", () => {
  const options = { cpuMicros: 1_000_000, seconds: 10, connections: 10_000, emptyPerSecond: 20_000 };
  assert.equal(idleMicros(options), 8);
});

test("quantiles of no value, one value and many values", () => {
  assert.deepEqual(spreadOf([]), { count: 0, p50: 0, p99: 0, max: 0 });
  assert.deepEqual(spreadOf([7]), { count: 1, p50: 7, p99: 7, max: 7 });
  const many = Array.from({ length: 200 }, (_, index) => 200 - index);
  assert.deepEqual(spreadOf(many), { count: 200, p50: 100, p99: 198, max: 200 });
});

test("memory of the kernel is read from the texts of /proc", () => {
  const meminfo = "MemAvailable:  2000 kB\nSlab:   100 kB\nKernelStack:  3 kB\nPageTables:   4 kB\n";
  const sockstat = "sockets: used 26\nTCP: inuse 7 orphan 0 tw 20002 alloc 8 mem 60\n";
  assert.deepEqual(kernelMemoryOf(meminfo, sockstat, "TCP6: inuse 5\n"), {
    slab: 102_400,
    tcpBuffers: 245_760,
    tables: 7168,
    sockets: 12,
    available: 2_048_000,
  });
});
