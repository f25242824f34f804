/** What wakes nobody, and what must not be told of. */

import { test } from "node:test";
import { WITHOUT_PROMTOOL } from "../testing/promtool.fixture.ts";
import { counterValues, gaugeValues } from "../testing/series.fixture.ts";
import { checkRules } from "./cases/check-rules.fixture.ts";

const skip = WITHOUT_PROMTOOL;
const STEP = 30;
const HOUR = 3600;
const rejected = (reason: string) => `ws_connections_rejected_total{instance="g1",reason="${reason}"}`;
const up = (job: string, instance: string) => `up{job="${job}",instance="${instance}"}`;
/** A fleet of one on a quiet night: two hours, a connection a minute. */
const QUIET = {
  [up("gateway", "g1")]: gaugeValues(STEP, [1, 2 * HOUR]),
  'ws_nats_connected{instance="g1"}': gaugeValues(STEP, [1, 2 * HOUR]),
  'ws_stream_messages_total{instance="g1",event="trade"}': counterValues(STEP, [1, 2 * HOUR]),
  'ws_connections_total{instance="g1"}': counterValues(STEP, [1 / 60, 2 * HOUR]),
};
/** Refused after an hour, all at once. */
const burst = (count: number) => counterValues(STEP, [0, HOUR], [count / STEP, STEP], [0, HOUR - STEP]);

/** Whatever has fired at any time by then; the dead man's switch always does. */
async function fires(
  seconds: number,
  series: Record<string, string>,
  { severity = ".*", alerts = ".*" }: { severity?: string; alerts?: string },
  expected: readonly string[] = [],
  step = STEP,
): Promise<void> {
  const matchers = `alertstate="firing",alertname!="Watchdog",alertname=~"${alerts}",severity=~"${severity}"`;
  const expr = `group by (alertname) (count_over_time(ALERTS{${matchers}}[${seconds}s]))`;
  const exp_samples = [...expected].sort().map((name) => ({ labels: `{alertname="${name}"}`, value: 1 }));
  await checkRules(step, series, {
    promql_expr_test: [{ expr, eval_time: `${seconds}s`, exp_samples }],
  });
}

const CRITICAL = { severity: "critical" };

test("a single refused connection wakes nobody", { skip }, async () => {
  for (const reason of ["connections", "keys"])
    await fires(2 * HOUR - STEP, { ...QUIET, [rejected(reason)]: burst(1) }, CRITICAL);
});

test("a few refused at night wake nobody, more do", { skip }, async () => {
  await fires(2 * HOUR - STEP, { ...QUIET, [rejected("cpu")]: burst(8) }, CRITICAL);
  await fires(2 * HOUR - STEP, { ...QUIET, [rejected("cpu")]: burst(12) }, CRITICAL, [
    "ConnectionSloBurn",
    "ConnectionsRejected",
  ]);
});

test("wrong tokens, scanners and drains wake nobody", { skip }, async () => {
  const reasons = ["token", "origin", "path", "handshake", "per_ip", "per_user", "draining"];
  const refused = Object.fromEntries(
    reasons.map((reason) => [rejected(reason), counterValues(STEP, [1, 2 * HOUR])] as const),
  );
  await fires(2 * HOUR - STEP, { ...QUIET, [rejected("connections")]: burst(0), ...refused }, CRITICAL);
});

test("a drain still counts, for the morning", { skip }, async () => {
  const drained = counterValues(STEP, [0, HOUR / 2], [2, STEP], [0, 1.5 * HOUR - STEP]);
  const refused = { [rejected("draining")]: drained, [rejected("cpu")]: burst(0) };
  await fires(2 * HOUR - STEP, { ...QUIET, ...refused }, CRITICAL);
  await fires(2 * HOUR - STEP, { ...QUIET, ...refused }, { severity: "warning" }, ["ConnectionSloBurn"]);
});

test("bursts of refusals wake somebody, however long between them", { skip }, async () => {
  const bursts = Array.from({ length: 21 }, (_, step) => 500 * Math.ceil(step / 3)).join(" ");
  const series = { ...QUIET, [rejected("connections")]: bursts };
  await fires(420, series, { alerts: "ConnectionsRejected" }, ["ConnectionsRejected"]);
});

test("a scanner on a quiet gateway is nothing", { skip }, async () => {
  await fires(2 * HOUR - STEP, { ...QUIET, [rejected("path")]: counterValues(STEP, [0.05, 2 * HOUR]) }, {});
});

test("messages in time burn nothing", { skip }, async () => {
  const all = counterValues(STEP, [1, 2 * HOUR]);
  const series = {
    'ws_message_latency_seconds_count{instance="g1"}': all,
    'ws_message_latency_seconds_bucket{instance="g1",le="0.05"}': all,
  };
  await fires(2 * HOUR - STEP, { ...QUIET, ...series }, {});
});

test("a deployment that has no gateways yet, and no certificate, wakes nobody", { skip }, async () => {
  const series = {
    [up("prometheus", "monitoring")]: gaugeValues(STEP, [1, HOUR]),
    [up("entrance", "live.example.com")]: gaugeValues(STEP, [1, HOUR]),
    'probe_success{job="entrance",instance="live.example.com"}': gaugeValues(STEP, [0, HOUR]),
  };
  await fires(HOUR - STEP, series, {});
});

test("the first gateways, which take minutes to start, wake nobody", { skip }, async () => {
  await fires(900 - STEP, { [up("gateway", "g1")]: gaugeValues(STEP, [0, 600], [1, 300]) }, CRITICAL);
});

test("gateways that are found anew within minutes, after a restart of Prometheus, are no news", {
  skip,
}, async () => {
  const found = gaugeValues(STEP, [1, 600], [undefined, 240], [1, 600]);
  await fires(1410, { [up("gateway", "g1")]: found }, { severity: "critical" });
});

test("a new gateway that starts for two minutes, and one that goes, are no restart loop", {
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
  await fires(4980, series, { severity: "warning" });
});

test("a gateway that now and then is too slow for Prometheus is no restart loop", { skip }, async () => {
  const slow = "1 1 1 0 1 1 1 1 ".repeat(10).trim();
  await fires(79 * STEP, { ...QUIET, [up("gateway", "g2")]: slow }, { alerts: "RestartLoop" });
});

test("an exporter that is away says nothing about NATS", { skip }, async () => {
  const health = gaugeValues(STEP, [0, 300], [undefined, 1200]);
  const series = {
    [up("nats", "monitoring")]: gaugeValues(STEP, [1, 300], [0, 1200]),
    'gnatsd_healthz_status{job="nats",instance="monitoring",server_id="a"}': health,
    'gnatsd_healthz_status{job="nats",instance="monitoring",server_id="b"}': health,
  };
  await fires(1470, series, { alerts: "Nats.*|TargetDown" }, ["TargetDown"]);
});

const DISK = 'job="node",instance="monitoring",mountpoint="/mnt/stateful_partition"';

test("what is written once, by a machine that starts, fills no disk", { skip }, async () => {
  for (const left of [12e9, 6e9]) {
    const step = 60;
    const after = left - 1.5e9;
    await fires(
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

test("much at once, on a disk with a lot of room, fills none", { skip }, async () => {
  const step = 60;
  const series = {
    [`node_filesystem_avail_bytes{${DISK}}`]: `${gaugeValues(step, [12e9, 6 * HOUR])} ${gaugeValues(step, [9e9, 6 * HOUR])}`,
    [`node_filesystem_size_bytes{${DISK}}`]: gaugeValues(step, [16e9, 12 * HOUR]),
  };
  await fires(12 * HOUR - step, series, { alerts: "Disk.*" }, [], step);
});

test("a certificate that ends is told of until the entrance is broken, and then that is", {
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
  await checkRules(step, series, {
    promql_expr_test: [at(2 * HOUR, 1), at(2 * HOUR + 240, 1), at(2 * HOUR + 300, 2), at(4 * HOUR - 60, 1)],
  });
});
