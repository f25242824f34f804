/** What the log says about connections with default settings, and how slow clients are counted. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";

const SECRET = "a secret of the identity service";
const AUTH = { AUTH_MODE: "jwt", JWT_SECRET: SECRET };

type Line = Record<string, unknown> & { message: string };

const linesOf = (gateway: Gateway): Line[] =>
  gateway.process.output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);

/** Waits for a line with this message and these fields. */
const logged = (gateway: Gateway, message: string, fields: Record<string, unknown>) =>
  eventually(
    () => `"${message}" with ${JSON.stringify(fields)}:\n${gateway.process.tail()}`,
    () =>
      linesOf(gateway).find(
        (line) =>
          line.message === message && Object.entries(fields).every(([name, value]) => line[name] === value),
      ),
  );

describe("the log of connections", { concurrency: true }, () => {
  test("names the user, the shortened address and the connection from its start to its end", async (t) => {
    const proxy = { WS_TRUSTED_PROXIES: "127.0.0.0/8" };
    const gateway = await startGateway(t, { env: { ...AUTH, ...proxy } });
    const headers = { "x-forwarded-for": "203.0.113.77" };
    const token = await issue(SECRET, { sub: "ann" });
    const client = await connect(t, gateway, { token, headers });
    const { connection } = client.welcome;
    const person = { connection, user: "ann", address: "203.0.113.0", severity: "INFO" };
    await logged(gateway, "connection opened", person);
    await client.subscribe(["global.trending", "*.trade"]);
    const { length } = await client.receive(3);
    await client.close();
    const closed = await logged(gateway, "connection closed", { ...person, code: 1000, by: "client" });
    assert.ok((closed.deliveries as number) >= length && (closed.bytes as number) > 500, `${closed.bytes}`);
    assert.equal(typeof closed.seconds, "number");
    assert.ok(!gateway.process.output.includes("203.0.113.77"));
    assert.ok(!gateway.process.output.includes(token));
  });

  test("says why a client was refused or disconnected, and by whom", async (t) => {
    const env = { ...AUTH, LOG_ADDRESSES: "off", WS_PING_SECONDS: "1", WS_MAX_CONNECTIONS_PER_USER: "1" };
    const gateway = await startGateway(t, { env });
    const ann = await issue(SECRET, { sub: "ann", expiresIn: 3 });
    const client = await connect(t, gateway, { token: ann });
    await refusal(t, gateway, { token: ann });
    const refused = await logged(gateway, "connection refused", { user: "ann", reason: "per_user" });
    assert.match(String(refused.detail), /has 1 connections already/);
    assert.equal("address" in refused, false);
    await refusal(t, gateway, { token: "nonsense" });
    await logged(gateway, "connection refused", { reason: "token" });
    // The user of a token with a right signature is known, also when the token is refused.
    await refusal(t, gateway, { token: await issue(SECRET, { sub: "late", expiresIn: -60 }) });
    await logged(gateway, "connection refused", { user: "late", detail: "the token has expired" });
    await refusal(t, gateway, { token: await issue("another secret, of the same length", { sub: "thief" }) });
    assert.ok(!gateway.process.output.includes("thief"), "nothing proves the user of a forged token");
    const { connection } = client.welcome;
    await logged(gateway, "connection closed", {
      connection,
      code: 4401,
      reason: "token expired",
      by: "gateway",
    });
    const dropped = await connect(t, gateway, { token: await issue(SECRET, { sub: "bob" }) });
    await dropped.drop();
    await logged(gateway, "connection closed", { user: "bob", code: 1006, by: "network" });
    const silent = await connect(t, gateway, {
      token: await issue(SECRET, { sub: "eve" }),
      autoPong: false,
    });
    await silent.ended();
    await logged(gateway, "connection closed", { user: "eve", reason: "no answer to pings", by: "gateway" });
    const loud = await connect(t, gateway, { token: await issue(SECRET, { sub: "dan" }) });
    loud.socket.send("x".repeat(5000));
    await loud.ended();
    await logged(gateway, "connection closed", { user: "dan", code: 1009, by: "gateway" });
  });

  test("a client that is closed because it reads too slowly is counted and logged with 1008", async (t) => {
    const env = { SIMULATOR_RATE: "2000", WS_MAX_BROADCAST_RATE: "0", WS_MAX_NATS_RATE: "0" };
    const gateway = await startGateway(t, { env: { ...env, WS_SEND_BUFFER_BYTES: "16384" } });
    const client = await connect(t, gateway);
    client.send({ type: "subscribe", channels: ["*.*"] });
    client.socket.pause();
    const { connection } = client.welcome;
    const throttled = await logged(gateway, "connection throttled", { connection, from: 0, to: 1 });
    const closed = await eventually(
      () => `a close with 1008:\n${gateway.process.tail()}`,
      () => linesOf(gateway).find(({ message }) => message === "connection closed"),
      30_000,
    );
    assert.deepEqual([closed.code, closed.reason, closed.by], [1008, "too slow", "gateway"]);
    assert.equal(closed.connection, connection);
    const seconds = (Date.parse(String(closed.time)) - Date.parse(String(throttled.time))) / 1000;
    assert.ok(seconds >= 9, `three levels of 3 s each, but closed after ${seconds} s`);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum("ws_disconnects_total", { code: "1008" }), 1);
    assert.equal(metrics.sum("ws_disconnects_total", { code: "1006" }), 0);
  });

  test("a client that polls has a line at its first poll, for refusals, and at its end", async (t) => {
    const gateway = await startGateway(t, { env: AUTH });
    const poll = async (token: string, channels = "BTC.trade") => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`http://127.0.0.1:${gateway.wsPort}/poll?channels=${channels}`, { headers });
      await answer.arrayBuffer();
      return answer.status;
    };
    const ann = { user: "ann", address: "127.0.0.0", transport: "poll" };
    const token = await issue(SECRET, { sub: "ann", expiresIn: 2, channels: ["BTC.*"] });
    assert.equal(await poll(token), 200);
    const { connection } = await logged(gateway, "connection opened", ann);
    assert.equal(await poll(token, "ETH.trade"), 403);
    assert.equal(await poll(token, "ETH.trade"), 403);
    const forbidden = { ...ann, reason: "forbidden_channel", detail: "your token does not allow ETH.trade" };
    await logged(gateway, "connection refused", forbidden);
    await eventually("a refused token", async () => (await poll(token)) === 401);
    await logged(gateway, "connection refused", { ...ann, reason: "token", detail: "the token has expired" });
    const closed = await logged(gateway, "connection closed", {
      ...{ ...ann, connection, code: 401, by: "gateway", reason: "the token has expired" },
      ...{ last_answer: "401 token", refused: 3, channels: 1 },
    });
    assert.ok((closed.polls as number) >= 4 && (closed.bytes as number) > 0, JSON.stringify(closed));
    assert.equal(await poll(await issue(SECRET, { sub: "bob" })), 200);
    await gateway.stop();
    await logged(gateway, "connection closed", {
      user: "bob",
      reason: "the gateway stops",
      transport: "poll",
    });
    const of = (message: string, user: string) =>
      linesOf(gateway).filter((line) => line.message === `connection ${message}` && line.user === user);
    assert.deepEqual(
      [of("opened", "ann"), of("closed", "ann"), of("opened", "bob")].map(({ length }) => length),
      [1, 1, 1],
    );
    assert.equal(of("refused", "ann").filter(({ reason }) => reason === "forbidden_channel").length, 1);
    assert.ok(!gateway.process.output.includes(token));
  });

  test("above LOG_CONNECTIONS_PER_SECOND lines are left out and counted", async (t) => {
    const gateway = await startGateway(t, { env: { LOG_CONNECTIONS_PER_SECOND: "1" } });
    const count = 40;
    await Promise.all(Array.from({ length: count }, () => connect(t, gateway)));
    const opened = linesOf(gateway).filter(({ message }) => message === "connection opened").length;
    assert.ok(opened >= 10 && opened < count, `${opened} lines`);
    const leftOut = await gateway.metric("ws_log_lines_left_out_total", { event: "opened" }, (n) => n > 0);
    assert.equal(leftOut + opened, count);
    const report = await eventually(
      "the number of lines that were left out",
      () => linesOf(gateway).find(({ left_out }) => left_out !== undefined),
      15_000,
    );
    assert.deepEqual(report.left_out, { opened: leftOut });
  });
});
