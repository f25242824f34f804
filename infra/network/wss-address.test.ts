import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { WssAddress } from "./wss-address.ts";

const made = (production = false) =>
  record(() => new WssAddress("wss-address", { site: { ...testSite, production } }));

test("a global address without a fixed name, so that a new address can exist beside the old one", async () => {
  const { one, result } = await made();
  assert.deepEqual(one("gcp:compute/globalAddress:GlobalAddress").inputs, {
    project: "test-project",
    description: "wss:// clients",
    addressType: "EXTERNAL",
    ipVersion: "IPV4",
    labels: { app: "odin-ws", stack: "test", role: "wss-entrance" },
  });
  assert.equal(await new Promise((resolve) => result.address.apply(resolve)), "203.0.113.20");
});

test("the address is protected from deletion in production only", async () => {
  const isProtected = async (production: boolean) =>
    (await made(production)).one("gcp:compute/globalAddress:GlobalAddress").protect;
  assert.deepEqual([await isProtected(false), await isProtected(true)], [false, true]);
});
