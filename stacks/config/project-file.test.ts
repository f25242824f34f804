import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { readStack, stackNames } from "../preview/stack-config.ts";

const root = new URL("../../", import.meta.url).pathname;

test("the provider adds no label of its own in any stack, because the label would be part of the gateways' template", () => {
  const { config } = parse(readFileSync(`${root}Pulumi.yaml`, "utf8")) as { config: Record<string, unknown> };
  assert.deepEqual(config["gcp:addPulumiAttributionLabel"], { value: false });
  for (const stack of stackNames(root))
    assert.equal(readStack(root, stack).config["gcp:addPulumiAttributionLabel"], "false", stack);
});
