import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { History } from "../delivery/history.ts";
import { Message } from "../delivery/message.ts";
import { PollAnswers } from "./poll-answers.ts";

function create() {
  const state = { now: 0 };
  const history = new History({ maxAgeMs: 60_000, maxMessages: 1000, maxBytes: 1e9 });
  history.begin("e", 0);
  const answers = new PollAnswers(history, () => state.now);
  let offset = 0;
  const publish = (channel: string, data: unknown = {}) => {
    const body = Buffer.from(JSON.stringify(data));
    const message = Message.from({ subject: `odin.token.${channel}`, offset: ++offset, ts: 1, body });
    assert.ok(message);
    history.append(message, state.now);
    return offset;
  };
  const ask = (channels: string[], at?: number, epoch = "e") => {
    const answer = answers.answer(channels, at === undefined ? undefined : { epoch, offset: at });
    return { ...answer, json: JSON.parse(answer.body.toString()) };
  };
  const step = () => {
    state.now += 500;
  };
  return { state, history, publish, ask, step };
}

test("an answer has the messages of its channels after the position, in order, and the next position", () => {
  const { publish, ask, step } = create();
  const { offset } = ask(["BTC.trade"]).json;
  assert.equal(offset, 0);
  publish("BTC.trade", { price: 1 });
  publish("ETH.trade");
  publish("BTC.social", "ü");
  step();
  const { json } = ask(["BTC.*"], offset);
  assert.deepEqual([json.epoch, json.offset, json.recovered], ["e", 3, true]);
  assert.deepEqual(json.messages[0], {
    offset: 1,
    ts: 1,
    type: "price:update",
    priority: "high",
    channel: "BTC.trade",
    data: { price: 1 },
  });
  assert.deepEqual(
    json.messages.map((message: { channel: string }) => message.channel),
    ["BTC.trade", "BTC.social"],
  );
  assert.deepEqual(ask(["BTC.*"], json.offset).json.messages, []);
});

test("within a step all clients with the same question share an answer, and miss nothing in the next", () => {
  const { publish, ask, step } = create();
  const first = ask(["BTC.trade", "ETH.trade"], 0);
  publish("BTC.trade");
  const second = ask(["ETH.trade", "BTC.trade"], 0);
  assert.equal(second.body, first.body, "the same bytes, whatever the order of the channels");
  assert.deepEqual([second.cost.messages, second.json.offset], [0, 0]);
  step();
  assert.deepEqual(ask(["BTC.trade"], second.json.offset).json.messages.length, 1);
});

test("the ETag stays while nothing is new, and changes with a message and every 10 s", () => {
  const { publish, ask, step, state } = create();
  const before = ask(["BTC.trade"], 0).etag;
  publish("ETH.trade");
  step();
  assert.equal(ask(["BTC.trade"], 0).etag, before);
  publish("BTC.trade");
  step();
  const after = ask(["BTC.trade"], 0).etag;
  assert.notEqual(after, before);
  state.now += 10_000;
  assert.notEqual(ask(["BTC.trade"], 0).etag, after);
});

test("a position of another stream, or one that left the history, is not recovered", () => {
  const { publish, ask, history } = create();
  for (let i = 0; i < 1100; i++) publish("BTC.trade");
  assert.deepEqual(ask(["BTC.trade"], 1, "other").json.recovered, false);
  const { json } = ask(["BTC.trade"], 1);
  assert.deepEqual([json.recovered, json.messages, json.offset], [false, [], history.head]);
});

test("a client that is ahead of this gateway never gets an earlier position", () => {
  const { publish, ask } = create();
  publish("BTC.trade");
  assert.deepEqual([ask(["*.*"], 9).json.offset, ask(["*.*"], 9).json.recovered], [9, true]);
});

test("a long answer ends early with the position of its last message, and the rest follows", () => {
  const { publish, ask, step } = create();
  for (let i = 0; i < 30; i++) publish("BTC.trade", "x".repeat(100_000));
  step();
  let at = 0;
  const offsets: number[] = [];
  for (let polls = 0; at < 30; polls++) {
    assert.ok(polls < 5);
    const { json, body, gzip } = ask(["BTC.trade"], at);
    assert.ok(body.length < 1_300_000);
    assert.ok(gzip !== undefined && gunzipSync(gzip).equals(body));
    offsets.push(...json.messages.map((message: { offset: number }) => message.offset));
    at = json.offset;
  }
  assert.deepEqual(
    offsets,
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
});
