/**
 * The peer "Socket.IO": rooms are channels. WebSocket is the only transport, and compression is off, so that
 * the adapter encodes each message once for all clients. Messages have no number for each client. Argument:
 * the NATS URL.
 */

import { createServer } from "node:http";
import { Server } from "socket.io";
import { type FeedMessage, reportPort, subscribeFeed } from "./feed.ts";

const [natsUrl = ""] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });

// Socket.IO's documentation recommends this to save memory: the request of the upgrade is no longer needed.
io.engine.on("connection", (connection: { request: unknown }) => {
  connection.request = null;
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

http.listen(0, "127.0.0.1", async () => {
  await subscribeFeed(natsUrl, deliver);
  const address = http.address();
  if (typeof address === "object" && address !== null) reportPort(address.port);
});
