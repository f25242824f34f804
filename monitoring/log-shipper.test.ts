import assert from "node:assert/strict";
import { test } from "node:test";
import { logShipper } from "./log-shipper.ts";

const text = logShipper(["gateway", "nats"]);

test("sends to the Loki that the VM was told of", () => {
  assert.match(text, /url = sys\.env\("LOKI_URL"\) \+ "\/loki\/api\/v1\/push"/);
});

test("keeps the lines of the given containers, of our units and of the kernel, and no others", () => {
  const [, written = ""] = /regex\s+= "([^"]+)"\n\s+action\s+= "keep"/.exec(text) ?? [];
  const keep = new RegExp(`^(?:${written.replaceAll("\\\\", "\\")})$`); // Alloy anchors, and reads \\ as \
  const kept = (container: string, unit: string, transport: string) =>
    keep.test([container, unit, transport].join(";"));
  assert.ok(kept("odin-gateway", "docker.service", "journal"));
  assert.ok(kept("odin-nats", "docker.service", "journal"));
  assert.ok(kept("", "google-startup-scripts.service", "stdout"));
  assert.ok(kept("", "odin-config-sync.service", "stdout"));
  assert.ok(kept("", "", "kernel"));
  assert.ok(!kept("odin-other", "docker.service", "journal"));
  assert.ok(!kept("odin-gateway-2", "docker.service", "journal"));
  assert.ok(!kept("", "sshd.service", "syslog"));
  assert.ok(!kept("", "odin-config-syncXservice", "stdout"));
});

test("labels are few, and none of them is different for every connection", () => {
  const set = [...text.matchAll(/target_label\s+= "(\w+)"/g)].map(([, label]) => label);
  const [, fixed = ""] = /labels\s+= \{([^}]+)\}/.exec(text) ?? [];
  const named = [...fixed.matchAll(/(\w+) =/g)].map(([, label]) => label);
  const [, staged = ""] = /values = \{([^}]+)\}/.exec(text) ?? [];
  const fromLines = [...staged.matchAll(/(\w+) =/g)].map(([, label]) => label);
  assert.deepEqual([...new Set([...named, ...set, ...fromLines])].sort(), [
    "container",
    "host",
    "level",
    "role",
  ]);
});

test("braces and brackets are balanced", () => {
  for (const [open, close] of ["{}", "()", "[]"]) {
    const count = (sign = "") => text.split(sign).length - 1;
    assert.equal(count(open), count(close), `${open} and ${close}`);
  }
});
