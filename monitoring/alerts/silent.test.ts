/** Situations in which alerts must not fire. */

import { test } from "node:test";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { counterValues, gaugeValues } from "../testing/series.fixture.ts";
import { checkRules } from "./cases/check-rules.fixture.ts";

const skip = skipWithout("promtool");
const STEP = 30;
const HOUR = 3600;
const rejected = (reason: string) => `ws_connections_rejected_total{instance="g1",reason="${reason}"}`;
const up = (job: string, instance: string) => `up{job="${job}",instance="${instance}"}`;
/** Two hours of a quiet night: one gateway, one new connection a minute. */
const QUIET = {
  [up("gateway", "g1")]: gaugeValues(STEP, [1, 2 * HOUR]),
  'ws_nats_connected{instance="g1"}': gaugeValues(STEP, [1, 2 * HOUR]),
  'ws_stream_messages_total{instance="g1",event="trade"}': counterValues(STEP, [1, 2 * HOUR]),
  'ws_connections_total{instance="g1"}': counterValues(STEP, [1 / 60, 2 * HOUR]),
};
/** A counter of refused connections: all refusals happen at once after an hour. */
const burst = (count: number) => counterValues(STEP, [0, HOUR], [count / STEP, STEP], [0, HOUR - STEP]);

/**
 * Checks which alerts have fired at any time until `seconds`. Watchdog does not count, because it always
 * fires.
 *
 * @param alerts regular expression for the names of the alerts that count; `severity` the same for their
 * severities
 */
async function assertFired(
  seconds: number,
  series: Record<string, string>,
  { severity = ".*", alerts = ".*" }: { severity?: string; alerts?: string },
  expected: readonly string[] = [],
  step = STEP,
): Promise<void> {
  const matchers = `alertstate="firing",alertname!="Watchdog"`;
  const expr = `group by (alertname) (count_over_time(ALERTS{${matchers}}[${seconds}s]))`;
  const exp_samples = [...expected].sort().map((name) => ({ labels: `{alertname="${name}"}`, value: 1 }));
  const query = { promql_expr_test: [{ expr, eval_time: `${seconds}s`, exp_samples }] };
  const [names, severities] = [new RegExp(`^(${alerts})$`), new RegExp(`^(${severity})$`)];
  await checkRules(
    step,
    series,
    query,
    ({ alert, labels }) => names.test(alert) && severities.test(labels.severity ?? ""),
  );
}

const CRITICAL = { severity: "critical" };

test("a single refused connection raises no critical alert", { skip }, async () => {
  for (const reason of ["connections", "keys"])
    await assertFired(2 * HOUR - STEP, { ...QUIET, [rejected(reason)]: burst(1) }, CRITICAL);
});

test("a few refused connections at night raise no critical alert, but more of them do", {
  skip,
}, async () => {
  await assertFired(2 * HOUR - STEP, { ...QUIET, [rejected("cpu")]: burst(8) }, CRITICAL);
  await assertFired(2 * HOUR - STEP, { ...QUIET, [rejected("cpu")]: burst(12) }, CRITICAL, [
    "ConnectionSloBurn",
    "ConnectionsRejected",
  ]);
});

test("wrong tokens, scanners and drains raise no critical alert", { skip }, async () => {
  const reasons = ["token", "origin", "path", "handshake", "per_ip", "per_user", "draining"];
  const refused = Object.fromEntries(
    reasons.map((reason) => [rejected(reason), counterValues(STEP, [1, 2 * HOUR])] as const),
  );
  await assertFired(2 * HOUR - STEP, { ...QUIET, [rejected("connections")]: burst(0), ...refused }, CRITICAL);
});

test("refusals of a drain raise a warning, but no critical alert", { skip }, async () => {
  const drained = counterValues(STEP, [0, HOUR / 2], [2, STEP], [0, 1.5 * HOUR - STEP]);
  const refused = { [rejected("draining")]: drained, [rejected("cpu")]: burst(0) };
  await assertFired(2 * HOUR - STEP, { ...QUIET, ...refused }, CRITICAL);
  await assertFired(2 * HOUR - STEP, { ...QUIET, ...refused }, { severity: "warning" }, [
    "ConnectionSloBurn",
  ]);
});

test("repeated short bursts of refusals raise the critical alert", { skip }, async () => {
  const bursts = Array.from({ length: 21 }, (_, step) => 500 * Math.ceil(step / 3)).join(" ");
  const series = { ...QUIET, [rejected("connections")]: bursts };
  await assertFired(420, series, { alerts: "ConnectionsRejected" }, ["ConnectionsRejected"]);
});

test("a scanner on a quiet gateway raises no alert", { skip }, async () => {
  await assertFired(
    2 * HOUR - STEP,
    { ...QUIET, [rejected("path")]: counterValues(STEP, [0.05, 2 * HOUR]) },
    {},
  );
});

test("messages in time raise no alert", { skip }, async () => {
  const all = counterValues(STEP, [1, 2 * HOUR]);
  const series = {
    'ws_message_latency_seconds_count{instance="g1"}': all,
    'ws_message_latency_seconds_bucket{instance="g1",le="0.05"}': all,
  };
  await assertFired(2 * HOUR - STEP, { ...QUIET, ...series }, {});
});

test("a deployment without gateways and without a certificate yet raises no alert", { skip }, async () => {
  const series = {
    [up("prometheus", "monitoring")]: gaugeValues(STEP, [1, HOUR]),
    [up("entrance", "live.example.com")]: gaugeValues(STEP, [1, HOUR]),
    'probe_success{job="entrance",instance="live.example.com"}': gaugeValues(STEP, [0, HOUR]),
  };
  await assertFired(HOUR - STEP, series, {});
});

test("the first gateways, which need minutes to start, raise no critical alert", { skip }, async () => {
  await assertFired(900 - STEP, { [up("gateway", "g1")]: gaugeValues(STEP, [0, 600], [1, 300]) }, CRITICAL);
});

test("gateways that Prometheus finds again minutes after its restart raise no critical alert", {
  skip,
}, async () => {
  const found = gaugeValues(STEP, [1, 600], [undefined, 240], [1, 600]);
  await assertFired(1410, { [up("gateway", "g1")]: found }, { severity: "critical" });
});

test("a gateway that needs two minutes to start and later stops is no restart loop", {
  skip,
}, async () => {
  const series = {
    ...QUIET,
    [up("gateway", "g2")]: gaugeValues(
      STEP,
      [undefined, 600],
      [0, 120],
      [1, HOUR],
      [0, 60],
      [undefined, 600],
    ),
  };
  await assertFired(4980, series, { severity: "warning" });
});

test("a gateway that is occasionally too slow for Prometheus is no restart loop", { skip }, async () => {
  const slow = "1 1 1 0 1 1 1 1 ".repeat(10).trim();
  await assertFired(79 * STEP, { ...QUIET, [up("gateway", "g2")]: slow }, { alerts: "RestartLoop" });
});

test("while the NATS exporter is down, no alert says that NATS is down", { skip }, async () => {
  const health = gaugeValues(STEP, [0, 300], [undefined, 1200]);
  const series = {
    [up("nats", "monitoring")]: gaugeValues(STEP, [1, 300], [0, 1200]),
    'gnatsd_healthz_status{job="nats",instance="monitoring",server_id="a"}': health,
    'gnatsd_healthz_status{job="nats",instance="monitoring",server_id="b"}': health,
  };
  await assertFired(1470, series, { alerts: "Nats.*|TargetDown" }, ["TargetDown"]);
});

const DISK = 'job="node",instance="monitoring",mountpoint="/mnt/stateful_partition"';

test("a machine that writes a lot once, when it starts, raises no alert on its disks", { skip }, async () => {
  for (const left of [12e9, 6e9]) {
    const step = 60;
    const after = left - 1.5e9;
    await assertFired(
      9 * HOUR,
      {
        [`node_filesystem_avail_bytes{${DISK}}`]: `${gaugeValues(step, [left, 60])} ${left}-300000000x5 ${gaugeValues(step, [after, 9 * HOUR])}`,
        [`node_filesystem_size_bytes{${DISK}}`]: gaugeValues(step, [16e9, 9 * HOUR + 480]),
      },
      { alerts: "Disk.*" },
      [],
      step,
    );
  }
});

test("one large write to a disk with a lot of free space raises no alert", { skip }, async () => {
  const step = 60;
  const series = {
    [`node_filesystem_avail_bytes{${DISK}}`]: `${gaugeValues(step, [12e9, 6 * HOUR])} ${gaugeValues(step, [9e9, 6 * HOUR])}`,
    [`node_filesystem_size_bytes{${DISK}}`]: gaugeValues(step, [16e9, 12 * HOUR]),
  };
  await assertFired(12 * HOUR - step, series, { alerts: "Disk.*" }, [], step);
});

test("CertificateExpiring fires until EntranceBroken fires and takes over", {
  skip,
}, async () => {
  const entrance = 'job="entrance",instance="live.example.com"';
  const step = 60;
  const series = {
    [`probe_success{${entrance}}`]: gaugeValues(step, [1, 2 * HOUR], [0, 2 * HOUR]),
    [`probe_ssl_earliest_cert_expiry{${entrance}}`]: gaugeValues(
      step,
      [2 * HOUR, 2 * HOUR],
      [undefined, 2 * HOUR],
    ),
    [`up{${entrance}}`]: gaugeValues(step, [1, 4 * HOUR]),
  };
  const firing = 'ALERTS{alertname=~"CertificateExpiring|EntranceBroken",alertstate="firing"}';
  const count = `count(${firing})`;
  const at = (time: number, value: number) => ({
    expr: count,
    eval_time: `${time}s`,
    exp_samples: [{ labels: "{}", value }],
  });
  const query = {
    promql_expr_test: [at(2 * HOUR, 1), at(2 * HOUR + 240, 1), at(2 * HOUR + 300, 2), at(4 * HOUR - 60, 1)],
  };
  await checkRules(step, series, query, ({ alert }) => /^(CertificateExpiring|EntranceBroken)$/.test(alert));
});
