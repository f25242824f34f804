import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { helpText } from "@odin-ws/settings/help";
import { COMMAND, SCENARIOS } from "./command.ts";
import { type Options, readOptions } from "./options.ts";

function read(args: string[], env: NodeJS.ProcessEnv = {}): Options {
  const options = readOptions(args, env);
  assert.ok(typeof options === "object" && "scenario" in options, JSON.stringify(options));
  return options;
}

describe("options of the load test", () => {
  test("defaults: 10,000 connections for a minute to a gateway on this machine", () => {
    const options = read(["sustained"]);
    assert.deepEqual(
      [
        options.connections,
        options.seconds,
        options.rates,
        options.urls,
        options.metrics,
        options.sameMachine,
      ],
      [10_000, 60, [12], ["ws://127.0.0.1:3004/ws"], ["http://127.0.0.1:3002/metrics"], true],
    );
    assert.equal(options.sources.length, options.workers);
    assert.deepEqual(read(["throughput"]).rates, [12, 30]);
    assert.deepEqual(read(["connection-rate"]).rates, [500]);
  });

  test("no worker process holds more than 15,000 connections", () => {
    for (const connections of [1, 10_000, 40_000, 100_000]) {
      const { workers } = read(["sustained", "--connections", String(connections)]);
      assert.ok(connections / workers <= 15_000 && workers <= connections, `${connections}: ${workers}`);
    }
  });

  test("options override environment variables", () => {
    const env = {
      TARGET_CONNECTIONS: "2000",
      DURATION: "5m",
      WS_URL: "ws://10.0.0.5:3004/ws",
      RATE: "30",
      PUBLISHER_URL: "",
    };
    const options = read(["sustained", "--rate", "12.5"], env);
    assert.deepEqual([options.connections, options.seconds, options.rates], [2000, 300, [12.5]]);
    assert.deepEqual(
      [options.metrics, options.sources, options.publisher],
      [["http://10.0.0.5:3002/metrics"], [], undefined],
    );
    assert.equal(options.sameMachine, false);
    assert.deepEqual(read(["throughput", "--rate", "12, 30,100"]).rates, [12, 30, 100]);
    assert.deepEqual(read(["sustained", "--url", "ws://127.0.0.1:1/ws,ws://127.0.0.1:2/ws"]).urls.length, 2);
  });

  test("reports all mistakes at once, each under the name of its option or variable", () => {
    const args = [
      "soak",
      "--duration",
      "1 day",
      "--rate=0",
      "--foo",
      "--url",
      "http://x",
      "--nats=nats://me:secret@a",
      "--publisher=http://b",
    ];
    const options = readOptions(args, { TARGET_CONNECTIONS: "many" });
    assert.ok(typeof options === "object" && "mistakes" in options);
    assert.deepEqual(options.mistakes.map((mistake) => mistake.match(/^\S+( and \S+)?/)?.[0]).toSorted(), [
      "--duration",
      "--foo",
      "--nats and --publisher",
      "--rate",
      "--url",
      "SCENARIO",
      "TARGET_CONNECTIONS",
    ]);
    assert.doesNotMatch(options.mistakes.join(), /secret/);
  });

  test("a command of --kill runs once by default", () => {
    assert.equal(read(["reconnect"]).rounds, 2);
    assert.equal(read(["reconnect", "--kill", "kill -9 1"]).rounds, 1);
    assert.equal(read(["reconnect", "--kill", "x", "--rounds", "3"]).rounds, 3);
  });

  test("refuses empty lists", () => {
    for (const flag of ["--url", "--rate", "--metrics"])
      assert.match(JSON.stringify(readOptions(["sustained", flag, ","], {})), / must not be empty/);
  });

  test("tokens: the first issuer and audience of the gateway's own settings; none without a secret", () => {
    const env = { JWT_ISSUER: "https://id.example, https://old.example", JWT_AUDIENCE: "" };
    assert.equal(read(["sustained"], env).tokens, undefined);
    assert.deepEqual(read(["sustained"], { ...env, JWT_SECRET: "s" }).tokens, {
      secret: "s",
      issuer: "https://id.example",
      audience: undefined,
    });
  });

  test("--help names every scenario and setting", () => {
    assert.equal(readOptions(["--help"], {}), "help");
    for (const name of [...Object.keys(SCENARIOS), "TARGET_CONNECTIONS", "WS_URL", "--max-p99", "--at-once"])
      assert.ok(helpText(COMMAND).includes(name), name);
  });
});
