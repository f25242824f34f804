import assert from "node:assert/strict";
import { test } from "node:test";
import { readServiceSettings } from "./service-settings.ts";

test("defaults, and values that replace them", () => {
  const plain = readServiceSettings({});
  assert.ok("rate" in plain);
  const { port, rate, tokens, seed, servers } = plain;
  assert.deepEqual(
    { port, rate, tokens, servers },
    { port: 3003, rate: 12, tokens: 200, servers: "127.0.0.1:4222" },
  );
  assert.ok(Number.isSafeInteger(seed));
  const set = readServiceSettings({
    PUBLISHER_PORT: "4003",
    RATE: "0.5",
    TOKENS: "7",
    SEED: "3",
    AUTOSTART: "",
    NATS_URL: "tls://me:secret@one",
    JS_REPLICAS: "3",
  });
  assert.ok("rate" in set);
  const { publisher, ...own } = set;
  assert.deepEqual(own, { port: 4003, rate: 0.5, tokens: 7, seed: 3, servers: "one:4222" });
  assert.equal(publisher.servers, "tls://me:secret@one");
  assert.ok(typeof publisher.createStream === "object" && publisher.createStream.replicas === 3);
});

test("AUTOSTART=false publishes nothing until a rate is set", () => {
  const settings = readServiceSettings({ RATE: "50", AUTOSTART: "false" });
  assert.ok("rate" in settings);
  assert.equal(settings.rate, 0);
});

test("all mistakes are reported at once, with the name of the variable and without a password", () => {
  const read = readServiceSettings({
    PUBLISHER_PORT: "70000",
    RATE: "-1",
    TOKENS: "0",
    SEED: "x",
    AUTOSTART: "yes",
    NATS_URL: "tls://me:hunter1@a,tls://me:hunter2@b",
    NATS_CREDS_FILE: "no/such/file",
    JS_STREAM_MAX_AGE: "soon",
  });
  assert.ok("mistakes" in read);
  assert.deepEqual(read.mistakes.map((mistake) => mistake.split(" ")[0]).toSorted(), [
    "AUTOSTART",
    "JS_STREAM_MAX_AGE",
    "NATS_CREDS_FILE",
    "NATS_URL",
    "PUBLISHER_PORT",
    "RATE",
    "SEED",
    "TOKENS",
  ]);
  assert.doesNotMatch(read.mistakes.join(), /hunter/);
});
