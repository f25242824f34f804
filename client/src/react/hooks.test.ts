import assert from "node:assert/strict";
import { test } from "node:test";
import { act, createElement as h, memo, type ReactNode, StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { connect } from "../connect.ts";
import { FakeLine } from "../fake-line.fixture.ts";
import type { Envelope, Refetch } from "../types.ts";
import { asContainer, Stage, URL } from "./hooks.fixture.ts";
import {
  type FeedDefinition,
  OdinProvider,
  useChannel,
  useConnection,
  useFeed,
  useRefetch,
} from "./index.ts";

const renders = new Map<string, number>();
/** Counts committed renderings, because strict mode calls each component twice. */
const count = (name: string) => renders.set(name, (renders.get(name) ?? 0) + 1);
const counted = (name: string) => {
  const times = (renders.get(name) ?? 0) / 2;
  renders.delete(name);
  return times;
};

function Price({ channel = "A.trade", name = "price" }: { channel?: string; name?: string }): ReactNode {
  count(name);
  return h("b", null, String(useChannel<number>(channel)?.data ?? "none"), " ");
}

test("strict mode: one connection, and one subscription for components with the same channel", async (t) => {
  const stage = new Stage(t);
  await stage.show(h(Price, { key: 1 }), h(Price, { key: 2 }), h(Price, { key: 3, channel: "B.trade" }));
  await stage.live("A.trade", "B.trade");
  assert.equal(stage.line.sockets.length, 1);
  assert.deepEqual(stage.socket.asked, [{ type: "subscribe", channels: ["A.trade", "B.trade"] }]);
  stage.socket.publish("A.trade", 7);
  await stage.frame();
  assert.equal(stage.text, "7 7 none ");
});

test("any number of messages causes one rendering per frame", async (t) => {
  const stage = new Stage(t);
  await stage.show(h(Price));
  await stage.live("A.trade");
  await stage.frame();
  counted("price");
  for (let frame = 1; frame <= 5; frame++) {
    for (let n = 0; n < 1000; n++) stage.socket.publish("A.trade", frame * 1000 + n);
    assert.equal(stage.framesAwaited, 1);
    assert.equal(counted("price"), 0, "nothing renders between frames");
    await stage.frame();
    assert.equal(counted("price"), 1);
    assert.equal(stage.text, `${frame * 1000 + 999} `);
  }
  await stage.frame();
  assert.deepEqual([counted("price"), stage.framesAwaited], [0, 0], "without a new message nothing renders");
});

test("without animation frames, as in a hidden page, changes are shown after 250 ms", async (t) => {
  const stage = new Stage(t);
  await stage.show(h(Price));
  await stage.live("A.trade");
  await stage.frame();
  stage.socket.publish("A.trade", 3);
  await stage.wait(249);
  assert.equal(stage.text, "none ");
  await stage.wait(1);
  assert.equal(stage.text, "3 ");
  assert.equal(stage.framesAwaited, 0);
});

test("of thousands of rows, only the rows with a changed value render", async (t) => {
  const stage = new Stage(t);
  const prices = {
    channels: ["*.trade"],
    initial: new Map<string, number>(),
    fold: (state: Map<string, number>, batch: readonly { message: Envelope<number> }[]) => {
      const next = new Map(state);
      for (const { message } of batch) next.set(message.channel, message.data);
      return next;
    },
  };
  const Row = memo(({ symbol }: { symbol: string }) => {
    count(symbol);
    // A new function at each rendering.
    return h(
      "li",
      null,
      useFeed(prices, (state) => state.get(`${symbol}.trade`) ?? 0),
    );
  });
  const symbols = Array.from({ length: 3000 }, (_, n) => `S${n}`);
  await stage.show(symbols.map((symbol) => h(Row, { key: symbol, symbol })));
  await stage.live("*.trade");
  await stage.frame();
  renders.clear();
  for (let n = 0; n < 500; n++) stage.socket.publish(`S${n % 5}.trade`, n + 1);
  await stage.frame();
  assert.deepEqual([...renders.keys()].sort(), ["S0", "S1", "S2", "S3", "S4"]);
  assert.ok(
    [...renders.values()].every((times) => times === 2),
    "each once",
  );
  assert.equal(stage.host.querySelectorAll("li")[4]?.textContent, "500");
  renders.clear();
});

test("an equal selection does not render", async (t) => {
  const stage = new Stage(t);
  const Parity = () => {
    count("parity");
    const parity = useChannel("A.trade", {
      select: (message: Envelope<number> | undefined) => ({ odd: (message?.data ?? 0) % 2 === 1 }),
      isEqual: (a, b) => a.odd === b.odd,
    });
    return h("b", null, parity.odd ? "odd" : "even");
  };
  await stage.show(h(Parity));
  await stage.live("A.trade");
  await stage.frame();
  counted("parity");
  for (const offset of [2, 4, 6]) {
    stage.socket.publish("A.trade", offset);
    await stage.frame();
  }
  assert.deepEqual([stage.text, counted("parity")], ["even", 0]);
  stage.socket.publish("A.trade", 7);
  await stage.frame();
  assert.deepEqual([stage.text, counted("parity")], ["odd", 1]);
});

test("lists and maps put a late message in its place", async (t) => {
  const stage = new Stage(t);
  const List = () => {
    const recent = useChannel<number>("A.trade", { list: 3 });
    const latest = useChannel<number>(["A.trade", "B.trade"]);
    const ids = recent.map(({ offset }) => offset).join();
    return h("b", null, `${ids}; ${[...latest].map(([name, { offset }]) => `${name} ${offset}`).join()}`);
  };
  await stage.show(h(List));
  await stage.live("A.trade", "B.trade");
  for (const offset of [1, 2, 4]) stage.socket.publish("A.trade", offset);
  stage.socket.publish("B.trade", 5);
  stage.socket.publish("A.trade", 3);
  await stage.frame();
  assert.equal(stage.text, "4,3,2; A.trade 4,B.trade 5");
});

test("useChannel passes on rate and last values; the highest rate of a page counts, and equal requests share a feed", async (t) => {
  const stage = new Stage(t);
  const Slow = ({ maxRate = 4, last = true }: { maxRate?: number | undefined; last?: boolean }) =>
    h("b", null, String(useChannel<number>("A.trade", { maxRate, last })?.data ?? "none"), " ");
  const slow = h(Slow, { key: 1 });
  await stage.show(slow, h(Slow, { key: 2 }));
  await stage.live("A.trade");
  const channels = ["A.trade"];
  const first = { type: "subscribe", channels, last: true, max_rate: 4 };
  assert.deepEqual(stage.socket.asked, [first]);
  stage.socket.publish("A.trade", 7);
  await stage.frame();
  assert.equal(stage.text, "7 7 ");
  // A component that wants more raises the rate for all, and begins with the newest message.
  await stage.show(slow, h(Slow, { key: 3, maxRate: 10 }));
  await stage.line.pass(100);
  await stage.frame();
  assert.deepEqual(stage.socket.asked.slice(1), [{ ...first, max_rate: 10 }]);
  stage.socket.acknowledge(channels);
  assert.equal(stage.text, "7 7 ");
  // One without a rate wants everything.
  await stage.show(slow, h(Slow, { key: 3, maxRate: 10 }), h(Price, { key: 4 }));
  await stage.line.pass(100);
  assert.deepEqual(stage.socket.asked.slice(2), [{ type: "subscribe", channels, last: true }]);
  stage.socket.acknowledge(channels);
  // When the others have left, the rate of the one that stays counts again.
  await stage.show(slow);
  await stage.wait(1_000);
  await stage.line.pass(100);
  assert.deepEqual(stage.socket.asked.slice(3), [first]);
});

test("a feed passes on its rate and its wish for last values, and folds last values like other messages", async (t) => {
  const stage = new Stage(t);
  const trades: FeedDefinition<string, number> = {
    channels: ["*.trade"],
    maxRate: 2,
    last: true,
    initial: "",
    fold: (state, batch) => state + batch.map(({ message }) => `${message.channel} ${message.data}`).join(),
  };
  const List = () => h("b", null, useFeed(trades));
  await stage.show(h(List));
  await stage.live("*.trade");
  assert.deepEqual(stage.socket.asked, [
    { type: "subscribe", channels: ["*.trade"], last: true, max_rate: 2 },
  ]);
  stage.socket.say({
    seq: ++stage.socket.seq,
    offset: 0,
    ts: 0,
    type: "t",
    priority: "high",
    channel: "A.trade",
    data: 5,
    last: true,
  });
  stage.socket.publish("B.trade", 6);
  await stage.frame();
  assert.equal(stage.text, "A.trade 5,B.trade 6");
});

test("a channel ends 1 s after its last component, unless a component is back by then", async (t) => {
  const stage = new Stage(t);
  const other = h(Price, { key: "other", channel: "B.trade" });
  await stage.show(h(Price, { key: 1 }), other);
  await stage.live("A.trade", "B.trade");
  await stage.show(other);
  await stage.wait(900);
  await stage.show(h(Price, { key: 1 }), other);
  await stage.wait(5_000);
  assert.equal(stage.socket.asked.length, 1);
  await stage.show(other);
  await stage.wait(1_000);
  await stage.line.pass(100);
  assert.deepEqual(stage.socket.asked.slice(1), [{ type: "unsubscribe", channels: ["A.trade"] }]);
});

test("a component changes its channel", async (t) => {
  const stage = new Stage(t);
  await stage.show(h(Price, { key: 1 }));
  await stage.live("A.trade");
  stage.socket.publish("A.trade", 3);
  await stage.frame();
  await stage.show(h(Price, { key: 1, channel: "B.trade" }));
  assert.equal(stage.text, "none ", "no value of the previous channel is shown");
  await stage.line.pass(100);
  assert.deepEqual(stage.socket.asked[1], { type: "subscribe", channels: ["B.trade"] });
});

test("nothing is left after unmounting", async (t) => {
  const stage = new Stage(t);
  await stage.show(h(Price));
  await stage.live("A.trade");
  stage.socket.publish("A.trade", 3);
  await stage.unmount();
  await stage.wait(1_000);
  await stage.wait(1_000);
  assert.ok(stage.socket.closed);
  assert.deepEqual([stage.line.left, stage.framesAwaited], [0, 0]);
  await stage.line.pass(600_000);
  assert.equal(stage.line.sockets.length, 1);
});

test("a given client is used, not closed, and keeps no listeners", async (t) => {
  const stage = new Stage(t);
  const line = new FakeLine();
  const client = connect(URL, { environment: line.environment });
  t.after(() => client.close());
  await stage.show(h(OdinProvider, { client }, h(Price)));
  await line.pass(0);
  line.socket.welcome();
  await line.pass(100);
  line.socket.acknowledge(["A.trade"]);
  await stage.unmount();
  await stage.wait(1_000);
  await stage.wait(1_000);
  await line.pass(100);
  assert.equal(client.status.state, "open");
  assert.deepEqual(line.socket.asked.at(-1), { type: "unsubscribe", channels: ["A.trade"] });
});

test("useConnection shows the state, useRefetch reports losses", async (t) => {
  const stage = new Stage(t);
  const lost: Refetch[] = [];
  const Panel = () => {
    const { state, gateway, pause } = useConnection();
    useRefetch((refetch) => lost.push(refetch));
    return h("button", { type: "button", onClick: pause }, `${state} ${gateway ?? ""}`);
  };
  await stage.show(h(Panel), h(Price));
  await stage.frame();
  assert.match(stage.text, /^connecting /);
  await stage.live("A.trade");
  await stage.frame();
  assert.match(stage.text, /^open g/);
  stage.socket.end(1006);
  await stage.line.pass(500);
  stage.socket.welcome(3, "another");
  assert.deepEqual(
    lost,
    [{ channels: ["A.trade"], reason: "epoch" }],
    "the loss is reported once, even in strict mode",
  );
  await act(() => stage.host.querySelector("button")?.click());
  await stage.frame();
  assert.match(stage.text, /^paused/);
});

test("a server renders the first state without a network, and a page hydrates it", async (t) => {
  const State = () => h("i", null, useConnection().state);
  const App = ({ line }: { line?: FakeLine }) =>
    h(
      OdinProvider,
      { url: URL, ...(line && { options: { environment: line.environment } }) },
      h(Price),
      h(State),
    );
  const socket = t.mock.method(globalThis, "WebSocket", () => {
    throw new Error("a server connects to nothing");
  });
  const timers = t.mock.method(globalThis, "setTimeout");
  const markup = renderToString(h(App));
  assert.equal(markup.replaceAll("<!-- -->", ""), "<b>none </b><i>connecting</i>");
  await new Promise(setImmediate);
  assert.deepEqual([socket.mock.callCount(), timers.mock.callCount()], [0, 0]);
  socket.mock.restore();
  timers.mock.restore();

  const stage = new Stage(t);
  const line = new FakeLine();
  const complaints = t.mock.method(console, "error", () => {});
  const host = stage.element();
  host.innerHTML = markup;
  const root = await act(() => hydrateRoot(asContainer(host), h(StrictMode, null, h(App, { line }))));
  await line.pass(0);
  line.socket.welcome();
  await line.pass(100);
  line.socket.acknowledge(["A.trade"]);
  line.socket.publish("A.trade", 9);
  await stage.frame();
  assert.equal(host.textContent, "9 open");
  assert.deepEqual(
    complaints.mock.calls.map(({ arguments: [text] }) => text),
    [],
  );
  await act(() => root.unmount());
  await stage.wait(2_000);
});

test("a hook outside of a provider throws an error that says what to do", () => {
  assert.throws(() => renderToString(h(Price)), /no OdinProvider above this component/);
});
