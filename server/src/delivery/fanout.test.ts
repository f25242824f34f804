import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "@odin-ws/protocol";
import fc from "fast-check";
import { Fanout } from "./fanout.ts";
import { Message } from "./message.ts";
import type { Subscriber, Topic } from "./topic.ts";

function message(channel: string, offset = 1): Message {
  const subject = channel.startsWith("global.") ? `odin.${channel}` : `odin.token.${channel}`;
  const made = Message.from({ subject, offset, ts: 0, body: Buffer.from("1") });
  assert.ok(made);
  return made;
}

class Client implements Subscriber {
  readonly got: string[] = [];
  takes = true;
  deliver({ channel }: Message): boolean {
    this.got.push(channel);
    return this.takes;
  }
  shed(): void {}
  limited(message: Message): boolean {
    return this.deliver(message);
  }
}

const CHANNELS = ["BTC.trade", "BTC.social", "ETH.trade", "ETH.social", "global.trending", "global.trade"];
const NAMES = [...CHANNELS, "BTC.*", "ETH.*", "global.*", "*.trade", "*.social", "*.*"];

test("delivers each message to exactly the subscribers whose channel or pattern covers it", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ subscribe: fc.nat(4), name: fc.constantFrom(...NAMES) }) },
    { weight: 2, arbitrary: fc.record({ unsubscribe: fc.nat(4), name: fc.constantFrom(...NAMES) }) },
    { weight: 2, arbitrary: fc.record({ publish: fc.constantFrom(...CHANNELS) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fanout = new Fanout();
      const clients = Array.from({ length: 5 }, () => new Client());
      const held = clients.map(() => new Map<string, Topic>());
      for (const one of steps) {
        if ("subscribe" in one) {
          const topic = fanout.subscribe(clients[one.subscribe] as Client, one.name);
          assert.equal(topic.name, one.name);
          held[one.subscribe]?.set(one.name, topic);
        } else if ("unsubscribe" in one) {
          const topic = held[one.unsubscribe]?.get(one.name);
          held[one.unsubscribe]?.delete(one.name);
          if (topic !== undefined) fanout.unsubscribe(clients[one.unsubscribe] as Client, topic);
        } else {
          for (const client of clients) client.got.length = 0;
          const deliveries = fanout.publish(message(one.publish));
          const expected = held.map(
            (names) => [...names.keys()].filter((name) => covers(name, one.publish)).length,
          );
          assert.deepEqual(
            clients.map(({ got }) => got.length),
            expected,
            one.publish,
          );
          assert.equal(
            deliveries,
            expected.reduce((sum, count) => sum + count, 0),
          );
        }
        assert.equal(
          fanout.subscriptions,
          held.reduce((sum, names) => sum + names.size, 0),
        );
      }
    }),
  );
});

test("counts only deliveries that the subscriber takes", () => {
  const fanout = new Fanout();
  for (let i = 0; i < 300; i++) {
    const client = new Client();
    client.takes = i % 3 !== 0;
    fanout.subscribe(client, "BTC.trade");
  }
  assert.equal(fanout.publish(message("BTC.trade")), 200);
});

test("a subscriber that leaves during a delivery does not affect the others", () => {
  const fanout = new Fanout();
  const stays = [new Client(), new Client()];
  let leave = () => {};
  const leaver: Subscriber = {
    deliver() {
      leave();
      return false;
    },
    shed() {},
    limited: () => false,
  };
  fanout.subscribe(stays[0] as Client, "BTC.trade");
  const topics = ["BTC.trade", "BTC.*", "*.*"].map((name) => fanout.subscribe(leaver, name));
  fanout.subscribe(stays[1] as Client, "BTC.trade");
  let calls = 0;
  leave = () => {
    calls++;
    for (const topic of topics) fanout.unsubscribe(leaver, topic);
  };
  fanout.publish(message("BTC.trade"));
  assert.equal(calls, 1);
  assert.deepEqual(
    stays.map(({ got }) => got),
    [["BTC.trade"], ["BTC.trade"]],
  );
  assert.equal(fanout.subscriptions, 2);
});

test("all subscribers of a name share one topic, and an abandoned topic is not used again", () => {
  const fanout = new Fanout();
  const [ann, bob] = [new Client(), new Client()];
  const first = fanout.subscribe(ann, "BTC.trade");
  assert.equal(fanout.subscribe(bob, "BTC.trade"), first);
  assert.equal(fanout.subscribe(ann, "BTC.trade"), first, "a second subscription changes nothing");
  assert.equal(fanout.subscriptions, 2);
  fanout.unsubscribe(ann, first);
  fanout.unsubscribe(bob, first);
  assert.equal(fanout.publish(message("BTC.trade")), 0);
  fanout.subscribe(ann, "BTC.trade");
  fanout.unsubscribe(bob, first);
  fanout.unsubscribe(ann, first);
  fanout.publish(message("BTC.trade"));
  assert.deepEqual(ann.got, ["BTC.trade"]);
});
