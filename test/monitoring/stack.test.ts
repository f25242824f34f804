/** The rendered files in real programs, beside a real gateway and a real NATS under load. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { INHIBITIONS } from "../../monitoring/alerts/inhibitions.ts";
import { monitoringFiles } from "../../monitoring/files.ts";
import { LOG_LABELS } from "../../monitoring/limits/log-labels.ts";
import { recordingRules } from "../../monitoring/limits/recording-rules.ts";
import { LogSender } from "../../monitoring/local/log-sender.ts";
import { localOptions } from "../../monitoring/local/options.ts";
import { LOCAL_PROGRAMS, type LocalMonitoring, startLocal } from "../../monitoring/local/programs.ts";
import type { MonitoringOptions } from "../../monitoring/options.ts";
import { type DashboardQuery, dashboardQueries } from "../../monitoring/testing/dashboard-queries.fixture.ts";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import { connect, type TestClient } from "../harness/client.ts";
import { startFeed } from "../harness/feed.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { get } from "../harness/http.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { type Owner, suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";
import { type Found, logql, promql, promqlRange, streams, targets } from "./ask.ts";
import { faster } from "./faster.ts";
import { startNatsExporter } from "./nats-exporter.ts";
import { startWebhook, type Told } from "./webhook.ts";

const FACTOR = 15; // times as fast: asked every second, and what takes 5 minutes takes 20 seconds
const CLIENTS = 8;
const PATIENCE = 60_000; // ms
const CHANNELS = ["BTC.trade", "BTC.liquidity", "ETH.trade", "ETH.social", "global.trending"];

function withoutPrograms(): string | false {
  const missing = LOCAL_PROGRAMS.find((name) => findProgram(name) === undefined);
  if (missing === undefined) return withoutNats();
  if (process.env.CI === "true") throw new Error(howToGet(missing));
  return howToGet(missing);
}

interface Stack {
  options: MonitoringOptions;
  nats: Nats;
  gateway: Gateway;
  monitoring: LocalMonitoring;
  told: Told[];
  /** Ids of connections, which the gateway logs. */
  connections: string[];
}

async function startStack(owner: Owner): Promise<Stack> {
  const nats = await startNats(owner);
  const env = { LOG_LEVEL: "debug", WS_WORKER_POOL_SIZE: "2" };
  const gateway = await startGateway(owner, { nats, env });
  await loseWorker(gateway);
  const webhook = await startWebhook(owner);
  const ports = {
    prometheus: await freePort(),
    alertmanager: await freePort(),
    loki: await freePort(),
    natsExporter: await startNatsExporter(owner, "nats", nats.monitoring),
  };
  const host = `127.0.0.1:${gateway.opsPort}`;
  const options: MonitoringOptions = {
    ...localOptions({ gateways: [host], nats: true, ports }),
    receivers: { webhook: { value: webhook.url } },
  };
  const monitoring = startLocal(faster(monitoringFiles(options), FACTOR), ports);
  owner.after(() => monitoring.stop());
  ship(owner, gateway, new LogSender({ lokiUrl: monitoring.urls.loki, host }));
  startFeed(owner, nats, CHANNELS);
  const connections = await load(owner, gateway);
  await monitoring.ready;
  return { options, nats, gateway, monitoring, told: webhook.told, connections };
}

/** Sends what the gateway has said since the last look. */
function ship(owner: Owner, gateway: Gateway, sender: LogSender): void {
  let sent = 0;
  const timer = setInterval(() => {
    sender.add(gateway.process.output.slice(sent));
    sent = gateway.process.output.length;
  }, 100);
  owner.after(async () => {
    clearInterval(timer);
    await sender.close();
  });
}

function answerTo({ urls }: LocalMonitoring, { source, expr, instant }: DashboardQuery): Promise<Found[]> {
  if (source === "loki") return logql(urls.loki, expr, instant);
  return (instant ? promql : promqlRange)(urls.prometheus, expr);
}

/** An error that the gateway logs, and gets over: one of its two workers dies. */
async function loseWorker(gateway: Gateway): Promise<void> {
  const worker = gateway.process.processes().at(-1);
  assert.ok(worker && worker.pid !== gateway.process.pid);
  process.kill(worker.pid, "SIGKILL");
  await eventually("the end of a worker", () => gateway.process.output.includes("a worker died"));
  await gateway.health(200);
}

/** Clients that stay, one that comes and goes, one that is refused; returns the ids of those that have gone. */
async function load(owner: Owner, gateway: Gateway): Promise<string[]> {
  const clients: TestClient[] = [];
  for (let count = 0; count < CLIENTS; count++) {
    const client = await connect(owner, gateway);
    await client.subscribe(CHANNELS);
    clients.push(client);
  }
  const [first, ...others] = clients;
  assert.ok(first);
  const { position } = first;
  await first.receive(5);
  await first.ask({ type: "replay", from_seq: 1, to_seq: 3 }, "replay_end");
  await first.close();
  const again = await connect(owner, gateway);
  await again.subscribe(CHANNELS, position);
  await connect(owner, gateway, { path: "/elsewhere" }).catch(() => {});
  const [second] = others;
  await second?.close();
  return [first.welcome.connection, second?.welcome.connection ?? ""];
}

describe("monitoring", { skip: withoutPrograms(), timeout: 300_000 }, () => {
  const owner = suiteOwner();
  let started: Promise<Stack> | undefined;
  const stack = () => {
    started ??= startStack(owner);
    return started;
  };

  test("every target is up", async () => {
    const { monitoring } = await stack();
    let seen = {};
    await eventually(
      () => JSON.stringify(seen),
      async () => {
        seen = await targets(monitoring.urls.prometheus);
        return Object.values(seen).every((health) => health === "up");
      },
      PATIENCE,
    );
    assert.deepEqual(Object.keys(seen).sort(), ["alertmanager", "gateway", "loki", "nats", "prometheus"]);
  });

  test("the alert that always fires reaches Alertmanager: the question of the monitoring VM's heartbeat", async () => {
    const { monitoring } = await stack();
    const [path = ""] = heartbeatQuestions();
    await eventually(
      path,
      async () => (await get(monitoring.urls.alertmanager + path)).body.includes('"Watchdog"'),
      PATIENCE,
    );
  });

  test("every recording rule yields data", async () => {
    const { monitoring, options } = await stack();
    const names = recordingRules(options).flatMap(({ rules }) => rules.map(({ record }) => record));
    let empty = [...new Set(names)];
    assert.ok(empty.length > 30);
    await eventually(
      () => `data of ${empty.join(", ")}`,
      async () => {
        const found = await Promise.all(empty.map((name) => promql(monitoring.urls.prometheus, name)));
        empty = empty.filter((_, index) => found[index]?.length === 0);
        return empty.length === 0;
      },
      PATIENCE,
    );
  });

  test("every query of every dashboard is understood, and every panel and variable finds something", async () => {
    const { monitoring, options } = await stack();
    const queries = dashboardQueries(monitoringFiles(options));
    assert.ok(queries.length > 80, `${queries.length} queries`);
    // Annotations are about what seldom happens: those are to be understood.
    const isEvent = ({ where }: DashboardQuery) => where.startsWith("annotation ");
    for (const query of queries.filter(isEvent)) await answerTo(monitoring, query);
    let empty = queries.filter((query) => !isEvent(query));
    await eventually(
      () => empty.map(({ path, where, expr }) => `${path}, ${where}: ${expr}`).join("\n"),
      async () => {
        const still = [];
        for (const query of empty) if ((await answerTo(monitoring, query)).length === 0) still.push(query);
        empty = still;
        return empty.length === 0;
      },
      PATIENCE,
    );
  });

  test("a connection's id finds that connection's lines, in the dashboard of logs", async () => {
    const { monitoring, options, connections } = await stack();
    const [connection = ""] = connections;
    const queries = dashboardQueries(monitoringFiles(options), { connection }).filter(
      ({ expr, where }) => expr.includes(connection) && /"(All lines|Gateways.*)"/.test(where),
    );
    assert.equal(queries.length, 2);
    for (const query of queries) {
      const found = await eventually(
        query.expr,
        async () => {
          const lines = await answerTo(monitoring, query);
          return lines.length > 0 && lines;
        },
        PATIENCE,
      );
      for (const { last } of found) assert.ok(last.includes(connection), last);
    }
  });

  test("log lines arrive with few labels; a connection's id is in lines only", async () => {
    const { monitoring, connections, gateway } = await stack();
    const { loki } = monitoring.urls;
    const host = `127.0.0.1:${gateway.opsPort}`;
    for (const id of connections) {
      const lines = await eventually(
        `lines of connection ${id}`,
        async () => {
          const found = await logql(loki, `{container="gateway"} |= "${id}"`);
          return found.length > 0 && found;
        },
        PATIENCE,
      );
      assert.equal(JSON.parse(lines[0]?.last ?? "").connection, id);
    }
    const all = await streams(loki);
    assert.ok(all.length > 1 && all.length <= 5, JSON.stringify(all)); // one for each level
    const known: string[] = Object.values(LOG_LABELS);
    for (const labels of all) {
      assert.deepEqual(
        Object.keys(labels).filter((label) => !known.includes(label)),
        [],
      );
      assert.equal(labels.host, host);
      assert.equal(labels.container, "gateway");
      assert.match(labels.level ?? "", /^(debug|info|warning|error)$/);
    }
  });

  test("without NATS its own alert arrives and none of its consequences; with it again, the end of it", async () => {
    const { monitoring, nats, told, options } = await stack();
    const { prometheus, alertmanager } = monitoring.urls;
    const consequences = INHIBITIONS.find(({ source }) => source.alertname === "NatsUnreachable")?.targets
      .alertnames;
    assert.ok(consequences);
    const before = told.length;
    await nats.kill();
    const firing = await eventually(
      () => `NatsUnreachable, told of ${JSON.stringify(told)}`,
      () => told.slice(before).find(({ name }) => name === "NatsUnreachable"),
      PATIENCE,
    );
    assert.equal(firing.status, "firing");
    assert.equal(firing.labels.stack, options.stack);
    assert.match(firing.annotations.runbook_url ?? "", /#nats-unreachable$/);
    // Which the monitoring VM's heartbeat counts: that is who sends mail.
    const critical = await get(alertmanager + heartbeatQuestions()[1]);
    assert.equal(critical.body.match(/"fingerprint"/g)?.length, 1, critical.body);
    assert.match(critical.body, /"alertname":"NatsUnreachable"/);
    // The consequences do fire: Alertmanager keeps them back.
    for (const name of ["NatsServerDown", "StreamSilent"]) {
      await eventually(
        `${name} firing, and held back`,
        async () => {
          const [alert] = await promql(prometheus, `ALERTS{alertname="${name}",alertstate="firing"}`);
          if (alert === undefined) return false;
          const kept = await fetch(
            `${alertmanager}/api/v2/alerts?inhibited=true&active=false&silenced=false`,
          );
          return ((await kept.json()) as { labels: { alertname: string } }[]).some(
            ({ labels }) => labels.alertname === name,
          );
        },
        PATIENCE,
      );
    }
    await nats.start();
    await eventually(
      () => `the end of it, told of ${JSON.stringify(told.slice(before))}`,
      () =>
        told.slice(before).find(({ name, status }) => name === "NatsUnreachable" && status === "resolved"),
      PATIENCE,
    );
    assert.deepEqual(
      told.slice(before).filter(({ name, status }) => status === "firing" && consequences.includes(name)),
      [],
    );
  });
});

/** What the heartbeat asks Alertmanager, in order. */
function heartbeatQuestions(): string[] {
  const script = readFileSync(new URL("../../infra/startup/heartbeat.sh", import.meta.url), "utf8");
  const found = script.matchAll(/'http:\/\/127\.0\.0\.1:9093(\/api\/v2\/alerts[^']+)'/g);
  return [...found].map(([, path = ""]) => path);
}

test("the faster files are the rendered ones but for their times", () => {
  const files = monitoringFiles(localOptions({ nats: true }));
  const changed = faster(files, FACTOR);
  const paths = Object.keys(files).filter((path) => changed[path] !== files[path]);
  assert.deepEqual(paths, [
    "alertmanager/alertmanager.yml",
    "prometheus/prometheus.yml",
    "prometheus/rules/alerts.yml",
    "prometheus/rules/recording.yml",
  ]);
  const timeless = (text = "") => JSON.stringify(parse(text)).replaceAll(/\d+(ms|[smhd])\b/g, "T");
  for (const path of paths) assert.equal(timeless(changed[path]), timeless(files[path]), path);
  assert.match(changed["prometheus/rules/alerts.yml"] ?? "", /alert: NatsUnreachable\n.*\n\s+for: 2000ms/);
  assert.match(changed["prometheus/rules/recording.yml"] ?? "", /ws_messages_sent_total\[20000ms\]/);
});
