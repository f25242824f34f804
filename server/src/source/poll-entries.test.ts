import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Entry, PollCursor, parseAnswer, readEntry } from "./poll-entries.ts";

const read = (text: string, since = 0) => {
  const [value] = parseAnswer(`[${text}]`) as unknown[];
  return readEntry(value, since);
};

test("data keeps its numbers as they were written", () => {
  const data = [
    `{"price":1.10,"supply":12345678901234567890,"tiny":1e-7,"zero":-0,"big":1E400,"deep":[{"x":0.10000000000000000001}]}`,
    `3.0`,
    `null`,
    `"text"`,
    `[]`,
    `{"ts":1.0,"rawJSON":"1"}`,
  ];
  for (const json of data) {
    assert.deepEqual(read(`{"subject":"odin.token.A.trade","ts":5,"data":${json}}`), {
      subject: "odin.token.A.trade",
      ts: 5,
      data: json,
    });
  }
  assert.deepEqual(read(`{"subject":"s","ts":1.7e12,"data":1}`), {
    subject: "s",
    ts: 1_700_000_000_000,
    data: "1",
  });
});

test("an invalid entry is reported with its mistake", () => {
  const wrong: [json: string, mistake: RegExp][] = [
    [`null`, /not an object but null/],
    [`5`, /not an object but 5/],
    [`5.0`, /"subject" must be a text/],
    [`{"ts":5,"data":1}`, /"subject" must be a text, not nothing/],
    [`{"subject":"","ts":5,"data":1}`, /"subject" must be a text, not ""/],
    [`{"subject":"s","data":1}`, /"ts" must be whole milliseconds since 1970, not nothing/],
    [`{"subject":"s","ts":"5","data":1}`, /"ts" must be whole milliseconds since 1970, not "5"/],
    [`{"subject":"s","ts":5.5,"data":1}`, /whole milliseconds/],
    [`{"subject":"s","ts":-5,"data":1}`, /whole milliseconds/],
    [`{"subject":"s","ts":1e300,"data":1}`, /whole milliseconds/],
    [`{"subject":"s","ts":9,"data":1}`, /"ts" 9 is before since=10/],
    [`{"subject":"s","ts":11}`, /"data" is missing \("s"\)/],
  ];
  for (const [json, mistake] of wrong) assert.match(String(read(json, 10)), mistake, json);
});

test("each entry is returned once, sorted by time; entries with equal times keep their order", () => {
  const cursor = new PollCursor();
  cursor.skipTo(100);
  const entry = (ts: number, data: string, subject = "s"): Entry => ({ subject, ts, data });
  const first = [entry(103, "b"), entry(101, "a"), entry(103, "a"), entry(103, "a", "t")];
  assert.deepEqual(cursor.takeNew([...first, entry(103, "b")], 200), [
    first[1],
    first[0],
    first[2],
    first[3],
  ]);
  assert.equal(cursor.since, 102);
  assert.deepEqual(cursor.takeNew([entry(103, "b"), entry(103, "c"), entry(102, "late")], 200), [
    entry(102, "late"),
    entry(103, "c"),
  ]);
  assert.deepEqual(cursor.takeNew([], 200), []);
  assert.equal(cursor.since, 102);
});

test("a time in the future does not hide earlier entries", () => {
  const cursor = new PollCursor();
  const future: Entry = { subject: "s", ts: 9000, data: "1" };
  assert.deepEqual(cursor.takeNew([future], 100), [future]);
  assert.equal(cursor.since, 0);
  const present: Entry = { subject: "s", ts: 99, data: "2" };
  assert.deepEqual(cursor.takeNew([future, present], 100), [present]);
  assert.equal(cursor.since, 98);
});

for (const [sign, includes] of [
  [">", (ts: number, since: number) => ts > since],
  [">=", (ts: number, since: number) => ts >= since],
] as const) {
  test(`with a server that treats since as ${sign}, nothing is lost or repeated, for any times of the polls`, () => {
    // Each step is a poll, or a new event this many ms after the one before.
    const step = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant("poll" as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cursor = new PollCursor();
        cursor.skipTo(999);
        const published: Entry[] = [];
        const received: Entry[] = [];
        let now = 1001;
        const poll = () => {
          const answer = published.filter(({ ts }) => includes(ts, cursor.since));
          received.push(...cursor.takeNew(answer, now));
        };
        for (const what of steps) {
          if (what === "poll") {
            poll();
            continue;
          }
          now += what;
          published.push({ subject: "s", ts: now, data: String(published.length) });
        }
        poll();
        assert.deepEqual(received, published);
      }),
    );
  });
}
