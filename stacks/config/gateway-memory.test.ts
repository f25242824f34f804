import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gatewayMemory, memoryLimit, RESERVED_BYTES } from "./gateway-memory.ts";

const GIB = 2 ** 30;
const DEFAULT = 7 * GIB; // WS_MEMORY_LIMIT of the gateway

test("RESERVED_BYTES is what the start-up script reserves", () => {
  const script = readFileSync(new URL("../../infra/startup/gateway.sh", import.meta.url), "utf8");
  const [, mib = ""] = /^RESERVED_MEMORY=\$\(\((\d+) \* 1024 \* 1024\)\)$/m.exec(script) ?? [];
  assert.equal(Number(mib) * 2 ** 20, RESERVED_BYTES);
  assert.match(script, new RegExp(`^MEMORY_LIMIT=${DEFAULT} `, "m"));
});

test("machines of 8 GB and more keep the gateway's default, and smaller machines get a limit below their memory", () => {
  for (const type of ["e2-standard-2", "n2-standard-2", "e2-standard-4", "n2-highmem-2", "n2-custom-2-16384"])
    assert.deepEqual(memoryLimit(type), {}, type);
  for (const [type, gib] of [
    ["e2-micro", 1],
    ["e2-small", 2],
    ["e2-medium", 4],
    ["e2-highcpu-2", 2],
    ["n1-standard-1", 3.75],
    ["n1-standard-2", 7.5],
    ["c4-standard-2", 7],
    ["e2-custom-2-3072", 3],
    ["e2-custom-small-3072", 3],
    ["n2-custom-2-5120-ext", 5],
  ] as const) {
    const bytes = gatewayMemory(type) ?? 0;
    assert.equal(memoryLimit(type).WS_MEMORY_LIMIT, String(bytes), type);
    assert.ok(bytes < gib * GIB - RESERVED_BYTES, type);
    // A VM shows more than 95 % of its memory; see SHOWN.
    assert.ok(bytes > 0.85 * gib * GIB - RESERVED_BYTES, `${type}: ${bytes}`);
  }
});

test("an unknown type has no limit", () => {
  for (const type of ["x9-standard-2", "n2-gigantic-2", "t2d-highmem-2", "f1-micro"]) {
    assert.equal(gatewayMemory(type), undefined, type);
    assert.deepEqual(memoryLimit(type), {});
  }
});
