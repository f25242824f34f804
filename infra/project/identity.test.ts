import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Identity } from "./identity.ts";

test("an account with its roles in the project", async () => {
  const { one, all, result } = await record(() => {
    return new Identity("gateway", {
      site: testSite,
      description: "gateways",
      roles: ["roles/logging.logWriter", "roles/monitoring.metricWriter"],
    });
  });
  const account = one("gcp:serviceaccount/account:Account");
  assert.equal(account.inputs.accountId, "odin-test-gateway");
  assert.deepEqual(
    all("gcp:projects/iAMMember:IAMMember").map(({ name, inputs }) => [name, inputs.role, inputs.member]),
    ["roles/logging.logWriter", "roles/monitoring.metricWriter"].map((role) => [
      `gateway-${role.slice(6).replace(".", "-").toLowerCase()}`,
      role,
      "serviceAccount:odin-test-gateway@test-project.iam.gserviceaccount.com",
    ]),
  );
  assert.equal(one("odin-ws:index:Identity").urn, account.parent);
  result.email.apply((email) =>
    assert.equal(email, "odin-test-gateway@test-project.iam.gserviceaccount.com"),
  );
});
