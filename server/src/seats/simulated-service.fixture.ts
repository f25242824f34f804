/** Gateways that count the connections of users together, with a simulated network and clock. */

import { CLOSE } from "@odin-ws/protocol";
import { SeatedClients } from "../connection/seated-clients.ts";
import { Admission, type Refusal } from "../entrance/admission.ts";
import { SeatRegistry } from "../entrance/seat-registry.ts";
import { userKey } from "./hash.ts";
import { decodeMail, encodeMail, type SeatMessage } from "./messages.ts";
import type { ClaimResult } from "./own-seats.ts";
import type { UserLimit } from "./seat-owner.ts";
import { ServiceSeats } from "./service-seats.ts";

const STEP_MS = 50;

/** A device of a user. */
export interface Device {
  user: string;
  gateway: SimulatedGateway;
  connectedAt: number;
  /** False once its network is gone: it answers no ping. */
  alive: boolean;
  /** Close code; undefined while connected. */
  code: number | undefined;
}

interface Letter {
  from: SimulatedGateway;
  to: SimulatedGateway;
  text: string;
  at: number;
}

export class SimulatedService {
  readonly limit: UserLimit;
  readonly gateways: SimulatedGateway[] = [];
  now = 1_760_000_000_000;
  /** Messages between gateways, also those that were lost. */
  sent = 0;
  bytes = 0;
  /** Returns the delay of a message in ms; undefined: the message is lost. */
  delay: () => number | undefined = () => 1;
  /** Whether messages of this gateway to others are lost. */
  isLost: (from: SimulatedGateway) => boolean = () => false;
  readonly #letters: Letter[] = [];

  constructor(limit: UserLimit) {
    this.limit = limit;
  }

  start(): SimulatedGateway {
    const gateway = new SimulatedGateway(this, `g${this.gateways.length}`);
    this.gateways.push(gateway);
    gateway.seats.connected();
    return gateway;
  }

  /** Starts gateways and waits until they know each other. */
  async startAll(count: number): Promise<SimulatedGateway[]> {
    const started = Array.from({ length: count }, () => this.start());
    await this.pass(500);
    return started;
  }

  get running(): SimulatedGateway[] {
    return this.gateways.filter(({ state }) => state === "running");
  }

  /** Devices that are connected to gateways that run. */
  devicesOf(user: string): Device[] {
    return this.running.flatMap(({ devices }) => [...devices]).filter((device) => device.user === user);
  }

  post(from: SimulatedGateway, to: string | undefined, message: SeatMessage): void {
    const text = encodeMail({ from: from.id, messages: [message] });
    const receivers = this.gateways.filter(({ id }) => to === undefined || id === to);
    for (const receiver of receivers) {
      this.sent++;
      this.bytes += text.length;
      const delay = receiver === from ? 0 : this.delay();
      if (from.cut || delay === undefined || (receiver !== from && this.isLost(from))) continue;
      // NATS keeps the order from one gateway to another.
      const last = this.#letters.findLast((letter) => letter.from === from && letter.to === receiver);
      const at = Math.max(this.now + delay, last?.at ?? 0);
      this.#letters.push({ from, to: receiver, text, at });
    }
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += STEP_MS;
      for (const gateway of this.running) gateway.seats.pass(STEP_MS);
      await this.deliver();
    }
  }

  /** Delivers all messages that have arrived by now, and those that answer them at once. */
  async deliver(): Promise<void> {
    await turn();
    for (;;) {
      const at = this.#letters.findIndex((letter) => letter.at <= this.now);
      if (at < 0) return;
      const [{ to, text }] = this.#letters.splice(at, 1) as [Letter];
      const mail = decodeMail(text);
      if (mail === undefined) throw new Error(`not understood: ${text}`);
      if (!to.cut && to.state === "running") to.seats.receive(mail);
      await turn();
    }
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

export class SimulatedGateway {
  readonly id: string;
  readonly seats: ServiceSeats;
  readonly devices = new Set<Device>();
  readonly results: ClaimResult[] = [];
  state: "running" | "left" | "killed" = "running";
  /** Whether NATS is away. */
  cut = false;
  readonly #service: SimulatedService;
  readonly #registry: SeatRegistry;
  readonly #seated: SeatedClients;
  #lastSeat = 0;

  constructor(service: SimulatedService, id: string) {
    this.id = id;
    this.#service = service;
    const { limit } = service;
    const admission = new Admission({
      maxConnections: 1e6,
      maxPerUser: limit.maxPerUser,
      maxPerIpPerSecond: 0,
    });
    this.#registry = new SeatRegistry(admission, limit);
    this.seats = new ServiceSeats({
      id,
      limit,
      send: (to, message) => service.post(this, to, message),
      clients: {
        check: (ids) => this.#registry.check(ids),
        replace: (seat) => this.#registry.replace(seat),
      },
      wallClock: () => service.now,
      onResult: (result) => this.results.push(result),
      onShared: () => {},
    });
    this.#registry.userSeats = this.seats;
    this.#seated = new SeatedClients({
      take: () => Promise.reject(new Error("not used")),
      free: (seat) => this.#registry.free(this.#seated, seat),
    });
    this.#registry.add(this.#seated);
  }

  /** Connects a device. Resolves with the device, or with the refusal. */
  async connect(user: string): Promise<Device | Refusal> {
    const seat = ++this.#lastSeat;
    const refusal = await this.#registry.take(this.#seated, seat, { user, ip: "192.0.2.1" });
    if (refusal !== undefined) return refusal;
    const device: Device = {
      user,
      gateway: this,
      connectedAt: this.#service.now,
      alive: true,
      code: undefined,
    };
    const end = (code: number) => {
      if (device.code !== undefined) return;
      device.code = code;
      this.devices.delete(device);
      this.#seated.remove(seat);
    };
    this.devices.add(device);
    this.#ends.set(device, end);
    this.#seated.add(seat, {
      probe: async () => device.alive,
      close: end,
      terminate: () => end(1006),
    });
    return device;
  }

  readonly #ends = new Map<Device, (code: number) => void>();

  disconnect(device: Device): void {
    this.#ends.get(device)?.(1000);
  }

  leave(): void {
    this.seats.leave();
    this.state = "left";
    for (const device of [...this.devices]) this.#ends.get(device)?.(CLOSE.restart);
  }

  kill(): void {
    this.state = "killed";
    for (const device of this.devices) device.code = 1006;
    this.devices.clear();
  }

  /** The connection to NATS is lost, or is back. */
  setCut(cut: boolean): void {
    if (this.cut === cut) return;
    this.cut = cut;
    if (cut) this.seats.disconnected();
    else this.seats.connected();
  }

  /** Ids of the gateways with seats of this user, as this gateway counts them. */
  booked(user: string): string[] {
    return this.seats.booked(userKey(user)).map(({ gateway }) => gateway);
  }
}
