import assert from "node:assert/strict";
import { test } from "node:test";
import type { DictionaryBytes } from "../source/source.ts";
import { DictionaryMaker } from "./dictionary-maker.ts";

function start({ accepts = true } = {}) {
  const offers: string[] = [];
  let now = 0;
  const offer = (dictionary: DictionaryBytes) => {
    offers.push(`${dictionary.event} ${Buffer.from(dictionary.bytes)}`);
    if (accepts) maker.set(dictionary);
  };
  const maker = new DictionaryMaker({ previous: ["trending"], offer, now: () => now });
  return {
    offers,
    maker,
    take: (event: string, texts: string[]) => {
      for (const [offset, text] of texts.entries()) maker.take(event, { offset, text: Buffer.from(text) });
    },
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const words = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima".split(" ");
/** Texts of one kind: they resemble each other, and not those of another kind. */
const texts = (kind: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => `${words.map((word) => word + kind).join()} ${from + n};`);

test("the first 16 messages of an event make its first dictionary, the last one at the end", () => {
  const { offers, take } = start();
  take("trade", texts("A", 16));
  take("social", texts("B", 15));
  assert.deepEqual(offers, []);
  take("trade", texts("A", 1, 16));
  assert.deepEqual(offers, [`trade ${texts("A", 16).join("")}`]);
  take("trade", texts("A", 2000, 17));
  assert.equal(offers.length, 1, "the dictionary is still good");
});

test("a dictionary is replaced when a new one is better, at most every 5 minutes", () => {
  const { offers, take, pass } = start();
  take("trade", texts("A", 40));
  assert.equal(offers.length, 1);
  take("trade", texts("B", 2000));
  assert.equal(offers.length, 1, "the first dictionary is too young");
  pass(300_000);
  take("trade", texts("B", 600, 2000));
  assert.equal(offers.length, 2);
  assert.equal(offers[1]?.match(/alphaB/g)?.length, 16, "from the last 16 messages");
  pass(300_000);
  take("trade", texts("B", 2000));
  assert.equal(offers.length, 2);
});

test("an offer without an answer is made again after 10 s, and a dictionary of another gateway counts", () => {
  const { offers, take, pass, maker } = start({ accepts: false });
  take("trade", texts("A", 100));
  assert.equal(offers.length, 1);
  pass(10_000);
  take("trade", texts("A", 100));
  assert.equal(offers.length, 2);
  maker.set({ event: "trade", bytes: Buffer.from(texts("A", 4).join("")) });
  pass(10_000);
  take("trade", texts("A", 2000));
  assert.equal(offers.length, 2);
});

test("large messages make a dictionary only where no previous message takes its place", () => {
  const { offers, take } = start();
  const large = texts("A", 17).map((text) => text.repeat(120));
  take("trending", large);
  assert.deepEqual(offers, []);
  take("report", large);
  assert.deepEqual(offers, [`report ${large[15]}`]);
  const huge = large.map((text) => text.repeat(4));
  take("dump", huge);
  assert.equal(offers.length, 1);
});

test("events beyond 62 have no dictionary", () => {
  const { offers, take } = start();
  for (let n = 0; n < 100; n++) take(`event${n}`, texts("A", 17));
  assert.equal(offers.length, 62);
});
