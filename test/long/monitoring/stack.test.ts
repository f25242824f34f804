/** Tests of the rendered files with real programs, a real gateway and a real NATS server under load. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { INHIBITIONS } from "../../../monitoring/alerts/inhibitions.ts";
import { monitoringFiles } from "../../../monitoring/files.ts";
import { LOG_LABELS } from "../../../monitoring/limits/log-labels.ts";
import { recordingRules } from "../../../monitoring/limits/recording-rules.ts";
import { LogSender } from "../../../monitoring/local/log-sender.ts";
import { localOptions } from "../../../monitoring/local/options.ts";
import { type LocalMonitoring, startLocal } from "../../../monitoring/local/programs.ts";
import type { MonitoringOptions } from "../../../monitoring/options.ts";
import {
  type DashboardQuery,
  dashboardQueries,
} from "../../../monitoring/testing/dashboard-queries.fixture.ts";
import { SAMPLE } from "../../../monitoring/testing/sample-options.fixture.ts";
import { connect, type TestClient } from "../../harness/client.ts";
import { startFeed } from "../../harness/feed.ts";
import { type Gateway, startGateway } from "../../harness/gateway.ts";
import { get } from "../../harness/http.ts";
import { type Nats, startNats, withoutNats } from "../../harness/nats.ts";
import { type Owner, suiteOwner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { issue } from "../../harness/tokens.ts";
import { eventually } from "../../harness/wait.ts";
import { faster } from "../../monitoring/faster.ts";
import { startNatsExporter } from "../../monitoring/nats-exporter.ts";
import { skipWithoutPrograms } from "../../monitoring/programs.ts";
import { type Found, logql, promql, promqlRange, streams, targets } from "../../monitoring/queries.ts";
import { type ReceivedAlert, startWebhook } from "../../monitoring/webhook.ts";

const FACTOR = 15; // Prometheus scrapes every second, and 5 minutes become 20 seconds
const CLIENTS = 8;
const PATIENCE_MS = 60_000; // ms
const CHANNELS = ["BTC.trade", "BTC.liquidity", "ETH.trade", "ETH.social", "global.trending"];

const SECRET = "a secret of the identity service";
/** A user whose token expires, and one whose name contains this name. */
const LATE_USER = "late@example.com";
const SIMILAR_USER = "translate@example.com";
/** Users who receive over HTTP until their tokens expire. */
const POLLING_USER = "polling@example.com";
const STREAM_USER = "stream@example.com";

interface Stack {
  options: MonitoringOptions;
  nats: Nats;
  gateway: Gateway;
  monitoring: LocalMonitoring;
  received: ReceivedAlert[];
  /** Ids of connections that are in the gateway's log. */
  connections: string[];
}

async function startStack(owner: Owner): Promise<Stack> {
  const nats = await startNats(owner);
  const env = { LOG_LEVEL: "", WS_WORKER_POOL_SIZE: "2", JWT_SECRET: SECRET, AUTH_MODE: "jwt" };
  const gateway = await startGateway(owner, { nats, env });
  await loseWorker(gateway);
  const webhook = await startWebhook(owner);
  const ports = {
    prometheus: await freePort(),
    alertmanager: await freePort(),
    loki: await freePort(),
    lokiGrpc: await freePort(),
    natsExporter: await startNatsExporter(owner, "nats", nats.monitoring),
  };
  const host = `127.0.0.1:${gateway.opsPort}`;
  const options: MonitoringOptions = {
    ...localOptions({ gateways: [host], nats: true, ports }),
    receivers: { webhook: { value: webhook.url } },
    // Without prices, the panels of costs show "unknown".
    monthlyPrices: SAMPLE.monthlyPrices,
  };
  const monitoring = startLocal(faster(monitoringFiles(options), FACTOR), ports);
  owner.after(() => monitoring.stop());
  ship(owner, gateway, new LogSender({ lokiUrl: monitoring.urls.loki, host }));
  startFeed(owner, nats, CHANNELS);
  const connections = await load(owner, gateway);
  await monitoring.ready;
  return { options, nats, gateway, monitoring, received: webhook.received, connections };
}

/** @param seconds until the token expires */
async function connectAs(owner: Owner, gateway: Gateway, sub: string, seconds = 300): Promise<TestClient> {
  return connect(owner, gateway, { token: await issue(SECRET, { sub, expiresIn: seconds }) });
}

/** Sends new log lines of the gateway to Loki every 100 ms. */
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

/** Kills one of the gateway's two workers: the gateway logs an error and continues. */
async function loseWorker(gateway: Gateway): Promise<void> {
  const worker = gateway.process.processes().at(-1);
  assert.ok(worker && worker.pid !== gateway.process.pid);
  process.kill(worker.pid, "SIGKILL");
  await eventually("the end of a worker", () => gateway.process.output.includes("a worker died"));
  await gateway.health(200);
}

/**
 * Makes load: clients that stay, clients that disconnect, and a client that is refused. Returns the ids of
 * connections that were closed.
 */
async function load(owner: Owner, gateway: Gateway): Promise<string[]> {
  const clients: TestClient[] = [];
  for (let count = 0; count < CLIENTS; count++) {
    const client = await connectAs(owner, gateway, `user-${count}`);
    await client.subscribe(CHANNELS);
    clients.push(client);
  }
  const [first, ...others] = clients;
  assert.ok(first);
  const { position } = first;
  await first.receive(5);
  await first.ask({ type: "replay", from_seq: 1, to_seq: 3 }, "replay_end");
  await first.close();
  const again = await connectAs(owner, gateway, "user-again");
  await again.subscribe(CHANNELS, position);
  const seldom = await connectAs(owner, gateway, "user-seldom");
  await seldom.ask({ type: "subscribe", channels: CHANNELS, max_rate: 1 }, "subscription_ack");
  await connect(owner, gateway, { path: "/elsewhere" }).catch(() => {});
  await connectAs(owner, gateway, SIMILAR_USER);
  const late = await connectAs(owner, gateway, LATE_USER, 2);
  await Promise.all([late.ended(), receiveOverHttp(gateway)]);
  const [second] = others;
  await second?.close();
  return [first.welcome.connection, second?.welcome.connection ?? ""];
}

/** One user polls and another one reads a stream, until the gateway refuses their tokens. */
async function receiveOverHttp(gateway: Gateway): Promise<void> {
  const ask = async (path: string, sub: string) => {
    const authorization = `Bearer ${await issue(SECRET, { sub, expiresIn: 2 })}`;
    return () =>
      fetch(`http://127.0.0.1:${gateway.wsPort}${path}?channels=BTC.trade`, { headers: { authorization } });
  };
  const stream = await (await ask("/events", STREAM_USER))();
  const poll = await ask("/poll", POLLING_USER);
  await eventually("a refused poll", async () => {
    const { status } = await poll();
    return status === 401;
  });
  await stream.text();
}

describe("monitoring", { skip: skipWithoutPrograms() || withoutNats(), timeout: 300_000 }, () => {
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
      PATIENCE_MS,
    );
    assert.deepEqual(Object.keys(seen).sort(), ["alertmanager", "gateway", "loki", "nats", "prometheus"]);
  });

  test("Watchdog reaches Alertmanager, where the monitoring VM's heartbeat looks for the alert", async () => {
    const { monitoring } = await stack();
    const [, path = ""] = heartbeatPaths();
    await eventually(
      path,
      async () => (await get(monitoring.urls.alertmanager + path)).body.includes('"Watchdog"'),
      PATIENCE_MS,
    );
  });

  test("every recording rule has a result", async () => {
    const { monitoring, options } = await stack();
    const names = recordingRules(options).flatMap(({ rules }) => rules.map(({ record }) => record));
    let empty = [...new Set(names)];
    assert.ok(empty.length > 30);
    await eventually(
      () => `results of ${empty.join(", ")}`,
      async () => {
        const found = await Promise.all(empty.map((name) => promql(monitoring.urls.prometheus, name)));
        empty = empty.filter((_, index) => found[index]?.length === 0);
        return empty.length === 0;
      },
      PATIENCE_MS,
    );
  });

  test("every query of every dashboard is valid, and the queries of panels and variables have results", async () => {
    const { monitoring, options } = await stack();
    const queries = dashboardQueries(monitoringFiles(options));
    assert.ok(queries.length > 80, `${queries.length} queries`);
    // Annotations mark rare events: their queries must be valid, but may have no result.
    const isAnnotation = ({ where }: DashboardQuery) => where.startsWith("annotation ");
    for (const query of queries.filter(isAnnotation)) await answerTo(monitoring, query);
    let empty = queries.filter((query) => !isAnnotation(query));
    await eventually(
      () => empty.map(({ path, where, expr }) => `${path}, ${where}: ${expr}`).join("\n"),
      async () => {
        const stillEmpty = [];
        for (const query of empty)
          if ((await answerTo(monitoring, query)).length === 0) stillEmpty.push(query);
        empty = stillEmpty;
        return empty.length === 0;
      },
      PATIENCE_MS,
    );
  });

  test("the dashboard of logs finds the lines of a connection by its id", async () => {
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
        PATIENCE_MS,
      );
      for (const { last } of found) assert.ok(last.includes(connection), last);
    }
  });

  for (const [user, receives, end] of [
    [
      LATE_USER,
      "over WebSocket",
      /address=127\.0\.0\.0 code=4401 by=gateway reason="token expired" seconds=\d+/,
    ],
    [
      POLLING_USER,
      "by polls",
      /transport=poll address=127\.0\.0\.0 code=401 by=gateway reason="the token has expired" last_poll=\S+Z last_answer="401 token" seconds=\d+ polls=\d+ refused=1/,
    ],
    [
      STREAM_USER,
      "by server-sent events",
      /transport=events address=127\.0\.0\.0 code=4401 by=gateway reason="token expired" seconds=\d+/,
    ],
  ] as const)
    test(`the dashboard of logs says why a user was disconnected who received ${receives}, with the default settings of the gateway`, async () => {
      const { monitoring, options } = await stack();
      const query = dashboardQueries(monitoringFiles(options), { user }).find(
        ({ where, source }) => source === "loki" && where.startsWith('panel "Connections"'),
      );
      assert.ok(query);
      const lines = await eventually(
        query.expr,
        async () => {
          const found = (await answerTo(monitoring, query)).map(({ last }) => last);
          return found.some((line) => line.startsWith("connection closed")) && found;
        },
        PATIENCE_MS,
      );
      const closed = lines.find((line) => line.startsWith("connection closed")) ?? "";
      assert.match(closed, new RegExp(`^connection closed user=${user} connection=\\S+ ${end.source}`));
      const opened = lines.find((line) => line.startsWith(`connection opened user=${user} connection=`));
      assert.ok(opened, `${lines}`);
      assert.equal(/connection=\S+/.exec(opened)?.[0], /connection=\S+/.exec(closed)?.[0]);
      for (const line of lines) assert.ok(line.includes(` user=${user} `), line);
    });

  test("log lines have few labels; a connection's id is in lines, not in labels", async () => {
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
        PATIENCE_MS,
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

  test("when NATS is down only NatsUnreachable arrives, and it is resolved when NATS is back", async () => {
    const { monitoring, nats, received, options } = await stack();
    const { prometheus, alertmanager } = monitoring.urls;
    const consequences = INHIBITIONS.find(({ source }) => source.alertname === "NatsUnreachable")?.targets
      .alertnames;
    assert.ok(consequences);
    const before = received.length;
    await nats.kill();
    const firing = await eventually(
      () => `NatsUnreachable; received: ${JSON.stringify(received)}`,
      () => received.slice(before).find(({ name }) => name === "NatsUnreachable"),
      PATIENCE_MS,
    );
    assert.equal(firing.status, "firing");
    assert.equal(firing.labels.stack, options.stack);
    assert.match(firing.annotations.runbook_url ?? "", /#nats-unreachable$/);
    // The heartbeat names the alerts that fire, and Google Cloud mails the names.
    const critical = await get(`${alertmanager}${heartbeatPaths()[0]}critical`);
    assert.deepEqual(critical.body.match(/"alertname":"[A-Za-z0-9_]*"/g), ['"alertname":"NatsUnreachable"']);
    const warnings = await get(`${alertmanager}${heartbeatPaths()[0]}warning`);
    assert.equal(warnings.status, 200);
    assert.doesNotMatch(warnings.body, /NatsUnreachable|NatsServerDown|Watchdog/);
    // The consequences fire too, but Alertmanager inhibits them.
    for (const name of ["NatsServerDown", "StreamSilent"]) {
      await eventually(
        `${name} firing and inhibited`,
        async () => {
          const [alert] = await promql(prometheus, `ALERTS{alertname="${name}",alertstate="firing"}`);
          if (alert === undefined) return false;
          const inhibited = await fetch(
            `${alertmanager}/api/v2/alerts?inhibited=true&active=false&silenced=false`,
          );
          return ((await inhibited.json()) as { labels: { alertname: string } }[]).some(
            ({ labels }) => labels.alertname === name,
          );
        },
        PATIENCE_MS,
      );
    }
    await nats.start();
    await eventually(
      () => `the end of NatsUnreachable; received: ${JSON.stringify(received.slice(before))}`,
      () =>
        received
          .slice(before)
          .find(({ name, status }) => name === "NatsUnreachable" && status === "resolved"),
      PATIENCE_MS,
    );
    assert.deepEqual(
      received.slice(before).filter(({ name, status }) => status === "firing" && consequences.includes(name)),
      [],
    );
  });
});

/** Paths of the heartbeat's requests: alerts of a severity, which must be added, and the alert Watchdog. */
function heartbeatPaths(): string[] {
  const script = readFileSync(new URL("../../../infra/startup/heartbeat.sh", import.meta.url), "utf8");
  const requests = script.matchAll(/'http:\/\/127\.0\.0\.1:9093(\/api\/v2\/alerts[^']+)'/g);
  return [...requests].map(([, path = ""]) => path);
}

test("the faster files differ from the rendered files only in their durations", () => {
  const files = monitoringFiles(localOptions({ nats: true }));
  const changed = faster(files, FACTOR);
  const paths = Object.keys(files).filter((path) => changed[path] !== files[path]);
  assert.deepEqual(paths, [
    "alertmanager/alertmanager.yml",
    "prometheus/prometheus.yml",
    "prometheus/rules/alerts.yml",
    "prometheus/rules/recording.yml",
  ]);
  const withoutDurations = (text = "") => JSON.stringify(parse(text)).replaceAll(/\d+(ms|[smhd])\b/g, "T");
  for (const path of paths)
    assert.equal(withoutDurations(changed[path]), withoutDurations(files[path]), path);
  assert.match(changed["prometheus/rules/alerts.yml"] ?? "", /alert: NatsUnreachable\n.*\n\s+for: 2000ms/);
  assert.match(changed["prometheus/rules/recording.yml"] ?? "", /ws_messages_sent_total\[20000ms\]/);
});
