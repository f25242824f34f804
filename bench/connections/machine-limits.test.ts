import assert from "node:assert/strict";
import { test } from "node:test";
import { type Machine, problemsOf, processesFor } from "./machine-limits.ts";

const machine: Machine = {
  openFiles: 20_000,
  cores: 2,
  ports: 28_232,
  memoryAvailable: 24e9,
  acceptQueue: 4096,
  tracked: undefined,
  allFiles: 2_000_000,
};

test("processes follow from the open files, and one worker may end", () => {
  assert.deepEqual(processesFor(250_000, machine), { workers: 16, loads: 14 });
  assert.deepEqual(processesFor(100_000, machine, 8), { workers: 8, loads: 6 });
  assert.deepEqual(processesFor(300, machine), { workers: 2, loads: 2 });
  assert.deepEqual(processesFor(250_000, { ...machine, openFiles: 1_000_000 }), {
    workers: 2,
    loads: 14,
  });
});

test("a machine with room has no problem", () => {
  assert.deepEqual(problemsOf(250_000, machine, processesFor(250_000, machine)), []);
});

test("each limit that is too low is one line with its remedy", () => {
  const low: Machine = {
    ...machine,
    memoryAvailable: 8e9,
    acceptQueue: 128,
    ports: 6000,
    tracked: { now: 1000, max: 100_000 },
    allFiles: 400_000,
  };
  const problems = problemsOf(250_000, low, { workers: 8, loads: 14 });
  const expected = [
    /8 workers .* use --workers 16, or raise the limit \(ulimit -n\)/,
    /need about .* GB of memory, and only 8.0 GB are free: use fewer with --connections/,
    /has room for 99000: sysctl -w net.netfilter.nf_conntrack_max=501000/,
    /sysctl -w fs.file-max=1000000/,
    /only 6000 ports .* sysctl -w net.ipv4.ip_local_port_range=/,
    /sysctl -w net.core.somaxconn=1024/,
  ];
  assert.equal(problems.length, expected.length, problems.join("\n"));
  for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? "", pattern);
});
