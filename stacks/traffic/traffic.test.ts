import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Messages, measuredMessages, messagesOfReport, withFrameBytes } from "./messages.ts";
import { trafficFrom, trafficOptions } from "./options.ts";
import { trafficRows, trafficTable } from "./table.ts";
import { forThousand, trafficIn, trafficOf } from "./traffic.ts";

/** One message a second, whose sizes make round numbers; compact was not measured. */
const MESSAGES: Messages = {
  perSecond: 1,
  upkeepBytesPerSecond: 0,
  bytes: { plain: { frame: 948, withHeaders: 1000 }, compressed: { frame: 448, withHeaders: 500 } },
  source: "a test",
};
const MONTH = 730 * 3600; // seconds
const USERS = 1000;

test("traffic is users times seconds times bytes with headers, at the prices of its steps", () => {
  const { gib = 0, usd = 0 } = trafficIn("plain", MESSAGES, USERS);
  assert.equal(gib, (1000 * MONTH * USERS) / 2 ** 30);
  const rounded = Math.round(gib); // 2448: above the first TiB
  assert.ok(Math.abs(usd - (1024 * 0.12 + (rounded - 1024) * 0.11 + rounded * 0.008)) < 0.01);
  const withUpkeep = trafficIn("plain", { ...MESSAGES, upkeepBytesPerSecond: 1000 }, USERS);
  assert.equal(withUpkeep.gib, gib * 2);
  assert.equal(
    forThousand(trafficIn("plain", MESSAGES, 500)),
    (trafficIn("plain", MESSAGES, 500).usd ?? 0) * 2,
  );
});

test("a mix is counted by its shares", () => {
  const { gib } = trafficOf({ plain: 50, compressed: 50 }, MESSAGES, USERS);
  assert.equal(gib, (750 * MONTH * USERS) / 2 ** 30);
});

test("what was not measured is unknown, and never 0", () => {
  for (const mix of [{ compact: 100 }, { plain: 99, compact: 1 }]) {
    const { gib, usd, costs } = trafficOf(mix, MESSAGES, USERS);
    assert.deepEqual([gib, usd, costs.length], [undefined, undefined, 1]);
    assert.equal(costs[0]?.usd, undefined);
    assert.match(costs[0]?.note ?? "", /unknown for compact/);
  }
  const line = trafficTable(MESSAGES, { compressed: 100 }, USERS).find((text) => text.includes("  compact "));
  assert.match(line ?? "", /^ {2}compact( +\?){6}$/);
});

test("the table names users, source, each encoding and the mix, and what it saves", () => {
  const [title = "", ...lines] = trafficTable(MESSAGES, { plain: 50, compressed: 50 }, 10_000);
  assert.equal(
    title,
    "Traffic to 10,000 users who are connected all month, 1 messages a second each (a test)",
  );
  assert.match(lines[1] ?? "", /^ {2}plain +948 +1,000 +24,475 +/);
  assert.match(lines[4] ?? "", /^ {2}these users: 50 % plain, 50 % compressed +18,356 /);
  const rows = trafficRows(MESSAGES, { compressed: 100 }, 10_000);
  assert.deepEqual(
    rows.map(({ saves }) => saves !== undefined && Math.round(saves * 100)),
    [0, 44, false, 44],
  );
});

test("the measured messages have every encoding, each smaller than the one before", () => {
  const { perSecond, bytes, source } = measuredMessages();
  assert.ok(perSecond > 1 && perSecond < 2);
  const [plain = 0, compressed = 0, compact = 0] = [bytes.plain, bytes.compressed, bytes.compact].map(
    (one) => one?.frame,
  );
  assert.ok(plain > compressed && compressed > compact && compact > 0, `${plain} ${compressed} ${compact}`);
  assert.match(source, /npm run traffic/);
});

test("other sizes keep the measured ratio of the encodings", () => {
  const { bytes } = withFrameBytes(MESSAGES, "plain", 2 * 948);
  assert.deepEqual(bytes.plain, { frame: 1896, withHeaders: 1896 + 2 * 52 });
  assert.deepEqual(bytes.compressed, { frame: 896, withHeaders: 948 });
  assert.equal(bytes.compact, undefined);
});

const report = (compression: boolean, compact?: boolean) =>
  JSON.stringify({
    command: { compression, ...(compact === undefined ? {} : { compact }) },
    deliveries: 1000,
    bytes: 300_000,
    timeline: [
      { open: 50, deliveries: 0 },
      { open: 100, deliveries: 400 },
      { open: 100, deliveries: 600 },
    ],
  });

test("a load test's report gives messages a second to a user and the bytes of its encoding", () => {
  const compressed = messagesOfReport(report(true), "a.json");
  assert.equal(compressed.perSecond, 5);
  assert.equal(compressed.bytes.compressed?.frame, 300);
  assert.ok((compressed.bytes.plain?.frame ?? 0) > 400);
  assert.match(compressed.source, /a\.json/);
  assert.equal(messagesOfReport(report(false), "a.json").bytes.plain?.frame, 300);
  assert.equal(messagesOfReport(report(false, true), "a.json").bytes.compact?.frame, 300);
  const empty = { command: {}, deliveries: 0, bytes: 0, timeline: [] };
  assert.throws(() => messagesOfReport(JSON.stringify(empty), ""), /no deliveries/);
  for (const wrong of ["{}", "not JSON", "null"])
    assert.throws(() => messagesOfReport(wrong, ""), /not the JSON report of a load test/);
});

test("options replace what was measured, and a report that cannot be read is a mistake", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "odin-traffic-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "report.json");
  writeFileSync(file, report(true));
  const read = trafficFrom({ "load-report": file, "messages-per-second": 2 });
  assert.deepEqual([read.messages.perSecond, read.messages.bytes.compressed?.frame], [2, 300]);
  assert.equal(trafficFrom({ "message-bytes": 500 }).messages.bytes.plain?.frame, 500);
  const mistakes: string[] = [];
  trafficFrom({ "load-report": join(folder, "none.json") }, mistakes);
  writeFileSync(file, "{}");
  trafficFrom({ "load-report": file }, mistakes);
  assert.deepEqual(
    mistakes.map((mistake) => mistake.replaceAll(folder, "")),
    [
      "--load-report /none.json: no such file",
      "--load-report /report.json: is not the JSON report of a load test",
    ],
  );
});

test("--encodings takes percentages of known encodings that are 100 together", () => {
  const { schema } = trafficOptions.encodings;
  assert.deepEqual(schema.parse("compact=60, compressed=39.5,plain=0.5"), {
    compact: 60,
    compressed: 39.5,
    plain: 0.5,
  });
  for (const wrong of ["compact", "compact=60", "gzip=100", "plain=50,plain=50", "plain=110,compact=-10", ""])
    assert.equal(schema.safeParse(wrong).success, false, wrong);
});
