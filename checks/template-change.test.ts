import assert from "node:assert/strict";
import { test } from "node:test";
import { changeBetween, type TemplateProperties } from "./template-change.ts";

const template = (attributes: Record<string, string>, machine: object = {}): TemplateProperties => ({
  machineType: "e2-standard-2",
  disks: [{ boot: true, initializeParams: { sourceImage: "cos", diskSizeGb: "20" } }],
  ...machine,
  metadata: { items: Object.entries(attributes).map(([key, value]) => ({ key, value })) },
});
const ATTRIBUTES = {
  "startup-script": "#!/bin/bash",
  "odin-role": "gateway",
  "odin-image-gateway": "registry/gateway@sha256:1",
  "odin-env-LOG_LEVEL": "info",
  "odin-secret-env-JWT_SECRET": "projects/p/secrets/s/versions/1",
};
const BEFORE = template(ATTRIBUTES);

test("equal templates change nothing, whatever the order of their keys is", () => {
  const entries = Object.entries(ATTRIBUTES).reverse();
  const disks = [{ initializeParams: { diskSizeGb: "20", sourceImage: "cos" }, boot: true }];
  assert.equal(changeBetween(BEFORE, template(Object.fromEntries(entries), { disks })), "nothing");
});

for (const [name, value] of [
  ["odin-env-LOG_LEVEL", "debug"],
  ["odin-env-WS_DRAIN_SECONDS", "30"],
  ["odin-secret-env-JWT_SECRET", "projects/p/secrets/s/versions/2"],
  ["odin-file-nats-ca", "a certificate"],
  ["odin-drain-seconds", "30"],
] as const)
  test(`${name} is a setting`, () => {
    assert.equal(changeBetween(BEFORE, template({ ...ATTRIBUTES, [name]: value })), "settings");
  });

for (const [what, after] of [
  ["an image", template({ ...ATTRIBUTES, "odin-image-gateway": "registry/gateway@sha256:2" })],
  [
    "a setting and an image",
    template({ ...ATTRIBUTES, "odin-image-alloy": "a:2", "odin-env-LOG_LEVEL": "debug" }),
  ],
  ["a start-up script", template({ ...ATTRIBUTES, "startup-script": "#!/bin/sh" })],
  ["a machine", template(ATTRIBUTES, { machineType: "n2-standard-2" })],
] as const)
  test(`${what} is a release`, () => {
    assert.equal(changeBetween(BEFORE, after), "release");
  });
