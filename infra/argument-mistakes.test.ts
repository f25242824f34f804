import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { refuse } from "./argument-mistakes.ts";

test("one error has all mistakes, as data and as text", () => {
  const mistakes = [
    { propertyPath: "zones", reason: "is empty" },
    { propertyPath: "minInstances", reason: "is 0" },
  ];
  assert.throws(
    () => refuse('fleet "gateway"', mistakes),
    (error) => {
      assert.ok(pulumi.InputPropertiesError.isInstance(error));
      assert.deepEqual(error.errors, mistakes);
      assert.equal(
        error.message,
        'fleet "gateway" cannot be created:\n  zones is empty\n  minInstances is 0',
      );
      return true;
    },
  );
});

test("nothing is thrown without mistakes", () => {
  refuse('fleet "gateway"', []);
});
