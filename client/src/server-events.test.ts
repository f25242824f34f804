import assert from "node:assert/strict";
import { test } from "node:test";
import { readEvents, type ServerEvent } from "./server-events.ts";

async function read(chunks: readonly Uint8Array[]): Promise<ServerEvent[]> {
  const all: ServerEvent[] = [];
  await readEvents(ReadableStream.from(chunks), (events) => all.push(...events));
  return all;
}

const TEXT = `retry: 1200\n\nid: e:1\nevent: welcome\ndata: {"a":"ü: €"}\n\n:\n\nid: e:7\n\nid: e:9\ndata: {"b":1}\n\n`;
const EVENTS = [
  { name: "message", id: "", data: "" },
  { name: "welcome", id: "e:1", data: '{"a":"ü: €"}' },
  { name: "message", id: "", data: "" },
  { name: "message", id: "e:7", data: "" },
  { name: "message", id: "e:9", data: '{"b":1}' },
];

test("events are the same wherever the network splits the stream", async () => {
  const bytes = new TextEncoder().encode(TEXT);
  for (let at = 0; at <= bytes.length; at++)
    assert.deepEqual(await read([bytes.subarray(0, at), bytes.subarray(at)]), EVENTS, `split at ${at}`);
  assert.deepEqual(await read([...bytes].map((byte) => Uint8Array.of(byte))), EVENTS);
  assert.deepEqual(await read([new TextEncoder().encode(TEXT.replaceAll("\n", "\r\n"))]), EVENTS);
});

test("an event that is not complete is not passed on, and a broken stream rejects", async () => {
  const half = new TextEncoder().encode("id: e:1\ndata: 1\n\nid: e:2\ndata: 2\n");
  assert.deepEqual(
    (await read([half])).map(({ id }) => id),
    ["e:1"],
  );
  const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("cut")) });
  await assert.rejects(
    readEvents(broken, () => {}),
    /cut/,
  );
});
