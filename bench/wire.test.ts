import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { OWN_NETWORK, Wire, wireUnavailable } from "./wire.ts";

/** Other names and addresses than those of a bench that may run now. */
const ENDS = {
  ours: "odinwire0",
  theirs: "odinwire1",
  serverAddress: "198.18.0.5",
  loadAddress: "198.18.0.6",
};
const [CLIENTS_BYTES, MESSAGES] = [200, 50];
/** IPv4, TCP and the time stamps of TCP. */
const HEADERS = 52;

/** Connects, takes one message after the other, and answers each with one byte. */
const CLIENT = `
process.stdin.once("data", (port) => {
  const socket = require("node:net").connect(Number(port), "${ENDS.serverAddress}");
  socket.setNoDelay(true);
  let bytes = 0;
  socket.on("data", (data) => {
    for (bytes += data.length; bytes >= ${CLIENTS_BYTES}; bytes -= ${CLIENTS_BYTES}) socket.write("a");
  });
});
console.log("ready");`;

test("bytes and packets between server and clients are counted with all headers of IP", {
  skip: wireUnavailable() ?? false,
}, async (t) => {
  const [program, ...args] = [...OWN_NETWORK, process.execPath, "-e", CLIENT];
  const child: ChildProcess = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  const wire = new Wire(child.pid as number, ENDS);
  t.after(() => wire.remove());
  assert.equal(existsSync(`/sys/class/net/${ENDS.ours}`), true);
  const server = createServer().listen(0, "0.0.0.0");
  t.after(() => server.close());
  await once(server, "listening");
  child.stdin?.write(`${(server.address() as AddressInfo).port}\n`);
  const [socket] = (await once(server, "connection")) as [Socket];
  t.after(() => socket.destroy());
  socket.setNoDelay(true);
  assert.equal(socket.remoteAddress, ENDS.loadAddress);

  const before = wire.passed;
  for (let n = 0; n < MESSAGES; n++) {
    socket.write(Buffer.alloc(CLIENTS_BYTES));
    await once(socket, "data");
  }
  await sleep(100); // the last acknowledgements
  const after = wire.passed;
  const packets = after.packetsToClients - before.packetsToClients;
  const bytes = after.bytesToClients - before.bytesToClients;
  // Each message is a packet. Acknowledgements may be packets of their own.
  assert.ok(packets >= MESSAGES && packets <= 2 * MESSAGES + 5, `${packets} packets`);
  assert.ok(Math.abs(bytes - MESSAGES * CLIENTS_BYTES - packets * HEADERS) < 200, `${bytes} bytes`);
  assert.ok(after.packetsFromClients - before.packetsFromClients >= MESSAGES);

  // A message of many packets is counted packet by packet, although the kernel could pass it as one.
  const large = 100_000;
  socket.write(Buffer.alloc(large));
  for (let answers = 0; answers < large / CLIENTS_BYTES; )
    answers += ((await once(socket, "data")) as [Buffer])[0].length;
  const many = wire.passed.packetsToClients - after.packetsToClients;
  assert.ok(many >= large / 1460, `${many} packets`);

  wire.remove();
  assert.equal(existsSync(`/sys/class/net/${ENDS.ours}`), false);
});

test("without root, the bench says why the interface cannot be counted", (t) => {
  t.mock.method(process as { getuid: () => number }, "getuid", () => 1000);
  assert.equal(wireUnavailable(), "only root can create network interfaces");
});

test("a missing program is named", (t) => {
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
  });
  t.mock.method(process as { getuid: () => number }, "getuid", () => 0);
  process.env.PATH = "/nowhere";
  assert.equal(wireUnavailable(), "the program ip is missing");
});

test("a failed command reports the output of the program", { skip: wireUnavailable() ?? false }, () => {
  assert.throws(() => new Wire(2 ** 22 + 1, ENDS), /^Error: ip link add .*: ./);
});
