import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Identity } from "./identity.ts";
import { APIS, Services } from "./services.ts";

const TYPE = "gcp:projects/service:Service";

test("each API is enabled once, and stays enabled when the stack is destroyed", async () => {
  const { all, one } = await record(
    () =>
      new Services("services", {
        site: testSite,
        apis: ["compute.googleapis.com", "dns.googleapis.com", "compute.googleapis.com"],
      }),
  );
  const component = one("odin-ws:index:Services");
  assert.deepEqual(
    all(TYPE).map(({ name, inputs, parent }) => ({ name, inputs, parent })),
    ["compute", "dns"].map((api) => ({
      name: `services-${api}`,
      parent: component.urn,
      inputs: {
        project: "test-project",
        service: `${api}.googleapis.com`,
        disableOnDestroy: false,
        disableDependentServices: false,
      },
    })),
  );
});

test("children of a component made with `first` wait for the APIs", async () => {
  const { all, one } = await record(() => {
    const services = new Services("services", { site: testSite, apis: ["iam.googleapis.com"] });
    const args = { site: testSite, description: "gateways", roles: ["roles/logging.logWriter"] };
    new Identity("gateway", args, services.first);
    new Identity("other", args);
  });
  const api = one(TYPE).urn;
  const waits = (type: string, name: string) => one(type, name).dependencies.includes(api);
  assert.equal(waits("gcp:serviceaccount/account:Account", "gateway"), true);
  assert.equal(waits("gcp:projects/iAMMember:IAMMember", "gateway-logging-logwriter"), true);
  assert.equal(waits("gcp:serviceaccount/account:Account", "other"), false);
  assert.equal(all("odin-ws:index:Identity").length, 2);
});

test("names of APIs are complete and sorted", () => {
  for (const [stack, apis] of Object.entries(APIS)) {
    assert.deepEqual(apis, [...new Set(apis)].sort(), stack);
    for (const api of apis) assert.match(api, /^[a-z]+\.googleapis\.com$/);
  }
});
