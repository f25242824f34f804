/**
 * The peer "Socket.IO" with its connection state recovery, and the adapter in memory: a server recovers only
 * its own clients. Adapters that recover the clients of another server need Redis Streams or MongoDB.
 * WebSocket is the only transport. Arguments: the NATS URL, and the time of a drain, seconds: in its first
 * quarter `/health` fails, then all clients are disconnected, because Socket.IO cannot spread that.
 */

import { createServer } from "node:http";
import { Server } from "socket.io";
import { type FeedMessage, reportPort, subscribeFeed } from "../feed.ts";

const GRACE = 0.25;
const RECOVERY_MS = 120_000; // 2 min, as in Socket.IO's documentation

const [natsUrl = "", drainSeconds = "0"] = process.argv.slice(2);
let isDraining = false;
const http = createServer((_, response) => {
  response.writeHead(isDraining ? 503 : 200).end();
});
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
  connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS },
});
io.on("connection", (socket) => {
  socket.on("subscribe", async (channels: string[], done: (count: number) => void) => {
    await socket.join(channels);
    done(channels.length);
  });
});

function deliver({ offset, ts, type, priority, channel, data }: FeedMessage): void {
  io.to(channel).emit("message", { offset, ts, type, priority, channel, data: JSON.parse(data) });
}

process.once("SIGTERM", () => {
  isDraining = true;
  setTimeout(() => void io.close().finally(() => process.exit()), Number(drainSeconds) * 1000 * GRACE);
});

http.listen({ port: 0, host: "127.0.0.1", backlog: 8192 }, async () => {
  await subscribeFeed(natsUrl, deliver);
  const address = http.address();
  if (typeof address === "object" && address !== null) reportPort(address.port);
});
