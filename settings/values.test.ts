import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { boolean, choice, decimal, duration, list, listOf, nonEmpty, url, whole } from "./values.ts";
import { readValue } from "./variables.ts";

type Schema = Parameters<typeof readValue>[1];

/** The mistakes in a text, without the name. */
function mistakesOf(schema: Schema, text: string): string[] {
  const mistakes: string[] = [];
  readValue("X", schema, text, mistakes);
  return mistakes.map((mistake) => mistake.replace(/^X /, ""));
}

const read = (schema: Schema, text: string) => readValue("X", schema, text, []);

test("values are read from text", () => {
  assert.equal(read(whole(1, 5), "5"), 5);
  assert.equal(read(decimal(0, 100), "99.9"), 99.9);
  assert.equal(read(boolean(), "false"), false);
  assert.equal(read(choice(["a", "b"]), "b"), "b");
  assert.deepEqual(read(list(), " a, ,b,"), ["a", "b"]);
  assert.deepEqual(read(listOf(whole(1, 30)), "12, 30"), [12, 30]);
  assert.equal(read(url("ws", "wss"), "wss://host/ws"), "wss://host/ws");
});

test("times are milliseconds", () => {
  for (const [text, ms] of [
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
  ] as const)
    assert.equal(read(duration(), text), ms);
  assert.equal(read(duration({ unit: "s" }), "90"), 90_000);
});

test("a mistake says what is allowed and what was given", () => {
  for (const [schema, text, mistake] of [
    [whole(1, 5), "6", 'must be a whole number from 1 to 5, not "6"'],
    [whole(1), "0", 'must be a whole number of 1 or more, not "0"'],
    [whole(0, 9), "1.5", 'must be a whole number from 0 to 9, not "1.5"'],
    [whole(0), "9007199254740993", 'must be a whole number of 0 or more, not "9007199254740993"'],
    [decimal(0.1, 2), "1e0", 'must be a number from 0.1 to 2, not "1e0"'],
    [boolean(), "yes", 'must be true or false, not "yes"'],
    [choice(["a", "b"]), "c", 'must be one of a, b, not "c"'],
    [duration(), "30", 'must be a time such as 500ms, 30s, 5m or 1h, not "30"'],
    [
      duration({ min: "100ms" }),
      "99ms",
      'must be a time of 100ms or more such as 500ms, 30s, 5m or 1h, not "99ms"',
    ],
    [
      duration({ min: "1s", max: "24h" }),
      "25h",
      'must be a time from 1s to 24h such as 500ms, 30s, 5m or 1h, not "25h"',
    ],
    [url("http", "https"), "ftp://a", 'must be a URL with http:// or https://, not "ftp://a"'],
    [
      listOf(whole(1, 5)),
      "1,6,7",
      'must be a whole number from 1 to 5, or several separated by commas, not "1,6,7"',
    ],
    [listOf(whole(1, 5)), ",", 'must not be empty, not ","'],
  ] as const)
    assert.deepEqual(mistakesOf(schema, text), [mistake]);
});

test("a missing value is reported, an empty text counts as missing", () => {
  const missing = (text: string | undefined) => {
    const mistakes: string[] = [];
    readValue("--stack", choice(["a", "b"]), text, mistakes);
    return mistakes;
  };
  for (const text of [undefined, ""])
    assert.deepEqual(missing(text), ["--stack is missing: it must be one of a, b"]);
  assert.equal(readValue("X", nonEmpty().optional(), "", []), undefined);
  assert.equal(readValue("X", whole(1).default(7), "", []), 7);
});

test("the text of a secret is not repeated", () => {
  const mistakes: string[] = [];
  readValue("KEY", url("https"), "hunter2", mistakes, true);
  assert.deepEqual(mistakes, ["KEY must be a URL with https://"]);
});

test("any text is either read or a mistake", () => {
  const schemas = [
    whole(0, 9),
    decimal(0, 9),
    boolean(),
    duration(),
    list(),
    listOf(whole(1, 9)),
    url("http"),
  ];
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.constantFrom(...schemas), (text, schema) => {
      const mistakes: string[] = [];
      const value = readValue<unknown>("X", schema as Schema, text, mistakes);
      assert.equal(value === undefined, mistakes.length > 0);
      for (const mistake of mistakes) assert.match(mistake, /^X must /);
    }),
  );
});
