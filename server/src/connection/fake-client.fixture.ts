/**
 * A client for tests of connections: the real Connection and Commands, on a fake socket whose reader the test
 * controls.
 */

import type { Socket } from "node:net";
import { constants, inflateRawSync } from "node:zlib";
import type { ControlMessage, Envelope } from "@odin-ws/protocol";
import type { Identity } from "../entrance/auth.ts";
import type { ClientSocket } from "../entrance/client-socket.ts";
import { Commands } from "./commands.ts";
import { CompactReader } from "./compact-reader.fixture.ts";
import { Connection } from "./connection.ts";
import { FakeSocket } from "./fake-socket.fixture.ts";
import type { ThrottleSettings } from "./throttle.ts";
import { THROTTLE, type World } from "./world.fixture.ts";

const { Z_SYNC_FLUSH } = constants;

/** A received envelope. Its own `type` is replaced by `envelope`. */
export type ReceivedEnvelope = Omit<Envelope, "type"> & { type: "envelope" };
type Received = ControlMessage | ReceivedEnvelope | { type: "ping" };

function parseFrame(first: number, payload: Buffer, reader: CompactReader): Received | undefined {
  if (first === 0x89) return { type: "ping" };
  if (first === 0x82) {
    const text = reader.read(payload);
    return text === undefined ? undefined : { ...JSON.parse(text), type: "envelope" };
  }
  const deflated = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
  const bytes = first === 0xc1 ? inflateRawSync(deflated, { finishFlush: Z_SYNC_FLUSH }) : payload;
  const message = JSON.parse(bytes.toString());
  return "data" in message ? { ...message, type: "envelope" } : message;
}

export class FakeClient {
  readonly socket = new FakeSocket();
  readonly connection: Connection;
  readonly closed: number[] = [];
  readonly reader: CompactReader;
  terminated = false;
  readonly #commands: Commands;
  #read = 0;

  constructor(
    world: World,
    options: {
      identity?: Identity;
      throttle?: Partial<ThrottleSettings>;
      deflateWindowBits?: number;
      /** Asks for the compact encoding; keeps the dictionaries of this reader. */
      compact?: CompactReader;
    } = {},
  ) {
    this.reader = new CompactReader(options.compact?.known);
    const dictionaries = options.compact && new Set(options.compact.known.keys());
    const ws = {
      deflateWindowBits: options.deflateWindowBits ?? 0,
      close: (code: number) => void this.closed.push(code),
      cut: () => {
        this.terminated = true;
      },
    };
    this.connection = new Connection(world.context, {
      id: "c",
      ws: ws as unknown as ClientSocket,
      socket: this.socket as unknown as Socket,
      identity: options.identity,
      throttle: { ...THROTTLE, ...options.throttle },
      second: world.second,
      dictionaries,
    });
    if (dictionaries !== undefined) this.connection.refer(dictionaries);
    this.#commands = new Commands(world.context, this.connection);
    this.connection.open();
  }

  send(message: object): void {
    this.connection.markAlive();
    this.#commands.handle(JSON.stringify(message));
  }
  subscribe(channels: string[], offset?: number, epoch = "e", options: object = {}): void {
    const since = offset === undefined ? {} : { since: { epoch, offset } };
    this.send({ type: "subscribe", channels, ...since, ...options });
  }

  /** Returns the messages since the last call. */
  take(): Received[] {
    let bytes = Buffer.concat(this.socket.received.slice(this.#read));
    this.#read = this.socket.received.length;
    const received: Received[] = [];
    while (bytes.length > 0) {
      const [first = 0, second = 0] = bytes;
      const start = second < 126 ? 2 : second === 126 ? 4 : 10;
      const length = second < 126 ? second : second === 126 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6);
      const one = parseFrame(first, bytes.subarray(start, start + length), this.reader);
      if (one !== undefined) received.push(one);
      bytes = bytes.subarray(start + length);
    }
    return received;
  }
  /** Returns the envelopes since the last call, and discards other messages. */
  envelopes(): ReceivedEnvelope[] {
    return this.take().filter((message) => message.type === "envelope");
  }
  /** Returns the control messages of a type since the last call, and discards other messages. */
  controls<Type extends ControlMessage["type"]>(type: Type): Extract<ControlMessage, { type: Type }>[] {
    return this.take().filter((message) => message.type === type) as Extract<
      ControlMessage,
      { type: Type }
    >[];
  }
}

/** `[seq, offset]` of each. */
export const pairs = (envelopes: ReceivedEnvelope[]) => envelopes.map(({ seq, offset }) => [seq, offset]);
