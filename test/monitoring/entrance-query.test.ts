/** The query of the alert on the TLS entrance, which Google Cloud evaluates, on made-up time series. */

import { test } from "node:test";
import { record } from "../../infra/offline/offline.ts";
import { testSite } from "../../infra/offline/site.fixture.ts";
import { Watchdog } from "../../infra/rollout/watchdog.ts";
import { assertRuleTest } from "../../monitoring/testing/promtool.fixture.ts";
import { skipWithout } from "../../monitoring/testing/run-on-files.fixture.ts";
import { gaugeValues } from "../../monitoring/testing/series.fixture.ts";

const STEP_SECONDS = 60; // s
const HOUR = 3600;

interface Condition {
  displayName: string;
  conditionPrometheusQueryLanguage?: { query: string };
}

async function entranceQuery(): Promise<string> {
  const { one } = await record(
    () =>
      new Watchdog("watchdog", {
        site: testSite,
        address: "203.0.113.10",
        domain: "live.example.com",
        instanceGroup: "https://www.googleapis.com/compute/v1/projects/p/regions/r/instanceGroups/g",
        monitoring: { instance: "odin-test-monitoring", zone: "us-central1-a" },
      }),
  );
  const { conditions } = one("gcp:monitoring/alertPolicy:AlertPolicy", "watchdog-entrance").inputs;
  const found = (conditions as Condition[]).find(({ displayName }) => displayName.startsWith("TLS"));
  return found?.conditionPrometheusQueryLanguage?.query ?? "";
}

/** Results of the check in one region, each for a number of seconds. */
const region = (name: string, ...parts: [value: number, seconds: number][]) => ({
  [`monitoring_googleapis_com:uptime_check_check_passed{monitored_resource="uptime_url",check_id="watchdog-wss",checker_location="${name}"}`]:
    gaugeValues(STEP_SECONDS, ...parts),
});

const SITUATIONS: [situation: string, series: Record<string, string>, failing: number | undefined][] = [
  [
    "is silent while a new entrance waits for its certificate",
    { ...region("a", [0, 3 * HOUR]), ...region("b", [0, 3 * HOUR]), ...region("c", [0, 3 * HOUR]) },
    undefined,
  ],
  [
    "fires when an entrance that worked fails in two regions",
    { ...region("a", [1, 2 * HOUR], [0, HOUR]), ...region("b", [1, 2 * HOUR], [0, HOUR]) },
    2,
  ],
  [
    "is silent when one region alone fails",
    { ...region("a", [1, 2 * HOUR], [0, HOUR]), ...region("b", [1, 3 * HOUR]) },
    undefined,
  ],
];

for (const [situation, series, failing] of SITUATIONS)
  test(`the alert on the TLS entrance ${situation}`, { skip: skipWithout("promtool") }, async () => {
    const exp_samples = failing === undefined ? [] : [{ labels: "{}", value: failing }];
    await assertRuleTest({
      step: STEP_SECONDS,
      series,
      expected: {
        promql_expr_test: [
          { expr: await entranceQuery(), eval_time: `${3 * HOUR - STEP_SECONDS}s`, exp_samples },
        ],
      },
    });
  });
