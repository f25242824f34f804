import assert from "node:assert/strict";
import { test } from "node:test";
import { after, machinesAfter } from "./after.ts";
import { Vm } from "./machines/vm.ts";
import { record } from "./offline/offline.ts";
import { testSite as site } from "./offline/site.fixture.ts";
import { Identity } from "./project/identity.ts";

test("a component and its children wait", async () => {
  const { one, all } = await record(() => {
    const first = new Identity("gateway", { site, description: "first" });
    new Identity("nats", { site, description: "later", roles: ["roles/logging.logWriter"] }, after(first));
  });
  const [account] = all("gcp:serviceaccount/account:Account");
  for (const type of ["gcp:serviceaccount/account:Account", "odin-ws:index:Identity"])
    assert.ok(one(type, "nats").dependencies.includes(account?.urn ?? ""), type);
  assert.ok(one("gcp:projects/iAMMember:IAMMember").dependencies.includes(account?.urn ?? ""));
});

test("the machines of a component wait, and its other children do not", async () => {
  const { one, all } = await record(() => {
    const first = new Identity("gateway", { site, description: "first" });
    new Vm(
      "vm",
      {
        site,
        subnet: "subnet",
        zone: "us-central1-a",
        machineType: "e2-small",
        cosImage: "cos-133-19999-99-99",
        account: "vm@example.com",
        startupCheck: "true",
        boot: { role: "nats", images: {}, secrets: {}, files: {}, settings: {} },
      },
      machinesAfter(first),
    );
  });
  const [account] = all("gcp:serviceaccount/account:Account");
  const waits = (type: string) => one(type).dependencies.includes(account?.urn ?? "");
  assert.ok(waits("gcp:compute/instance:Instance"));
  assert.ok(!waits("gcp:compute/address:Address"));
});
