import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "./after.ts";
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
