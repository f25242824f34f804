/** How many bytes the compact encoding takes, with the simulated market's mix of messages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Market } from "@odin-ws/publisher/market";
import { DictionaryMaker } from "../process/dictionary-maker.ts";
import { SETTINGS } from "../settings.ts";
import { CompactEncoder } from "./compact-encoder.ts";
import { Message } from "./message.ts";

const MESSAGES = 12_000;
const RATE = 60; // messages a second
const TRENDING_EVERY = 5 * RATE;
const WARM_UP = 3_000; // messages
const WINDOW_BITS = 15;
const START = Date.UTC(2026, 0, 1);

/** Mean bytes of a frame by event; "" for all events. `previous`: events that use the previous message. */
function measure(previous: readonly string[]) {
  const market = new Market({ seed: 7 });
  const encoder = new CompactEncoder(previous);
  let now = START;
  const maker = new DictionaryMaker({
    previous,
    offer: (dictionary) => {
      maker.set(dictionary);
      encoder.dictionaries.set(dictionary);
    },
    now: () => now,
  });
  const sums = new Map<string, { count: number; deflate: number; compact: number }>();
  for (let n = 0; n < MESSAGES; n++) {
    now = START + Math.floor((n * 1000) / RATE);
    const { subject, data } = n % TRENDING_EVERY === 0 ? market.trending(now) : market.next(now);
    const body = Buffer.from(JSON.stringify(data));
    const message = Message.from({ subject, offset: 1_000_000 + n, ts: now + 2, body });
    assert.ok(message);
    encoder.live(message);
    if (n >= WARM_UP) {
      for (const event of [message.event, ""]) {
        const sum = sums.get(event) ?? { count: 0, deflate: 0, compact: 0 };
        sum.count++;
        sum.deflate += message.frame(WINDOW_BITS).bytes(n);
        sum.compact += encoder.frame(message, 0).bytes(n);
        sums.set(event, sum);
      }
    }
    maker.take(message.event, message.compactText);
  }
  return (event: string) => {
    const { count, deflate, compact } = sums.get(event) ?? assert.fail(`no ${event}`);
    return { deflate: deflate / count, compact: compact / count, ratio: compact / deflate };
  };
}

test("with previous messages, a message takes at most half of the bytes of permessage-deflate", (t) => {
  const of = measure(SETTINGS.WS_COMPACT_PREVIOUS.parse(undefined));
  t.diagnostic(JSON.stringify({ all: of(""), trade: of("trade"), trending: of("trending") }));
  assert.ok(of("").ratio <= 0.5, `${of("").ratio}`);
  assert.ok(of("trending").compact <= 2200, `${of("trending").compact}`);
  for (const event of ["liquidity", "update", "metadata", "favorites", "analytics", "social"])
    assert.ok(of(event).ratio <= 0.32, `${event} ${of(event).ratio}`);
});

test("with dictionaries alone, a message takes at most 55 % of the bytes of permessage-deflate", (t) => {
  const of = measure([]);
  t.diagnostic(JSON.stringify({ all: of(""), trade: of("trade"), trending: of("trending") }));
  assert.ok(of("").ratio <= 0.55, `${of("").ratio}`);
  assert.ok(of("trade").ratio <= 0.61, `${of("trade").ratio}`);
});
