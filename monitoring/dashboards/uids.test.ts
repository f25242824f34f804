import assert from "node:assert/strict";
import { test } from "node:test";
import { DASHBOARD_UIDS, dashboardUrl } from "./uids.ts";

test("ids are unique, and Grafana accepts them", () => {
  const uids = Object.values(DASHBOARD_UIDS);
  assert.equal(new Set(uids).size, uids.length);
  for (const uid of uids) assert.match(uid, /^[a-zA-Z0-9_-]{1,40}$/);
});

test("the URL of a dashboard contains its id", () => {
  assert.equal(
    dashboardUrl("http://localhost:3010", "capacityTest"),
    "http://localhost:3010/d/odin-capacity-test",
  );
});
