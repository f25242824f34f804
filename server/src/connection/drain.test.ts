import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ControlMessage } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import type { Connection } from "./connection.ts";
import { Drain } from "./drain.ts";

/** Records what the drain sends, and reports its own end to `gone`. */
class FakeConnection {
  readonly messages: ControlMessage[] = [];
  readonly closed: [code: number, at: number][] = [];
  terminated = false;
  readonly #gone: (connection: FakeConnection) => void;
  readonly ws = {
    terminate: () => {
      this.terminated = true;
      this.#gone(this);
    },
  };
  constructor(gone: (connection: FakeConnection) => void) {
    this.#gone = gone;
  }
  control(message: ControlMessage): void {
    assert.equal(this.closed.length, 0, "nothing is sent after the close");
    this.messages.push(message);
  }
  close(code: number): void {
    this.closed.push([code, Date.now()]);
  }
}

function start(t: TestContext, count: number, durationMs: number, { leaves = true, restarts = false } = {}) {
  t.mock.timers.enable({ apis: ["Date", "setInterval"], now: 0 });
  t.mock.method(steadyClock, "now", () => Date.now());
  const open = new Set<FakeConnection>();
  let drain: Drain | undefined;
  const gone = (connection: FakeConnection) => {
    open.delete(connection);
    drain?.onClosed();
  };
  const clients = Array.from({ length: count }, () => new FakeConnection(gone));
  for (const client of clients) open.add(client);
  drain = new Drain(open as unknown as ReadonlySet<Connection>, { seconds: durationMs / 1000, restarts });
  let ended = false;
  void drain.done.then(() => {
    ended = true;
  });
  /** Lets time pass; closed clients disconnect 20 ms later, unless `leaves` is false. */
  const pass = async (ms: number) => {
    for (let i = 0; i < ms; i += 10) {
      t.mock.timers.tick(10);
      if (leaves)
        for (const client of [...open])
          if (client.closed.some(([, at]) => Date.now() - at >= 20)) gone(client);
      await Promise.resolve();
    }
    return ended;
  };
  const sentAway = () => clients.filter(({ closed }) => closed.length > 0).length;
  return { clients, open, drain, pass, gone, sentAway };
}

test("every client is asked to reconnect soon, then closed with 1012, once", async (t) => {
  const { clients, pass } = start(t, 200, 10_000);
  assert.equal(await pass(10_500), true);
  const waits = clients.map(({ messages, closed }) => {
    assert.deepEqual([messages.length, closed.map(([code]) => code)], [1, [1012]]);
    const [message] = messages;
    assert.ok(message?.type === "reconnect");
    assert.ok(message.in_ms >= 0 && message.in_ms <= 5000 && message.reason !== "");
    return message.in_ms;
  });
  assert.ok(new Set(waits).size > 50, "the waits differ");
});

test("the closes are spread over the time, after a first part for the load balancer's check", async (t) => {
  const { sentAway, clients, pass } = start(t, 1000, 20_000);
  await pass(2000);
  assert.equal(sentAway(), 0);
  await pass(10_500);
  assert.ok(sentAway() > 350 && sentAway() < 650, `${sentAway()} of 1000 in the middle`);
  await pass(7600);
  assert.equal(sentAway(), 1000);
  const seconds = Map.groupBy(clients, ({ closed }) => Math.floor((closed[0]?.[1] ?? 0) / 1000));
  const most = Math.max(...[...seconds.values()].map(({ length }) => length));
  assert.ok(most < 150, `${most} of 1000 in one of 20 seconds`);
});

test("a gateway that restarts closes nothing in the first two thirds of its time", async (t) => {
  const { sentAway, pass } = start(t, 100, 15_000, { restarts: true });
  await pass(9900);
  assert.equal(sentAway(), 0);
  await pass(2600);
  assert.ok(sentAway() > 30 && sentAway() < 70, `${sentAway()} of 100 in the middle of the last third`);
  await pass(2600);
  assert.equal(sentAway(), 100);
});

test("a drain of 0 s disconnects all clients at once", async (t) => {
  const { sentAway, pass } = start(t, 50, 0);
  assert.equal(sentAway(), 50);
  assert.equal(await pass(100), true);
});

test("a drain without clients ends at once", async (t) => {
  const { pass } = start(t, 0, 60_000);
  assert.equal(await pass(10), true);
});

test("a drain ends early when the clients leave by themselves", async (t) => {
  const { clients, gone, pass } = start(t, 5, 60_000);
  for (const client of clients) gone(client);
  assert.equal(await pass(10), true);
});

test("a client that was in the handshake when the drain began is disconnected too", async (t) => {
  const { open, drain, gone, pass } = start(t, 3, 4000);
  await pass(1000);
  const late = new FakeConnection(gone);
  open.add(late);
  drain.add(late as unknown as Connection);
  assert.equal(await pass(3500), true);
  assert.deepEqual(
    late.closed.map(([code]) => code),
    [1012],
  );
});

test("a client that does not answer the close is cut off 2 s after the drain's time", async (t) => {
  const { clients, pass } = start(t, 3, 1000, { leaves: false });
  assert.equal(await pass(2900), false);
  assert.ok(clients.every(({ terminated }) => !terminated));
  assert.equal(await pass(200), true);
  assert.ok(clients.every(({ terminated }) => terminated));
});

test("stop ends the drain at once and disconnects nobody", async (t) => {
  const { drain, pass, sentAway } = start(t, 20, 10_000);
  drain.stop();
  assert.equal(await pass(11_000), true);
  assert.equal(sentAway(), 0);
});
