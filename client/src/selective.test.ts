import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { connect } from "./selective.ts";

async function start() {
  const line = new FakeLine();
  const client = connect("ws://gateway/ws", { environment: line.environment });
  await line.pass(0);
  line.socket.welcome();
  return { line, client };
}
const subscribes = (line: FakeLine) => line.socket.asked.filter(({ type }) => type === "subscribe");

test("each request has what the listeners of its channels want; the highest rate wins", async () => {
  const { line, client } = await start();
  client.subscribe(["A.trade", "B.trade"], () => {}, { maxRate: 4, last: true });
  client.subscribe("A.trade", () => {}, { maxRate: 8 });
  client.subscribe("C.trade", () => {}, { last: true });
  client.subscribe("D.trade", () => {});
  const there: string[] = [];
  for (let i = 0; i < 4; i++) {
    await line.pass(100);
    there.push(...(subscribes(line).at(-1) as { channels: string[] }).channels);
    line.socket.acknowledge(there);
  }
  await line.pass(100);
  assert.deepEqual(subscribes(line), [
    { type: "subscribe", channels: ["A.trade"], last: true, max_rate: 8 },
    { type: "subscribe", channels: ["B.trade"], last: true, max_rate: 4 },
    { type: "subscribe", channels: ["C.trade"], last: true },
    { type: "subscribe", channels: ["D.trade"] },
  ]);
  client.subscribe("B.trade", () => {});
  await line.pass(100);
  assert.deepEqual(subscribes(line).at(-1), { type: "subscribe", channels: ["B.trade"], last: true });
  client.close();
});

test("a last value comes only to listeners that want it; another one gets what is there already", async () => {
  const { line, client } = await start();
  const got: [string, number, boolean | undefined][] = [];
  const listen = (name: string, last: boolean) =>
    client.subscribe<number>("A.trade", ({ data, last }) => void got.push([name, data, last]), { last });
  listen("plain", false);
  listen("last", true);
  await line.pass(100);
  line.socket.acknowledge(["A.trade"]);
  const base = { ts: 0, type: "price:update", priority: "high", channel: "A.trade" };
  const send = (message: object) =>
    line.socket.onmessage?.({ data: JSON.stringify({ ...base, ...message }) });
  send({ seq: 1, offset: 0, last: true, data: 7 });
  assert.deepEqual(got, [["last", 7, true]]);
  send({ seq: 2, offset: 1_000_000, data: 8 });
  listen("late", true);
  await line.pass(0);
  assert.deepEqual(got.slice(1), [
    ["plain", 8, undefined],
    ["last", 8, undefined],
    ["late", 8, true],
  ]);
  client.close();
});
