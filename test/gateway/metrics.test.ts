/** The endpoints of the operations port: /metrics, /stats, /health and /live. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { get } from "../harness/http.ts";
import { withoutNats } from "../harness/nats.ts";
import { shareGateway } from "../harness/shared-gateway.ts";
import { eventually } from "../harness/wait.ts";

// Type of each metric by its name; undefined where a gauge and a histogram are both allowed.
const NAMES: Record<string, string | undefined> = {
  ws_connections_current: "gauge",
  ws_connections_total: "counter",
  ws_connections_rejected_total: "counter",
  ws_disconnects_total: "counter",
  ws_connection_duration_seconds: "histogram",
  ws_messages_received_total: "counter",
  ws_stream_messages_total: "counter",
  ws_messages_sent_total: "counter",
  ws_messages_dropped_total: "counter",
  ws_message_latency_seconds: "histogram",
  ws_broadcast_duration_seconds: "histogram",
  ws_subscriptions_per_client: undefined,
  ws_subscribers_per_channel: undefined,
  ws_replays_total: "counter",
  ws_resumes_total: "counter",
  ws_throttled_clients_light: "gauge",
  ws_throttled_clients_medium: "gauge",
  ws_throttled_clients_heavy: "gauge",
  ws_throttle_transitions_total: "counter",
  ws_bytes_sent_total: "counter",
  ws_writes_total: "counter",
  ws_conflated_total: "counter",
  ws_busiest_token_messages: "gauge",
  ws_cpu_usage_percent: "gauge",
  ws_memory_usage_bytes: "gauge",
  ws_capacity_ratio: "gauge",
  ws_nats_connected: "gauge",
  ws_nats_lag_messages: "gauge",
  ws_nats_lag_seconds: "gauge",
  ws_region_lag_messages: "gauge",
  ws_region_connected: "gauge",
  ws_nats_paused: "gauge",
  ws_draining: "gauge",
  ws_user_limit_alone: "gauge",
  ws_user_limit_gateways: "gauge",
  ws_user_seat_claims_total: "counter",
  process_cpu_seconds_total: "counter",
  process_resident_memory_bytes: "gauge",
  nodejs_eventloop_lag_seconds: "gauge",
};

const BUSIEST = "ws_busiest_token_messages";

const STATS = [
  "version",
  "instance",
  "epoch",
  "offset",
  "connections",
  "subscriptions",
  "messages_in",
  "deliveries",
  "dropped",
  "cpu_percent",
  "rss_bytes",
  "uptime_seconds",
  "draining",
];

describe("operations port", { skip: withoutNats() }, () => {
  const shared = shareGateway();

  test("every documented metric is present with its type before the first client connects", async () => {
    const metrics = await shared.gateway.metrics();
    const missing = Object.keys(NAMES).filter((name) => !metrics.types.has(name));
    assert.deepEqual(missing, []);
    for (const [name, type] of Object.entries(NAMES)) {
      if (type !== undefined) assert.equal(metrics.types.get(name), type, name);
    }
    const answer = await shared.gateway.ops("/metrics");
    assert.match(answer.headers["content-type"] ?? "", /^text\/plain/);
  });

  test("the metrics count connections, messages, replays and resumes", async (t) => {
    const before = await shared.gateway.metrics();
    const clients = [
      await connect(t, shared.gateway),
      await connect(t, shared.gateway),
      await connect(t, shared.gateway),
    ];
    for (const client of clients) await client.subscribe(["MOVE.trade", "MOVE.update"]);
    for (let n = 0; n < 10; n++) await shared.nats.publish("odin.token.MOVE.trade", { n });
    await shared.nats.publish("odin.token.NOBODY.trade", {});
    const last = await shared.nats.publish("odin.token.MOVE.update", {});
    await Promise.all(clients.map((client) => client.at(last)));
    await clients[0]?.ask({ type: "replay", from_seq: 1, to_seq: 5 }, "replay_end");
    await clients[0]?.subscribe(["MOVE.trade"], clients[0].position);
    await clients[2]?.close();
    await eventually("two connections", async () => (await shared.gateway.stats()).connections === 2);
    const after = await shared.gateway.metrics();
    const moved = (name: string, labels = {}) => after.sum(name, labels) - before.sum(name, labels);
    assert.equal(after.sum("ws_connections_current"), 2);
    assert.equal(moved("ws_connections_total"), 3);
    assert.equal(moved("ws_disconnects_total", { code: "1000" }), 1);
    assert.equal(moved("ws_connection_duration_seconds_count"), 1);
    assert.equal(moved("ws_messages_received_total", { type: "subscribe" }), 4);
    assert.equal(moved("ws_messages_received_total", { type: "replay" }), 1);
    assert.equal(moved("ws_stream_messages_total", { event: "trade" }), 11);
    assert.equal(moved("ws_stream_messages_total", { event: "update" }), 1);
    assert.equal(moved("ws_messages_sent_total", { event: "update" }), 3);
    assert.ok(moved("ws_messages_sent_total", { event: "trade" }) >= 30);
    assert.ok(moved("ws_message_latency_seconds_count") > 0);
    assert.ok(moved("ws_broadcast_duration_seconds_count") > 0);
    assert.equal(moved("ws_replays_total"), 1);
    assert.equal(moved("ws_resumes_total"), 1);
    assert.ok(moved("ws_bytes_sent_total") > 33 * 80);
    assert.ok(moved("ws_writes_total") > 0);
    const update = { event: "update", encoding: "plain" };
    assert.equal(moved("ws_messages_sent_total", update), 3);
    assert.ok(moved("ws_bytes_sent_total", update) > 3 * 80);
    assert.equal(moved("ws_bytes_sent_total", { event: "update", encoding: "deflate" }), 0);
    assert.equal(after.sum("ws_nats_connected"), 1);
    assert.equal(after.sum("ws_draining"), 0);
    await shared.gateway.metric("ws_memory_usage_bytes", {}, (value) => value > 20e6);
    await shared.gateway.metric("ws_capacity_ratio", {}, (value) => value > 0);
  });

  test("the busiest tokens are shown with their messages, which are counted once for all clients", async (t) => {
    const clients = [await connect(t, shared.gateway), await connect(t, shared.gateway)];
    for (const client of clients) await client.subscribe(["BUSY.*"]);
    let last = 0;
    for (let n = 0; n < 80; n++) last = await shared.nats.publish("odin.token.BUSY.trade", { n });
    await Promise.all(clients.map((client) => client.at(last)));
    const [busiest] = (await shared.gateway.metrics()).series(BUSIEST, { token: "BUSY" });
    assert.equal(busiest?.value, 80);
  });

  test("latency is measured from the publish to the write", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["LATENCY.trade"]);
    const before = await shared.gateway.metrics();
    for (let n = 0; n < 20; n++) await shared.nats.publish("odin.token.LATENCY.trade", { n });
    await client.receive(20);
    const after = await shared.gateway.metrics();
    const moved = (suffix: string) =>
      after.sum(`ws_message_latency_seconds_${suffix}`) - before.sum(`ws_message_latency_seconds_${suffix}`);
    assert.ok(moved("count") > 0);
    const mean = moved("sum") / moved("count");
    assert.ok(mean >= 0 && mean < 2, `mean ${mean} s`);
  });

  test("the number of series does not grow with tokens or unknown events", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["*.*"]);
    const seriesBefore = (await shared.gateway.metrics()).samples.length;
    let last = 0;
    for (let n = 0; n < 60; n++) last = await shared.nats.publish(`odin.token.CARD${n}.made_up_${n}`, {});
    await client.at(last);
    const { samples } = await shared.gateway.metrics();
    assert.ok(samples.length - seriesBefore < 30, `there are ${samples.length - seriesBefore} more series`);
    const named = samples.filter(({ labels }) =>
      Object.values(labels).some((value) => /CARD|made_up/.test(value)),
    );
    // The busiest tokens are the only place where a token has a name.
    assert.ok(named.length <= 10, `${named.length} series name a token or an unknown event`);
    assert.deepEqual(
      named.filter(({ name, labels }) => name !== BUSIEST || Object.keys(labels).join() !== "token"),
      [],
    );
    assert.equal((await shared.gateway.metrics()).series(BUSIEST).length, 10);
    client.send({ type: "made_up_type" });
    await client.control("error");
    const received = (await shared.gateway.metrics()).series("ws_messages_received_total");
    assert.equal(
      received.some(({ labels }) => labels.type === "made_up_type"),
      false,
    );
  });

  test("/stats is JSON with the documented keys", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["STATS.trade", "STATS.update"]);
    // The gateway measures once a second.
    await eventually("a first measurement", async () => (await shared.gateway.stats()).rss_bytes > 20e6);
    const before = await shared.gateway.stats();
    const offset = await shared.nats.publish("odin.token.STATS.trade", {});
    await client.at(offset);
    const stats = await shared.gateway.stats();
    assert.deepEqual(Object.keys(stats).toSorted(), STATS.toSorted());
    assert.equal(stats.offset, offset);
    assert.equal(stats.epoch, client.welcome.epoch);
    assert.equal(stats.instance, client.welcome.instance);
    assert.equal(stats.messages_in - before.messages_in, 1);
    assert.equal(stats.deliveries - before.deliveries, 1);
    assert.equal(stats.draining, false);
    assert.ok(stats.connections >= 1 && stats.subscriptions >= 2);
    assert.ok(stats.rss_bytes > 20e6 && stats.uptime_seconds > 0 && stats.cpu_percent >= 0);
    assert.match(stats.version, /^\d+\.\d+\.\d+/);
  });

  test("/health and /live answer in JSON, other paths get 404, and neither port serves the other's paths", async () => {
    for (const path of ["/health", "/live"]) {
      const { status, body, headers } = await shared.gateway.ops(path);
      assert.equal(status, 200);
      assert.match(headers["content-type"] ?? "", /application\/json/);
      assert.equal(typeof JSON.parse(body), "object");
    }
    for (const path of ["/", "/ws", "/healthz", "/metrics/x", "/../etc/passwd"]) {
      assert.equal((await shared.gateway.ops(path)).status, 404, path);
    }
    for (const path of ["/health", "/metrics", "/stats", "/live"]) {
      assert.equal((await get(`http://127.0.0.1:${shared.gateway.wsPort}${path}`)).status, 404, path);
    }
    assert.equal((await get(`http://127.0.0.1:${shared.gateway.opsPort}/health?from=probe`)).status, 200);
  });
});
