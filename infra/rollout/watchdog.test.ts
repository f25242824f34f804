import assert from "node:assert/strict";
import { test } from "node:test";
import { type Recorded, record } from "../offline/offline.ts";
import { resolved } from "../offline/resolved.fixture.ts";
import { testSite } from "../offline/site.fixture.ts";
import { Watchdog, type WatchdogArgs } from "./watchdog.ts";

const CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel";
const CHECK = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig";
const POLICY = "gcp:monitoring/alertPolicy:AlertPolicy";
const LABELS = { app: "odin-ws", stack: "test", role: "watchdog" };
const WEBHOOK = "https://hooks.example.com/?token=t0ps3cret";
const args: WatchdogArgs = {
  site: testSite,
  address: "203.0.113.10",
  instanceGroup:
    "https://www.googleapis.com/compute/v1/projects/test-project/regions/us-central1/instanceGroups/gateway-group-1a2b3c4",
  monitoring: { instance: "odin-test-monitoring", zone: "us-central1-a" },
  email: "oncall@example.com",
};

const create = (changes: Partial<WatchdogArgs> = {}) =>
  record(() => new Watchdog("watchdog", { ...args, ...changes }));

interface Condition {
  displayName: string;
  conditionPrometheusQueryLanguage?: Record<string, unknown>;
  conditionThreshold?: Record<string, unknown>;
}

function conditionsOf(policy: Recorded): Condition[] {
  return policy.inputs.conditions as Condition[];
}

test("a mail channel for the e-mail address", async () => {
  const { all, result } = await create();
  assert.deepEqual(
    all(CHANNEL).map(({ name, inputs }) => [name, inputs]),
    [
      [
        "watchdog-email",
        {
          project: "test-project",
          type: "email",
          displayName: "odin-test by mail",
          labels: { email_address: "oncall@example.com" },
          userLabels: LABELS,
        },
      ],
    ],
  );
  const channel = "projects/test-project/notificationChannels/watchdog-email";
  assert.deepEqual(await resolved([result.channels, result.mailChannels]), [[channel], [channel]]);
});

test("the URL of a webhook is a secret, and budgets do not use the webhook", async () => {
  const { one, result } = await create({ webhook: WEBHOOK });
  const { inputs, secrets } = one(CHANNEL, "watchdog-webhook");
  assert.equal(inputs.type, "webhook_tokenauth");
  assert.deepEqual(inputs.labels, { url: WEBHOOK });
  assert.ok(secrets.some((path) => path.startsWith("labels")));
  assert.equal(result.channels.length, 2);
  assert.equal(result.mailChannels.length, 1);
});

test("without recipients there are incidents but no notifications", async () => {
  const { email: _, ...silent } = args;
  const { all } = await record(() => new Watchdog("watchdog", silent));
  assert.deepEqual(all(CHANNEL), []);
  for (const { inputs } of all(POLICY)) {
    assert.deepEqual(inputs.notificationChannels, []);
    assert.deepEqual(inputs.alertStrategy, { autoClose: "3600s", notificationChannelStrategies: [] });
  }
});

test("an uptime check connects to the load balancer's port from outside", async () => {
  const { all } = await create();
  assert.deepEqual(
    all(CHECK).map(({ inputs }) => inputs),
    [
      {
        displayName: "odin-test load balancer",
        project: "test-project",
        period: "60s",
        timeout: "10s",
        checkerType: "STATIC_IP_CHECKERS",
        monitoredResource: {
          type: "uptime_url",
          labels: { project_id: "test-project", host: "203.0.113.10" },
        },
        userLabels: LABELS,
        tcpCheck: { port: 3004 },
      },
    ],
  );
});

test("an uptime check of the TLS entrance validates its certificate and a gateway's answer", async () => {
  const { one } = await create({ domain: "live.example.com" });
  const { inputs } = one(CHECK, "watchdog-wss");
  assert.deepEqual((inputs.monitoredResource as { labels: unknown }).labels, {
    project_id: "test-project",
    host: "live.example.com",
  });
  assert.deepEqual(inputs.httpCheck, {
    path: "/ws",
    port: 443,
    useSsl: true,
    validateSsl: true,
    acceptedResponseStatusCodes: [{ statusValue: 426 }],
  });
  const conditions = conditionsOf(one(POLICY, "watchdog-entrance"));
  assert.deepEqual(
    conditions.map(({ displayName }) => displayName),
    ["load balancer unreachable", "TLS entrance unreachable"],
  );
  assert.match(String(conditions[0]?.conditionThreshold?.filter), /check_id="watchdog-load-balancer"/);
  assert.deepEqual(conditions[1]?.conditionPrometheusQueryLanguage, {
    query:
      'count(last_over_time(monitoring_googleapis_com:uptime_check_check_passed{monitored_resource="uptime_url",check_id="watchdog-wss"}[20m]) == 0) > 1' +
      ' and on() max(max_over_time(monitoring_googleapis_com:uptime_check_check_passed{monitored_resource="uptime_url",check_id="watchdog-wss"}[1d])) > 0',
    duration: "60s",
    evaluationInterval: "60s",
  });
});

test("an entrance that two regions cannot reach is critical, with a notification again each hour", async () => {
  const { one } = await create();
  const { inputs } = one(POLICY, "watchdog-entrance");
  const { conditions, documentation, ...rest } = inputs;
  const channel = "projects/test-project/notificationChannels/watchdog-email";
  assert.deepEqual(rest, {
    project: "test-project",
    displayName: "odin-test: clients cannot connect",
    severity: "CRITICAL",
    combiner: "OR",
    notificationChannels: [channel],
    alertStrategy: {
      autoClose: "3600s",
      notificationChannelStrategies: [{ notificationChannelNames: [channel], renotifyInterval: "3600s" }],
    },
    userLabels: LABELS,
  });
  assert.deepEqual(conditions, [
    {
      displayName: "load balancer unreachable",
      conditionThreshold: {
        filter:
          'metric.type="monitoring.googleapis.com/uptime_check/check_passed" AND metric.label.check_id="watchdog-load-balancer" AND resource.type="uptime_url"',
        aggregations: [
          {
            alignmentPeriod: "1200s",
            perSeriesAligner: "ALIGN_NEXT_OLDER",
            crossSeriesReducer: "REDUCE_COUNT_FALSE",
            groupByFields: ["resource.label.*"],
          },
        ],
        comparison: "COMPARISON_GT",
        thresholdValue: 1,
        duration: "60s",
        trigger: { count: 1 },
      },
    },
  ]);
  assert.equal(
    (documentation as { subject: string }).subject,
    "[CRITICAL] odin-test: clients cannot connect",
  );
});

test("an alert fires when the monitoring VM stops, and when its programs stop working", async () => {
  const running = {
    displayName: "odin-test-monitoring is not running",
    conditionPrometheusQueryLanguage: {
      query:
        'absent_over_time(compute_googleapis_com:instance_uptime_total{monitored_resource="gce_instance",instance_name="odin-test-monitoring"}[10m])',
      duration: "60s",
      evaluationInterval: "60s",
    },
  };
  const plain = (await create()).one(POLICY, "watchdog-monitoring");
  assert.equal(plain.inputs.severity, "CRITICAL");
  assert.deepEqual(conditionsOf(plain), [running]);
  const heartbeat = "custom.googleapis.com/odin_ws/monitoring_heartbeat";
  const { one } = await create({ monitoring: { ...args.monitoring, heartbeat } });
  assert.deepEqual(conditionsOf(one(POLICY, "watchdog-monitoring")), [
    running,
    {
      displayName: "Prometheus or Alertmanager does not work",
      conditionPrometheusQueryLanguage: {
        query:
          'absent_over_time(custom_googleapis_com:odin_ws_monitoring_heartbeat{monitored_resource="gce_instance",metadata_user_app="odin-ws",metadata_user_stack="test",metadata_user_role="monitoring"}[5m])',
        duration: "120s",
        evaluationInterval: "60s",
        disableMetricValidation: true,
      },
    },
  ]);
});

test("each alert of Prometheus is sent by mail only, because Alertmanager uses the webhook itself", async () => {
  const metric = "custom.googleapis.com/odin_ws/monitoring_alerts";
  const monitoring = { ...args.monitoring, alerts: metric };
  const webhook = "https://alerts.example.com/token";
  const { one } = await create({ monitoring, webhook });
  for (const [name, severity, displayName] of [
    ["watchdog-critical", "critical", "critical alert in Alertmanager"],
    ["watchdog-warnings", "warning", "warning in Alertmanager"],
  ]) {
    const policy = one(POLICY, name);
    assert.deepEqual(policy.inputs.notificationChannels, [
      "projects/test-project/notificationChannels/watchdog-email",
    ]);
    assert.equal(policy.inputs.severity, severity?.toUpperCase());
    // A series for each alert: an alert that begins while another one fires has an incident of its own.
    assert.deepEqual(conditionsOf(policy), [
      {
        displayName,
        conditionPrometheusQueryLanguage: {
          query: `max by (alert) (custom_googleapis_com:odin_ws_monitoring_alerts{monitored_resource="gce_instance",severity="${severity}",metadata_user_app="odin-ws",metadata_user_stack="test",metadata_user_role="monitoring"}) > 0`,
          duration: "0s",
          evaluationInterval: "60s",
          disableMetricValidation: true,
        },
      },
    ]);
  }
  const { email: _email, ...withoutMail } = args;
  const { all } = await record(() => new Watchdog("watchdog", { ...withoutMail, monitoring, webhook }));
  assert.deepEqual(
    all(POLICY).filter(({ name }) => /critical|warnings/.test(name)),
    [],
  );
});

test("an autoscaler that wants more gateways than its maximum fires an alert that does not name the maximum", async () => {
  const { one } = await create();
  const policy = one(POLICY, "watchdog-autoscaler-limit");
  assert.equal(policy.inputs.severity, "WARNING");
  assert.deepEqual(policy.inputs.alertStrategy, { autoClose: "3600s", notificationChannelStrategies: [] });
  const labels = '{monitored_resource="autoscaler",instance_group_manager_name="gateway-group-1a2b3c4"}';
  assert.deepEqual(conditionsOf(policy), [
    {
      displayName: "load above the targets for 10 min",
      conditionPrometheusQueryLanguage: {
        query: `max(autoscaler_googleapis_com:current_utilization${labels} / autoscaler_googleapis_com:capacity${labels}) > 1`,
        duration: "600s",
        evaluationInterval: "60s",
      },
    },
  ]);
});

test("an alert fires when no gateway of this stack reports its connections", async () => {
  const { one } = await create();
  const policy = one(POLICY, "watchdog-metric-absent");
  assert.equal(policy.inputs.severity, "WARNING");
  assert.deepEqual(conditionsOf(policy), [
    {
      displayName: "no connections metric for 5 min",
      conditionPrometheusQueryLanguage: {
        query:
          'absent_over_time(custom_googleapis_com:odin_ws_connections{monitored_resource="gce_instance",metadata_user_app="odin-ws",metadata_user_stack="test",metadata_user_role="gateway"}[5m])',
        duration: "120s",
        evaluationInterval: "60s",
        disableMetricValidation: true,
      },
    },
  ]);
});

test("every policy says what to do first, with commands for this stack's machines", async () => {
  const { all } = await create();
  assert.equal(all(POLICY).length, 4);
  for (const { name, inputs } of all(POLICY)) {
    const { content, mimeType } = inputs.documentation as { content: string; mimeType: string };
    assert.equal(mimeType, "text/markdown");
    assert.ok(Buffer.byteLength(content) < 8192, name);
    assert.match(content, /\n1\. .*`gcloud .*--project test-project/, name);
    assert.match(content, /docs\/runbook\.md: /, name);
    assert.doesNotMatch(content, /undefined|\[object|Calling \[toString\]/, name);
  }
});

test("each further region has a check of its address and two warnings, with commands for the region", async () => {
  const europe = {
    region: "europe-west1",
    address: "203.0.113.30",
    instanceGroup:
      "https://www.googleapis.com/compute/v1/projects/test-project/regions/europe-west1/instanceGroups/gateway-eu-1",
  };
  const { one, all } = await create({ furtherRegions: [europe] });
  const check = one(CHECK, "watchdog-load-balancer-europe-west1");
  assert.deepEqual(
    [check.inputs.displayName, check.inputs.monitoredResource],
    [
      "odin-test load balancer in europe-west1",
      { type: "uptime_url", labels: { project_id: "test-project", host: "203.0.113.30" } },
    ],
  );
  const entrance = one(POLICY, "watchdog-entrance-europe-west1");
  assert.equal(entrance.inputs.severity, "WARNING");
  assert.match(JSON.stringify(conditionsOf(entrance)), /check_id=\\"watchdog-load-balancer-europe-west1\\"/);
  const limit = one(POLICY, "watchdog-autoscaler-limit-europe-west1");
  assert.equal(limit.inputs.displayName, "odin-test: the autoscaler cannot add gateways in europe-west1");
  assert.match(JSON.stringify(conditionsOf(limit)), /instance_group_manager_name=\\"gateway-eu-1\\"/);
  for (const policy of [entrance, limit]) {
    const { content } = policy.inputs.documentation as { content: string };
    assert.match(content, /gateway-eu-1 --region europe-west1 --project test-project/);
    assert.doesNotMatch(content, /us-central1|undefined|\[object|Calling \[toString\]/);
  }
  assert.equal(all(POLICY).length, 6);
});
