import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OTHER_METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { LIMITS } from "../limits/reference-lines.ts";
import { eventRateName } from "../limits/slos.ts";
import type { MonitoringOptions } from "../options.ts";
import { dashboardQueries } from "../testing/dashboard-queries.fixture.ts";
import { KNOWN_METRICS, metricsIn } from "../testing/metric-names.fixture.ts";
import { promtool } from "../testing/promtool.fixture.ts";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { dashboardFiles } from "./dashboard-files.ts";
import { WITHOUT_LINE } from "./panels.ts";
import { DASHBOARD_UIDS } from "./uids.ts";

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { refId: string }[];
  fieldConfig: {
    defaults: {
      unit?: string;
      thresholds: { steps: { value: number | null; color: string }[] };
      custom?: { thresholdsStyle?: { mode: string } };
    };
  };
}

interface Board {
  uid: string;
  links: { url: string; includeVars: boolean; placement?: string }[];
  panels: Panel[];
  templating: { list?: { name: string; type: string }[] };
  annotations: { list?: { name: string }[] };
}

const files = dashboardFiles(SAMPLE);
const boards = Object.entries(files).map(([path, json]) => ({ path, board: JSON.parse(json) as Board }));
const panels = boards.flatMap(({ path, board }) =>
  board.panels
    .filter(({ type }) => type !== "row")
    .map((panel) => ({ ...panel, at: `${path} ${panel.title}` })),
);
const stepsOf = (panel: Panel) => panel.fieldConfig.defaults.thresholds.steps;

function boardOf(name: string): Board {
  const found = boards.find(({ path }) => path === `grafana/dashboards/${name}.json`);
  assert.ok(found, name);
  return found.board;
}

test("each dashboard has a file, and the id that alerts link to", () => {
  assert.deepEqual(
    boards.map(({ path, board }) => [path, board.uid]),
    [
      ["grafana/dashboards/capacity-test.json", DASHBOARD_UIDS.capacityTest],
      ["grafana/dashboards/capacity.json", DASHBOARD_UIDS.capacity],
      ["grafana/dashboards/logs.json", DASHBOARD_UIDS.logs],
      ["grafana/dashboards/nats.json", DASHBOARD_UIDS.nats],
      ["grafana/dashboards/operations.json", DASHBOARD_UIDS.operations],
    ],
  );
});

test("the same options give the same bytes, in less than 2 s", () => {
  const begin = performance.now();
  const again = dashboardFiles(structuredClone(SAMPLE));
  assert.ok(performance.now() - begin < 2000);
  assert.equal(JSON.stringify(again), JSON.stringify(files));
});

test("panels have different ids and do not overlap on the 24 columns", () => {
  for (const { path, board } of boards) {
    const ids = board.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, path);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of board.panels) {
      const { x, y, w, h } = gridPos;
      assert.ok(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 24, `${path} ${title}`);
      for (let row = y; row < y + h; row++) {
        for (let column = x; column < x + w; column++) {
          const cell = `${column},${row}`;
          assert.equal(taken.get(cell), undefined, `${path}: ${title} overlaps ${taken.get(cell)}`);
          taken.set(cell, title);
        }
      }
    }
  }
});

test("every panel has a title, a unit, a description in sentences and a query", () => {
  assert.ok(panels.length > 80);
  for (const { at, title, description = "", fieldConfig, targets } of panels) {
    assert.ok(title.length > 2, at);
    assert.ok(fieldConfig.defaults.unit, at);
    assert.match(description, /^.{15,}[.]/s, at);
    assert.deepEqual(
      targets.map(({ refId }) => refId),
      ["A", "B", "C", "D", "E", "F", "G"].slice(0, Math.max(1, targets.length)),
      at,
    );
  }
});

test("every panel has a line, except for these panels, which give a reason", () => {
  const bare = panels.filter((panel) => stepsOf(panel).length === 1);
  assert.deepEqual(bare.map(({ at }) => at.replace("grafana/dashboards/", "")).sort(), [
    "capacity.json Bytes of a delivery, by encoding and event",
    "capacity.json Cost per month",
    "capacity.json Current fleet, per month",
    "capacity.json Date when full",
    "capacity.json Deliveries by encoding",
    "capacity.json Fleet and traffic, per month",
    "capacity.json Fleet in four weeks, per month",
    "capacity.json Largest fleet, per month",
    "capacity.json Traffic for 1,000 clients, per month",
    "capacity.json Traffic, per month",
    "logs.json All lines",
    "logs.json Connections",
    "logs.json Errors",
    "logs.json Gateways, message only",
    "logs.json Left out",
    "logs.json Lines by instance",
    "logs.json Lines by level",
    "nats.json Gateways that count together",
    "nats.json Questions whether a user may connect",
    "operations.json Clients that a message reaches",
    "operations.json Duration of connections",
    "operations.json Firing alerts",
    "operations.json Subscriptions of a client",
    "operations.json Ten busiest tokens",
  ]);
  const reasons = Object.values(WITHOUT_LINE);
  for (const { at, description = "" } of bare) {
    assert.ok(
      reasons.some((reason) => description.endsWith(`No line: ${reason}.`)),
      at,
    );
  }
});

test("lines are at values of LIMITS, and graphs draw them", () => {
  const values = new Set(
    Object.values(LIMITS).flatMap(({ value }) =>
      [1, SAMPLE.maxConnections, SAMPLE.memoryLimitBytes].map(
        (times) => Number((value * times).toPrecision(12)) || 1e-9,
      ),
    ),
  );
  for (const panel of panels.filter((candidate) => stepsOf(candidate).length > 1)) {
    const [first, second, ...more] = stepsOf(panel);
    assert.equal(first?.value, null, panel.at);
    assert.ok(values.has(second?.value ?? Number.NaN), `${panel.at}: ${second?.value}`);
    assert.deepEqual([first?.color, second?.color].sort(), ["green", "red"], panel.at);
    assert.deepEqual(more, [], panel.at);
    if (panel.type === "timeseries") {
      assert.equal(panel.fieldConfig.defaults.custom?.thresholdsStyle?.mode, "dashed", panel.at);
    }
  }
});

test("queries use only metrics that limits/metrics.ts lists", () => {
  const used = dashboardQueries(files)
    .filter(({ source }) => source === "prometheus")
    .flatMap(({ expr }) => metricsIn(expr));
  assert.ok(used.length > 150);
  assert.deepEqual(
    used.filter((name) => !KNOWN_METRICS.has(name)),
    [],
  );
});

test("promtool accepts every query", { skip: skipWithout("promtool") }, async () => {
  const rules = dashboardQueries(files)
    .filter(({ source }) => source === "prometheus")
    .map(({ expr }, index) => ({ record: `dashboard:query:n${index}`, expr }));
  const check = (content: unknown[]) =>
    promtool("check rules", { "rules.yml": { groups: [{ name: "queries", rules: content }] } }, [
      "rules.yml",
    ]);
  const { ok, output } = await check(rules);
  assert.ok(ok, output);
  assert.match(output, new RegExp(`${rules.length} rules found`));
  assert.ok(!(await check([{ record: "broken", expr: "sum(" }])).ok);
});

test("dashboards show links to each other and to the runbook", () => {
  for (const { path, board } of boards) {
    const others = Object.values(DASHBOARD_UIDS).filter((uid) => uid !== board.uid);
    assert.deepEqual(
      board.links.map(({ url }) => url).sort(),
      [...others.map((uid) => `/d/${uid}`), SAMPLE.runbookUrl].sort(),
      path,
    );
    for (const { placement } of board.links) assert.equal(placement, undefined, path);
    const list = (name: string) =>
      boards.find(({ board: { uid } }) => uid === name)?.board.templating.list?.[0]?.type === "query";
    for (const { url, includeVars } of board.links.filter(({ url }) => url.startsWith("/d/"))) {
      assert.equal(includeVars, list(board.uid) && list(url.replace("/d/", "")), `${path} ${url}`);
    }
  }
});

test("dashboards of the fleet have marks of its events", () => {
  for (const name of ["operations", "capacity", "nats"]) {
    assert.deepEqual(
      boardOf(name).annotations.list?.map((annotation) => annotation.name),
      ["Autoscaling", "Rollout", "Drain", "Restart"],
    );
  }
});

test("the first screen shows whether users are served", () => {
  const { panels: all } = boardOf("operations");
  const second = all.findIndex(({ type }, index) => index > 0 && type === "row");
  const first = all.slice(1, second);
  assert.ok(first.every(({ type }) => type === "stat"));
  assert.ok(
    first.every(({ gridPos }) => gridPos.y + gridPos.h <= 9),
    "the first screen has nine rows of 38 pixels",
  );
  const text = JSON.stringify(first);
  for (const part of [
    RECORD.gatewaysUp,
    RECORD.connections,
    RECORD.latency,
    RECORD.dropRatio,
    RECORD.gatewaysWithoutNats,
    eventRateName("connections", "errors"),
    eventRateName("latency", "errors"),
    "ALERTS",
  ])
    assert.ok(text.includes(part), part);
});

test("there are no panels for parts that the deployment does not have", () => {
  const { domain: _, ...rest } = SAMPLE;
  const without = Object.values(dashboardFiles({ ...rest, kind: "local", natsMonitoring: [] })).join("");
  const all = Object.values(files).join("");
  for (const name of [
    OTHER_METRIC.natsHealth,
    OTHER_METRIC.streamBytes,
    OTHER_METRIC.diskAvailable,
    OTHER_METRIC.certificateEnd,
    OTHER_METRIC.probeSuccess,
  ]) {
    assert.ok(!without.includes(name), name);
  }
  for (const name of [OTHER_METRIC.natsHealth, OTHER_METRIC.diskAvailable, OTHER_METRIC.certificateEnd]) {
    assert.ok(all.includes(name), name);
  }
});

test("costs are computed from the given prices", () => {
  const cost = (gateway: number | undefined, base: number | undefined) =>
    dashboardQueries(dashboardFiles({ ...SAMPLE, monthlyPrices: { gateway, base, traffic: undefined } }))
      .filter(({ where }) => where.startsWith('panel "Largest fleet, per month"'))
      .map(({ expr }) => expr);
  assert.deepEqual(cost(2, 3), ["3 + vector(5) * 2"]);
  assert.deepEqual(cost(undefined, 3), ["3 + vector(5) * absent(vector(0))"]);
});

test("Prometheus keeps metrics longer than the longest period in a query", () => {
  const script = readFileSync(new URL("../../infra/startup/monitoring-stack.sh", import.meta.url), "utf8");
  const [, kept = "0"] = script.match(/^RETENTION_TIME=(\d+)d/m) ?? [];
  const queried = [
    ...Object.values(files)
      .join("")
      .matchAll(/\b(\d+)d\b/g),
  ].map(([, days]) => Number(days));
  assert.equal(Math.max(...queried), 30);
  assert.ok(Number(kept) > 30, kept);
});

test("the first value of the maximum number of gateways is the default of maxInstances, or the number of gateways", () => {
  const script = readFileSync(new URL("../../Pulumi.yaml", import.meta.url), "utf8");
  const [, most] = script.match(/^ {2}maxInstances:\n.*\n {4}default: (\d+)$/m) ?? [];
  const firstMaximum = (options: Partial<MonitoringOptions>) =>
    dashboardQueries(dashboardFiles({ ...SAMPLE, ...options }))
      .filter(({ where }) => where.startsWith('panel "Gateways, share of maximum"'))
      .map(({ expr }) => expr.split(" / ")[1]);
  assert.deepEqual(firstMaximum({}), [most]);
  assert.deepEqual(firstMaximum({ kind: "capacity-test" }), ["1"]);
  assert.deepEqual(firstMaximum({ kind: "local", gatewayTargets: ["a:1", "b:1"] }), ["2"]);
});
