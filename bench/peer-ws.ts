/**
 * The peer "bare ws": the simplest server with the ws package. Calls `ws.send` for each subscriber, with an
 * envelope of its own. Arguments: the NATS URL, then `deflate` for permessage-deflate with the defaults of
 * ws.
 */

import { type WebSocket, WebSocketServer } from "ws";
import { type FeedMessage, reportPort, subscribeFeed } from "./feed.ts";

interface Client {
  socket: WebSocket;
  seq: number;
  channels: string[];
}

const [natsUrl = "", encoding] = process.argv.slice(2);
const subscribers = new Map<string, Set<Client>>();

function deliver({ offset, ts, type, priority, channel, data }: FeedMessage): void {
  const clients = subscribers.get(channel);
  if (clients === undefined) return;
  const rest = `,"offset":${offset},"ts":${ts},"type":"${type}","priority":"${priority}","channel":"${channel}","data":${data}}`;
  for (const client of clients) client.socket.send(`{"seq":${++client.seq}${rest}`);
}

function subscribe(client: Client, channels: string[]): void {
  for (const channel of channels) {
    const clients = subscribers.get(channel);
    if (clients === undefined) subscribers.set(channel, new Set([client]));
    else clients.add(client);
    client.channels.push(channel);
  }
  client.socket.send(
    JSON.stringify({ type: "subscription_ack", subscribed: client.channels, count: client.channels.length }),
  );
}

function leave(client: Client): void {
  for (const channel of client.channels) subscribers.get(channel)?.delete(client);
}

const server = new WebSocketServer({
  port: 0,
  // With its default threshold, ws would not compress messages of this size.
  perMessageDeflate: encoding === "deflate" ? { threshold: 0 } : false,
});
server.on("connection", (socket) => {
  const client: Client = { socket, seq: 0, channels: [] };
  socket.on("message", (bytes) => {
    const message = JSON.parse(bytes.toString()) as { type?: unknown; channels?: unknown };
    if (message.type === "subscribe" && Array.isArray(message.channels)) subscribe(client, message.channels);
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => leave(client));
});
server.on("listening", async () => {
  await subscribeFeed(natsUrl, deliver);
  const address = server.address();
  if (typeof address === "object" && address !== null) reportPort(address.port);
});
