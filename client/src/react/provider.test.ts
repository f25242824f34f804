import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement as h, type ReactNode } from "react";
import { FakeLine } from "../fake-line.fixture.ts";
import { Stage } from "./hooks.fixture.ts";
import { OdinProvider, useChannel } from "./index.ts";

function Price(): ReactNode {
  return h("b", null, String(useChannel<number>("A.trade")?.data ?? "none"));
}

/** A provider inside the stage's provider, with its own FakeLine. */
function provider(line: FakeLine, url: string, token: string): ReactNode {
  // New options and a new function at each rendering, as in most applications.
  const options = { token: () => token, environment: line.environment };
  return h(OdinProvider, { url, options }, h(Price));
}

const addresses = (line: FakeLine) => line.sockets.map(({ url }) => url);

test("another url uses the options that come with it", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await line.pass(0);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A"]);
  await stage.show(provider(line, "ws://b/ws", "B"));
  await line.pass(0);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A", "ws://b/ws?auth=B"]);
  await stage.wait(1_000);
  await stage.wait(1_000);
  assert.deepEqual(
    line.sockets.map(({ closed }) => closed),
    [true, false],
  );
  await stage.unmount();
  await stage.wait(1_000);
  await stage.wait(1_000);
  assert.equal(line.left, 0);
});

test("other options alone make no new connection, and the first token function stays", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await line.pass(0);
  line.socket.welcome();
  for (const token of ["B", "C"]) await stage.show(provider(line, "ws://a/ws", token));
  await stage.wait(5_000);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A"]);
  assert.equal(line.socket.closed, false);
  line.socket.end(1006);
  await line.pass(500);
  assert.deepEqual(addresses(line), ["ws://a/ws?auth=A", "ws://a/ws?auth=A"]);
});

test("after a change of the options, another url uses the latest options", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await stage.show(provider(line, "ws://a/ws", "B"));
  await stage.show(provider(line, "ws://b/ws", "B"));
  await line.pass(0);
  assert.deepEqual(addresses(line).at(-1), "ws://b/ws?auth=B");
});

test("an unmounted provider disconnects within 2 s: 1 s for its channels, 1 s for the connection", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  await stage.show(provider(line, "ws://a/ws", "A"));
  await line.pass(0);
  await stage.unmount();
  await stage.wait(1_000);
  assert.equal(line.socket.closed, false);
  await stage.wait(1_000);
  assert.equal(line.socket.closed, true);
});
