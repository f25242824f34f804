/** For tests: a client on a FakeLine without the fallback to HTTP, and all of its events. */

import { connect } from "./connect.ts";
import { FakeLine } from "./fake-line.fixture.ts";
// Loaded now, because the clock of a FakeLine does not wait for the disk when the client loads this file.
import "./fallback.ts";
import type { ConnectOptions, Refetch, Status } from "./types.ts";

export const URL = "wss://gateway.example/ws";

/** @param loads the client loads the fallback by itself */
export function begin(options: ConnectOptions = {}, url = URL, loads = false) {
  const line = new FakeLine();
  const environment = { ...line.environment, ...options.environment };
  const client = connect(url, { ...(!loads && { fallback: false }), ...options, environment });
  const events = { refetches: [] as Refetch[], errors: [] as unknown[], states: [] as Status[] };
  client.on("refetch", (refetch) => events.refetches.push(refetch));
  client.on("error", (error) => events.errors.push(error));
  client.on("status", (status) => events.states.push(status));
  return { line, client, ...events };
}

/** A client with these channels live, at offset 10. */
export async function opened(channels: string[] = ["A.trade"], options?: ConnectOptions) {
  const all = begin(options);
  const got: number[] = [];
  const leave = all.client.subscribe(channels, ({ offset }) => got.push(offset));
  await all.line.pass(0);
  all.line.socket.welcome(10);
  await all.line.pass(0);
  all.line.socket.acknowledge(channels);
  await all.line.pass(100);
  return { ...all, got, leave };
}

const jwt = (exp: number) => `h.${btoa(JSON.stringify({ exp }))}.s`;
/** A token that expires in this many seconds. */
export const inSeconds = (seconds: number) => jwt(Math.floor(Date.now() / 1000) + seconds);
