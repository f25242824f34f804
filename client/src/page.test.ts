import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { Page } from "./page.ts";

function open(line: FakeLine, hideAfter?: number, environment = line.environment) {
  let changes = 0;
  const page = new Page(environment, hideAfter, () => changes++);
  return { page, changes: () => changes };
}

test("hidden for long enough, and in sight again", async () => {
  const line = new FakeLine();
  const { page, changes } = open(line, 1_000);
  line.page.hidden = true;
  line.page.tell();
  await line.pass(999);
  line.page.hidden = false;
  line.page.tell();
  await line.pass(5_000);
  assert.equal(page.away, undefined);
  line.page.hidden = true;
  line.page.tell();
  const before = changes();
  await line.pass(1_000);
  assert.deepEqual(page.away, ["paused", "hidden"]);
  assert.equal(changes(), before + 1);
  line.page.hidden = false;
  line.page.tell();
  assert.equal(page.away, undefined);
});

test("hidden from the beginning, as a page in a new tab is", async () => {
  const line = new FakeLine();
  line.page.hidden = true;
  const { page } = open(line);
  await line.pass(300_000);
  assert.deepEqual(page.away, ["paused", "hidden"]);
});

test("the application's wish comes first, then the page, then the network", async () => {
  const line = new FakeLine();
  const { page } = open(line, 0);
  line.navigator.onLine = false;
  assert.deepEqual(page.away, ["offline", "no network"]);
  line.page.hidden = true;
  line.page.tell();
  await line.pass(0);
  assert.deepEqual(page.away, ["paused", "hidden"]);
  page.paused = true;
  assert.deepEqual(page.away, ["paused", "paused"]);
});

test("leaves no ear and no timer", () => {
  const line = new FakeLine();
  const { page } = open(line);
  assert.equal(line.left, 3);
  line.page.hidden = true;
  line.page.tell();
  assert.equal(line.left, 4);
  page.end();
  assert.equal(line.left, 0);
});

test("where there is no page and no network to ask", () => {
  const line = new FakeLine();
  const none = { ...line.environment, window: undefined, document: undefined, navigator: undefined };
  const { page } = open(line, undefined, none);
  assert.equal(page.away, undefined);
  page.end();
});
