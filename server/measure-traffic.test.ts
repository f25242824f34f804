import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { measureTraffic } from "./measure-traffic.ts";

const FILE = new URL("../stacks/traffic/measured.json", import.meta.url);
/** zlib finds other matches on other CPUs, so sizes differ a little between machines. */
const TOLERANCE = 0.02;

type Values = { [name: string]: Values | number | string };

function compare(found: Values | number | string, stored: Values | number | string, path: string): void {
  if (typeof found === "number" && typeof stored === "number") {
    const near = Math.abs(found - stored) <= Math.abs(stored) * TOLERANCE;
    assert.ok(near, `${path} is ${found}, the file says ${stored}: run npm run traffic`);
  } else if (typeof found === "object" && typeof stored === "object") {
    assert.deepEqual(Object.keys(found), Object.keys(stored), path);
    for (const [name, value] of Object.entries(found)) {
      compare(value, stored[name] as Values, `${path}.${name}`);
    }
  } else assert.equal(found, stored, path);
}

test("stacks/traffic/measured.json is what npm run traffic writes", () => {
  compare(measureTraffic() as unknown as Values, JSON.parse(readFileSync(FILE, "utf8")), "measured");
});

test("the means of the events make the mean of all messages", () => {
  const { bytes, withHeaders, events } = measureTraffic(60);
  for (const encoding of ["plain", "deflate", "compact"] as const) {
    const mean = Object.values(events).reduce((sum, one) => sum + one.share * one.bytes[encoding], 0);
    assert.ok(Math.abs(mean - bytes[encoding]) < 1, `${mean} ${bytes[encoding]}`);
    assert.ok(withHeaders[encoding] >= bytes[encoding] + 52);
  }
  assert.ok(bytes.plain > bytes.deflate && bytes.deflate > bytes.compact);
});
