import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { Page } from "./page.ts";

function open(line: FakeLine, hideAfter?: number, environment = line.environment) {
  let changes = 0;
  const page = new Page(environment, hideAfter, () => changes++);
  return { page, changes: () => changes };
}

test("a page that is hidden for long enough, and then visible again", async () => {
  const line = new FakeLine();
  const { page, changes } = open(line, 1_000);
  line.page.hidden = true;
  line.page.fire();
  await line.pass(999);
  line.page.hidden = false;
  line.page.fire();
  await line.pass(5_000);
  assert.equal(page.away, undefined);
  line.page.hidden = true;
  line.page.fire();
  const before = changes();
  await line.pass(1_000);
  assert.equal(page.away, "hidden");
  assert.equal(changes(), before + 1);
  line.page.hidden = false;
  line.page.fire();
  await line.pass(0);
  assert.equal(page.away, undefined);
});

test("a page that is hidden from the beginning, like a page in a background tab", async () => {
  const line = new FakeLine();
  line.page.hidden = true;
  const { page } = open(line);
  await line.pass(300_000);
  assert.equal(page.away, "hidden");
});

test("pause() comes first, then the hidden page; the network does not matter", async () => {
  const line = new FakeLine();
  const { page } = open(line, 0);
  line.navigator.onLine = false;
  assert.equal(page.away, undefined);
  line.page.hidden = true;
  line.page.fire();
  await line.pass(0);
  assert.equal(page.away, "hidden");
  page.paused = true;
  assert.equal(page.away, "paused");
});

test("end() leaves no event listener and no timer", () => {
  const line = new FakeLine();
  const { page } = open(line);
  assert.equal(line.left, 3);
  line.page.hidden = true;
  line.page.fire();
  assert.equal(line.left, 4);
  page.end();
  assert.equal(line.left, 0);
});

test("an environment without document and navigator", () => {
  const line = new FakeLine();
  const none = { ...line.environment, window: undefined, document: undefined, navigator: undefined };
  const { page } = open(line, undefined, none);
  assert.equal(page.away, undefined);
  page.end();
});
