import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SETTINGS } from "@odin-ws/server/settings";
import {
  connectionsIn,
  defaultTarget,
  gatewayMemory,
  memoryOfFull,
  RESERVED_BYTES,
  sizeSettings,
} from "./gateway-size.ts";

const GIB = 2 ** 30;
const DEFAULT = 7 * GIB; // WS_MEMORY_LIMIT of the gateway

test("RESERVED_BYTES is what the start-up script reserves", () => {
  const script = readFileSync(new URL("../../infra/startup/gateway.sh", import.meta.url), "utf8");
  const [, mib = ""] = /^RESERVED_MEMORY=\$\(\((\d+) \* 1024 \* 1024\)\)$/m.exec(script) ?? [];
  assert.equal(Number(mib) * 2 ** 20, RESERVED_BYTES);
  assert.match(script, new RegExp(`^MEMORY_LIMIT=${DEFAULT} `, "m"));
});

test("the gateway's defaults are those of an e2-standard-2", () => {
  for (const type of ["e2-standard-2", "n2-standard-2", "n2-custom-2-8192"])
    assert.deepEqual(sizeSettings(type), {}, type);
  assert.equal(defaultTarget(SETTINGS.WS_MAX_CONNECTIONS.parse(undefined)), 8000);
});

test("larger machines have more of everything", () => {
  assert.deepEqual(sizeSettings("e2-standard-4"), {
    WS_CPU_LIMIT: "3.9",
    WS_MEMORY_LIMIT: String(14 * GIB),
    WS_MAX_CONNECTIONS: "20000",
  });
  assert.deepEqual(sizeSettings("n2-standard-16"), {
    WS_CPU_LIMIT: "15.9",
    WS_MEMORY_LIMIT: String(61 * GIB),
    WS_MAX_CONNECTIONS: "80000",
  });
  assert.deepEqual(sizeSettings("n2-highmem-2"), { WS_MEMORY_LIMIT: String(14 * GIB) });
  assert.equal(sizeSettings("e2-medium").WS_CPU_LIMIT, "0.9");
  assert.equal(sizeSettings("e2-medium").WS_MAX_CONNECTIONS, "5000");
});

test("smaller machines get a limit below their memory", () => {
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
    assert.equal(sizeSettings(type).WS_MEMORY_LIMIT, String(bytes), type);
    assert.ok(bytes < gib * GIB - RESERVED_BYTES, type);
    // A VM shows more than 95 % of its memory; see SHOWN.
    assert.ok(bytes > 0.85 * gib * GIB - RESERVED_BYTES, `${type}: ${bytes}`);
  }
});

test("the memory of a machine holds the connections that follow from its type", () => {
  const history = SETTINGS.JS_STREAM_MAX_BYTES.parse(undefined);
  for (const type of ["e2-small", "e2-medium", "e2-standard-2", "e2-highcpu-16", "n2-standard-32"]) {
    const { WS_MEMORY_LIMIT, WS_MAX_CONNECTIONS } = sizeSettings(type);
    const memory = SETTINGS.WS_MEMORY_LIMIT.parse(WS_MEMORY_LIMIT);
    const processes = Number(/-(\d+)$/.exec(type)?.[1] ?? 2);
    const fits = connectionsIn(memory, processes, history);
    assert.ok(fits >= SETTINGS.WS_MAX_CONNECTIONS.parse(WS_MAX_CONNECTIONS), type);
    assert.ok(memoryOfFull(fits, processes, history) <= 0.9 * memory, type);
    assert.ok(memoryOfFull(fits + 1, processes, history) > 0.9 * memory, type);
  }
  assert.equal(connectionsIn(gatewayMemory("e2-micro") ?? 0, 2, history), 0);
});

test("nothing follows from an unknown type", () => {
  for (const type of ["x9-standard-2", "n2-gigantic-2", "t2d-highmem-2", "f1-micro"]) {
    assert.equal(gatewayMemory(type), undefined, type);
    assert.deepEqual(sizeSettings(type), {});
  }
});
