import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { acceptQueueLength, limitAcceptQueue, queueOf } from "./accept-queue.ts";

const LINE =
  "   1: 00000000000000000000000000000000:0BBC 00000000000000000000000000000000:0000 0A 00000000:0000002A 00:00000000 00000000     0        0 4711 1 00 100 0 0 10 0";

test("a line of a listening socket has the length of its queue", () => {
  assert.equal(queueOf(LINE, 4711), 42);
  assert.equal(queueOf(LINE, 4712), undefined, "another socket");
  assert.equal(queueOf("  sl  local_address rem_address   st tx_queue rx_queue tr", 4711), undefined);
  assert.equal(queueOf(LINE.replace(" 0A ", " 01 "), 4711), "not listening");
});

test("connections that the process has not accepted yet are counted, and their number can be limited", {
  skip: process.platform !== "linux" && "needs Linux",
}, async (t) => {
  for (const host of ["127.0.0.1", undefined]) {
    const server = createServer();
    server.listen({ port: 0, ...(host === undefined ? {} : { host }) });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    assert.equal(acceptQueueLength(server), 0);
    limitAcceptQueue(server, 3);
    // Another process connects while this one is blocked, so that nothing is accepted.
    const source = `for (let n = 0; n < 7; n++) require("node:net").connect(${port}, "127.0.0.1"); setTimeout(() => {}, 60000);`;
    const client = spawn(process.execPath, ["-e", source], { stdio: "ignore" });
    t.after(() => client.kill("SIGKILL"));
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const awaitLength = (length: number): void => {
      const deadline = performance.now() + 20_000;
      while (acceptQueueLength(server) !== length) {
        assert.ok(performance.now() < deadline, `${acceptQueueLength(server)} instead of ${length}`);
        Atomics.wait(cell, 0, 0, 20);
      }
    };
    // Linux keeps one more than the limit. The kernel of the other clients tries again after a second.
    awaitLength(4);
    limitAcceptQueue(server, 100);
    awaitLength(7);
    client.kill("SIGKILL");
    server.close();
    assert.equal(acceptQueueLength(server), undefined, "the server is closed");
  }
  assert.equal(acceptQueueLength(createServer()), undefined);
});
