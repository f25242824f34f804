import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "@odin-ws/protocol";
import fc from "fast-check";
import { permission } from "./permissions.ts";

test("without a list everything is allowed", () => {
  assert.ok(permission(undefined)("*.*"));
  assert.equal(permission([])("A.trade"), false);
});

test("allows what one of the patterns covers", () => {
  const name = fc
    .tuple(fc.constantFrom("A", "B", "*"), fc.constantFrom("x", "y", "*"))
    .map((parts) => parts.join("."));
  fc.assert(
    fc.property(fc.array(name, { maxLength: 3 }), name, (allowed, wanted) => {
      assert.equal(
        permission(allowed)(wanted),
        allowed.some((pattern) => covers(pattern, wanted)),
      );
    }),
  );
});
