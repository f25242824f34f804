import assert from "node:assert/strict";
import { test } from "node:test";
import { readFrames } from "@odin-ws/loadtest/frame-reader";
import { sumOf } from "./crowd.ts";
import { plotOf } from "./plot.ts";
import { combined, emptyReport, type Step } from "./report.ts";
import { isInAudience } from "./subjects.ts";
import { tablesOf } from "./tables.ts";
import { patienceMs, waitMs } from "./waits.ts";

test("exactly the audience gets messages, spread over all viewers", () => {
  for (const [viewers, audience] of [
    [100_000, 12_100],
    [250_000, 12_100],
    [300, 120],
    [7, 7],
    [5, 0],
  ] as const) {
    const members = Array.from({ length: viewers }, (_, n) => n).filter((n) =>
      isInAudience(n, { viewers, audience }),
    );
    assert.equal(members.length, audience);
    const inFirstHalf = members.filter((n) => n < viewers / 2).length;
    assert.ok(Math.abs(inFirstHalf - audience / 2) <= 1, `${inFirstHalf} of ${audience}`);
  }
});

test("frames of every length are read, wherever the bytes are divided", () => {
  const frame = (opcode: number, size: number) => {
    const head =
      size < 126 ? [size] : size < 65_536 ? [126, size >> 8, size & 255] : [127, 0, 0, 0, 0, 0, 1, 0, 0];
    return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), Buffer.alloc(size, opcode)]);
  };
  const all = Buffer.concat([frame(1, 5), frame(9, 0), frame(1, 126), frame(2, 65_536), frame(8, 2)]);
  const expected = [
    [1, 5],
    [9, 0],
    [1, 126],
    [2, 65_536],
    [8, 2],
  ];
  for (const cut of [1, 2, 7, 9, 10, 11, 12, 140, 141, 150, 70_000]) {
    const found: number[][] = [];
    let rest: Buffer = Buffer.alloc(0);
    for (const part of [all.subarray(0, cut), all.subarray(cut)]) {
      const bytes = Buffer.concat([rest, part]);
      const used = readFrames(bytes, (opcode, _compressed, _bytes, start, end) =>
        found.push([opcode, end - start]),
      );
      rest = bytes.subarray(used);
    }
    assert.deepEqual(found, expected, `divided at ${cut}`);
  }
  assert.throws(() => readFrames(Buffer.from([0x81, 0x85, 0]), () => {}), /masked/);
  assert.throws(() => readFrames(Buffer.from([0x01, 0x05]), () => {}), /fragment/);
});

test("viewers wait as the client library does, and as long as the gateway asks", () => {
  assert.deepEqual([waitMs(0, 0, 0), waitMs(0, 0, 1)], [200, 2000]);
  assert.equal(waitMs(1, 0, 1), 500, "the next attempts are quick");
  assert.equal(waitMs(11, 0, 1), 4000);
  assert.equal(waitMs(30, 0, 1), 20_000);
  assert.deepEqual([waitMs(3, 5, 0), waitMs(3, 5, 1)], [5000, 10_000]);
  assert.deepEqual([patienceMs(2), patienceMs(3)], [5000, 10_000]);
});

test("counts of load processes add up, reasons too", () => {
  const counts = { ...sumOf([]), subscribed: 2, failures: { timeout: 1, ECONNRESET: 2 } };
  const sum = sumOf([counts, { ...counts, deliveries: 5, failures: { timeout: 3 } }]);
  assert.deepEqual([sum.subscribed, sum.deliveries, sum.failures], [4, 5, { timeout: 4, ECONNRESET: 2 }]);
});

const machine = { cpu: "a", cores: 2, memoryGiB: 24, node: "v24", kernel: "Linux" };
const step = (connections: number): Step => ({
  connections,
  seconds: 10,
  opened: connections,
  failures: connections > 50_000 ? { timeout: 3 } : {},
  bytes: { gateway: 6144, kernel: 10_240, load: 4096, machine: 24_576 },
  idleMicros: 1.5,
  openMicros: 200,
  idleCores: 0.25,
});

test("a later run adds its parts to the file, and replaces the same ones", () => {
  const first = { ...emptyReport(machine), steps: [step(100_000), step(10_000)] };
  const second = { ...emptyReport(machine), steps: [{ ...step(10_000), idleMicros: 3 }] };
  const { steps } = combined(first, second);
  assert.deepEqual(
    steps.map(({ connections, idleMicros }) => [connections, idleMicros]),
    [
      [10_000, 3],
      [100_000, 1.5],
    ],
  );
});

test("the tables and the plot show the figures, and only parts that were measured", () => {
  const spread = { count: 1, p50: 1500, p99: 2500, max: 3000 };
  const back = {
    lost: 50_000,
    missing: 0,
    attempts: 60_000,
    failures: { "503 handshakes": 10_000 },
    waits: spread,
  };
  const report = {
    ...emptyReport(machine),
    steps: [step(10_000), step(100_000)],
    comebacks: [
      {
        what: "gateway" as const,
        connections: 50_000,
        workers: 4,
        seconds: 21,
        course: [0, 25_000, 50_000],
        ...back,
      },
    ],
  };
  const tables = tablesOf(report);
  assert.ok(
    tables.includes("| 100,000 | 10,000 | 3 × timeout | 6.0 | 10.0 | 24.0 | 1.13 | 200 | 1.50 | 0.25 |"),
    tables,
  );
  assert.ok(
    tables.includes("| 50,000 | 50,000 | 21.0 s | 1.5 s | 2.5 s | 60,000 | 10,000 × 503 handshakes |"),
    tables,
  );
  assert.ok(!tables.includes("p50, ms"));
  assert.ok(tablesOf({ ...report, comebacks: [] }).split("\n\n").length === 1);
  const svg = plotOf(report);
  assert.match(svg, /^<svg[^>]*>\n<title>Memory and CPU/);
  assert.ok(svg.startsWith("<svg") && svg.includes("the gateway of 50,000 ends"));
  assert.equal(plotOf(report), svg);
});
