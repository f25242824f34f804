import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Budget, billingAccountOf } from "./budget.ts";

const BUDGET = "gcp:billing/budget:Budget";

test("a monthly budget of the project that reports 50, 90 and 100 %, and 100 % when it is forecast", async () => {
  const { one } = await record(
    () => new Budget("budget", { site: testSite, amount: 400, mailChannels: ["channel-1"] }),
  );
  assert.deepEqual(one(BUDGET).inputs, {
    billingAccount: "000000-000000-000000",
    displayName: "odin-test month",
    amount: { specifiedAmount: { units: "400" } },
    budgetFilter: { projects: ["projects/123456789012"], calendarPeriod: "MONTH" },
    thresholdRules: [
      { thresholdPercent: 0.5, spendBasis: "CURRENT_SPEND" },
      { thresholdPercent: 0.9, spendBasis: "CURRENT_SPEND" },
      { thresholdPercent: 1, spendBasis: "CURRENT_SPEND" },
      { thresholdPercent: 1, spendBasis: "FORECASTED_SPEND" },
    ],
    allUpdatesRule: { monitoringNotificationChannels: ["channel-1"] },
  });
});

test("without channels only the billing account's administrators get mail", async () => {
  const { one } = await record(() => new Budget("budget", { site: testSite, amount: 400, mailChannels: [] }));
  assert.equal(one(BUDGET).inputs.allUpdatesRule, undefined);
});

test("a project without a billing account gets an error that says what to do", () => {
  assert.equal(billingAccountOf("p", "000000-111111-222222"), "000000-111111-222222");
  for (const account of ["", undefined]) {
    assert.throws(
      () => billingAccountOf("my-project", account),
      /Project my-project has no billing account.+gcloud billing projects link my-project.+monthlyBudget/,
    );
  }
});

test("the budget belongs to the billing account of the project", async () => {
  const { one } = await record(
    () => new Budget("budget", { site: testSite, amount: 400, mailChannels: [] }),
    {
      calls: {
        "gcp:organizations/getProject:getProject": ({ projectId }) => ({
          number: "42",
          billingAccount: `account-of-${projectId}`,
        }),
      },
    },
  );
  assert.equal(one(BUDGET).inputs.billingAccount, "account-of-test-project");
  assert.deepEqual((one(BUDGET).inputs.budgetFilter as { projects: string[] }).projects, ["projects/42"]);
});

test("the API is called on the project's quota, with the stack's credentials, and only after it is enabled", async () => {
  const { one, all } = await record(
    () => new Budget("budget", { site: testSite, amount: 400, mailChannels: [] }),
    {
      config: {
        "gcp:accessToken": "token-of-the-stack",
        "gcp:project": "another-project",
        "gcp:addPulumiAttributionLabel": "false",
        "odin-ws:monthlyBudget": "400",
      },
    },
  );
  const provider = one("pulumi:providers:gcp");
  assert.deepEqual(provider.inputs, {
    accessToken: "token-of-the-stack",
    addPulumiAttributionLabel: "false",
    billingProject: "test-project",
    project: "test-project",
    region: "us-central1",
    userProjectOverride: "true",
  });
  assert.ok(provider.secrets.includes("accessToken"));
  const apis = all("gcp:projects/service:Service");
  assert.deepEqual(
    apis.map(({ inputs }) => inputs.service),
    ["billingbudgets.googleapis.com", "cloudbilling.googleapis.com"],
  );
  for (const { urn } of apis) assert.ok(one(BUDGET).dependencies.includes(urn));
});
