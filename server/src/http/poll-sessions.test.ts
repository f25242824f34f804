import assert from "node:assert/strict";
import { test } from "node:test";
import type { Polling, PollingEnd } from "../connection/connection-records.ts";
import { type AnsweredPoll, PollSessions } from "./poll-sessions.ts";

const ANN = { user: "ann", ip: "203.0.113.7" };
const BOB = { user: "bob", ip: "203.0.113.7" };
const ANSWER: AnsweredPoll = { status: 200, channels: 2, messages: 3, bytes: 500, recovered: true };
const NOTHING_NEW: AnsweredPoll = { ...ANSWER, status: 304, messages: 0, bytes: 0 };
const EXPIRED = { status: 401, reason: "token", message: "the token has expired" };
const LIMITED = { status: 429, reason: "rate_limited", message: "too many polls" };

function create(maxSessions = 100) {
  const state = { now: 1_000_000, lines: [] as unknown[][], leftOut: 0 };
  const sessions = new PollSessions({
    now: () => state.now,
    maxSessions,
    records: {
      pollingBegan: ({ id, user }: Polling) => state.lines.push(["began", user, id.length]),
      pollingEnded: ({ user, polls, refused, deliveries, bytes, channels, lastAnswer }, end: PollingEnd) =>
        state.lines.push([
          ...["ended", user, end.by, end.reason, end.code, end.seconds],
          ...[polls, refused, deliveries, bytes, channels, lastAnswer],
        ]),
      pollingLeftOut: () => state.leftOut++,
      requestRefused: (reason, { user }, detail, transport) =>
        state.lines.push(["refused", user, reason, detail, transport]),
    },
  });
  const pass = (seconds: number) => {
    for (let n = 0; n < seconds; n++) {
      state.now += 1000;
      sessions.tick();
    }
  };
  const lines = () => state.lines.splice(0);
  return { state, sessions, pass, lines };
}

test("a client begins with its first poll, and ends when it has not polled for 90 s", () => {
  const { sessions, pass, lines } = create();
  sessions.answered(ANN, ANSWER);
  assert.deepEqual(lines(), [["began", "ann", 12]]);
  pass(2);
  sessions.answered(ANN, NOTHING_NEW);
  sessions.answered(BOB, ANSWER);
  assert.deepEqual(lines(), [["began", "bob", 12]], "another user of the same address is another client");
  pass(60); // a hidden page polls once a minute
  sessions.answered(ANN, ANSWER);
  pass(89);
  assert.deepEqual(lines(), [
    ["ended", "bob", "client", "no poll for 90 s", undefined, 0, 1, 0, 3, 500, 2, "200"],
  ]);
  pass(1);
  assert.deepEqual(lines(), [
    ["ended", "ann", "client", "no poll for 90 s", undefined, 62, 3, 0, 6, 1000, 2, "200"],
  ]);
  assert.equal(sessions.size, 0);
  sessions.answered(ANN, ANSWER);
  assert.deepEqual(lines(), [["began", "ann", 12]]);
});

test("the end says when the last answer was that messages were lost, or a refusal", () => {
  const { sessions, pass, lines } = create();
  sessions.answered(ANN, { ...ANSWER, recovered: false });
  sessions.answered(BOB, ANSWER);
  sessions.refused(BOB, LIMITED);
  lines();
  pass(90);
  assert.deepEqual(
    lines().map((line) => line.at(-1)),
    ["200 not recovered", "429 rate_limited"],
  );
});

test("a refusal has one line until the client gets an answer again or another refusal", () => {
  const { sessions, lines } = create();
  const refusal = ["refused", "ann", "rate_limited", "too many polls", "poll"];
  for (let n = 0; n < 5; n++) sessions.refused(ANN, LIMITED);
  assert.deepEqual(lines(), [refusal], "no line says that a client began that never got an answer");
  sessions.refused(ANN, { status: 403, reason: "forbidden_channel", message: "not BTC.trade" });
  assert.deepEqual(lines(), [["refused", "ann", "forbidden_channel", "not BTC.trade", "poll"]]);
  sessions.answered(ANN, ANSWER);
  sessions.refused(ANN, LIMITED);
  assert.deepEqual(lines(), [["began", "ann", 12], refusal]);
});

test("a client whose token or origin is refused ends at once, with the reason; a busy gateway ends no client", () => {
  const { sessions, pass, lines } = create();
  sessions.turnedAway(ANN, EXPIRED);
  assert.deepEqual([lines(), sessions.size], [[], 0], "the refusal has its own line");
  sessions.answered(ANN, ANSWER);
  lines();
  sessions.turnedAway(ANN, { status: 503, reason: "cpu", message: "this gateway is busy" });
  assert.deepEqual(lines(), []);
  pass(2);
  sessions.turnedAway(ANN, EXPIRED);
  const end = ["gateway", "the token has expired", 401, 2, 3, 2, 3, 500, 2, "401 token"];
  assert.deepEqual(lines(), [["ended", "ann", ...end]]);
});

test("without tokens an address is a client, and no user has its name", () => {
  const { sessions, lines } = create();
  sessions.answered({ user: undefined, ip: "::1" }, ANSWER);
  sessions.answered({ user: undefined, ip: "::1" }, ANSWER);
  sessions.answered({ user: "undefined", ip: "::1" }, ANSWER);
  sessions.answered({ user: "", ip: "::1" }, ANSWER);
  assert.equal(lines().length, 3);
});

test("memory is bounded: further clients are served and counted without a line", () => {
  const { state, sessions, pass, lines } = create(2);
  for (const user of ["a", "b", "c", "c"]) sessions.answered({ user, ip: "::1" }, ANSWER);
  assert.deepEqual([lines().length, state.leftOut, sessions.size], [2, 2, 2]);
  sessions.refused({ user: "d", ip: "::1" }, LIMITED);
  assert.equal(lines().length, 1, "a refusal is written nevertheless");
  pass(90);
  lines();
  sessions.answered({ user: "c", ip: "::1" }, ANSWER);
  assert.deepEqual(lines(), [["began", "c", 12]]);
});

test("when the gateway ends, every client ends", () => {
  const { sessions, lines } = create();
  sessions.answered(ANN, ANSWER);
  sessions.answered(BOB, ANSWER);
  lines();
  sessions.endAll("the gateway stops");
  assert.deepEqual(
    lines().map(([what, user, by, reason]) => [what, user, by, reason]),
    [
      ["ended", "ann", "gateway", "the gateway stops"],
      ["ended", "bob", "gateway", "the gateway stops"],
    ],
  );
});
