import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { covers, parseChannel, parseSubject, patternsOf, subjectOf } from "./channels.ts";

test("a channel may be written in short form or as its subject", () => {
  assert.equal(parseChannel("BTC.trade"), "BTC.trade");
  assert.equal(parseChannel("odin.token.BTC.trade"), "BTC.trade");
  assert.equal(parseChannel("odin.global.trending"), "global.trending");
  assert.equal(parseChannel("global.trending"), "global.trending");
  assert.equal(parseChannel("odin.token.*.trade"), "*.trade");
  assert.equal(parseChannel("BTC.*"), "BTC.*");
  assert.equal(parseChannel("猫.trade"), "猫.trade");
});

test("parseChannel returns undefined for names that are neither a channel nor a pattern", () => {
  const wrong = [
    "",
    "BTC",
    "BTC.",
    ".trade",
    "a.b.c",
    "odin.token.BTC",
    "B TC.trade",
    'B"C.trade',
    "B\\C.trade",
    "BTC.>",
  ];
  for (const name of [
    ...wrong,
    "B*.trade",
    `${"x".repeat(65)}.trade`,
    "a\u0000b.trade",
    "\ud800.trade",
    7,
    null,
    {},
    ["a.b"],
  ]) {
    assert.equal(parseChannel(name), undefined, JSON.stringify(name));
  }
});

test("a subject maps to its channel and back", () => {
  assert.deepEqual(parseSubject("odin.token.BTC.trade"), { channel: "BTC.trade", event: "trade" });
  assert.deepEqual(parseSubject("odin.global.trending"), { channel: "global.trending", event: "trending" });
  for (const subject of [
    "odin.token.BTC",
    "odin.token.global.trade",
    "odin.global.a.b",
    "other.token.BTC.trade",
    "",
  ]) {
    assert.equal(parseSubject(subject), undefined, subject);
  }
  const part = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/).filter((text) => text !== "global");
  fc.assert(
    fc.property(part, part, (symbol, event) => {
      for (const channel of [`${symbol}.${event}`, `global.${event}`]) {
        assert.equal(parseSubject(subjectOf(channel))?.channel, channel);
        assert.equal(parseChannel(subjectOf(channel)), channel);
        for (const pattern of patternsOf(channel)) assert.ok(covers(pattern, channel));
      }
    }),
  );
});

test("a pattern covers the channels and patterns that it includes, and no others", () => {
  assert.ok(covers("*.*", "BTC.*"));
  assert.ok(covers("BTC.*", "BTC.trade"));
  assert.ok(covers("*.trade", "*.trade"));
  assert.ok(!covers("BTC.*", "*.trade"));
  assert.ok(!covers("BTC.trade", "BTC.*"));
  assert.ok(!covers("*.trade", "*.*"));
});
