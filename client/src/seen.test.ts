import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Seen } from "./seen.ts";

test("remembers the last offsets, and reports the highest forgotten offset", () => {
  const seen = new Seen(3);
  for (let offset = 1; offset <= 6; offset++) assert.ok(seen.add(offset));
  assert.equal(seen.forgotten, -1);
  assert.equal(seen.add(1), false);
  assert.ok(seen.add(7));
  assert.equal(seen.forgotten, 3);
  assert.equal(seen.add(4), false);
});

test("an offset that is not forgotten is never added twice, in any order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(40), { maxLength: 200 }),
      fc.integer({ min: 1, max: 10 }),
      (offsets, size) => {
        const seen = new Seen(size);
        const all = new Set<number>();
        for (const offset of offsets) {
          const known = all.has(offset) && offset > seen.forgotten;
          const isNew = seen.add(offset);
          if (known) assert.equal(isNew, false);
          if (!all.has(offset)) assert.equal(isNew, true);
          all.add(offset);
        }
      },
    ),
  );
});
