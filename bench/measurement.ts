/** Publishes traffic to one server and measures the CPU and the latency of its deliveries. */

import { setTimeout as sleep } from "node:timers/promises";
import { subjectOf } from "@odin-ws/protocol";
import { moment } from "./clock.ts";
import type { LoadClient } from "./load-client.ts";
import type { Arrived, Published } from "./load-messages.ts";
import { EVERYONE, type Plan, stamped, tradeBody } from "./messages.ts";
import { cpuMicros } from "./process.ts";
import { fitIdle, type IdleCost, type IdleSample, idleMicros, type Latency } from "./stats.ts";
import type { Server } from "./subjects.ts";

/** How long a server that cannot keep up may take to deliver the rest, before the rest counts as lost. */
const CATCH_UP_MS = 90_000; // 90 s

export interface Traffic {
  deliveries: number;
  seconds: number;
  /** CPU for each delivery, µs: without and with the CPU that the idle server uses. */
  cpuMicros: number;
  cpuMicrosRaw: number;
  /**
   * CPU of the load process for each delivery, µs. The load process shares the cores with the server, so a
   * large value means that the load process is a bottleneck.
   */
  loadMicros: number;
  /** Bytes on the wire for each delivery, without the headers of TCP and IP. */
  bytes: number;
  latency: Latency;
  checked: number;
}

/** Sleeps until a time on the clock of `performance.now()`, ms. */
const until = (time: number): Promise<void> => sleep(Math.max(time - performance.now(), 0));

export class Measurement {
  readonly #server: Server;
  readonly #load: LoadClient;
  idle: IdleCost = { perSecond: 0, perPing: 0 };
  /** Percent of a core. */
  idlePercent = 0;
  readonly errors: string[] = [];

  constructor(server: Server, load: LoadClient) {
    this.#server = server;
    this.#load = load;
  }

  publish(channel: string, body: string): void {
    this.#server.publisher.publish(subjectOf(channel), stamped(body));
  }

  /** Measures the CPU of the idle server: reads CPU and heartbeats once a second. */
  async watchIdle(seconds: number): Promise<void> {
    const samples: IdleSample[] = [];
    let [cpu, pings, at] = [
      cpuMicros(this.#server.pids),
      await this.#load.ask<"pings">({ kind: "pings" }),
      performance.now(),
    ];
    for (let i = 0; i < seconds; i++) {
      await sleep(1000);
      const now = performance.now();
      const [cpuNow, pingsNow] = [
        cpuMicros(this.#server.pids),
        await this.#load.ask<"pings">({ kind: "pings" }),
      ];
      samples.push({ seconds: (now - at) / 1000, cpuMicros: cpuNow - cpu, pings: pingsNow - pings });
      [cpu, pings, at] = [cpuNow, pingsNow, now];
    }
    this.idle = fitIdle(samples);
    this.idlePercent = samples.reduce((sum, sample) => sum + sample.cpuMicros, 0) / seconds / 1e4;
  }

  /** Runs `send`, which returns what was published, and waits until everything has arrived. */
  async traffic(what: string, send: () => Promise<Published>): Promise<[Traffic, Arrived]> {
    await this.#load.ask<"begin">({ kind: "begin" });
    const [cpu, at] = [cpuMicros(this.#server.pids), performance.now()];
    const loadBefore = this.#load.cpuMicros;
    const published = await send();
    const arrived = await this.#load.ask<"finish">({ kind: "finish", published, timeoutMs: CATCH_UP_MS });
    const loadMicros = (this.#load.cpuMicros - loadBefore) / Math.max(arrived.deliveries, 1);
    const raw = cpuMicros(this.#server.pids) - cpu;
    const seconds = (performance.now() - at) / 1000;
    this.errors.push(...arrived.errors.map((error) => `${what}: ${error}`));
    const count = Math.max(arrived.deliveries, 1);
    const traffic = {
      deliveries: arrived.deliveries,
      seconds,
      cpuMicros: (raw - idleMicros(this.idle, seconds, arrived.pings)) / count,
      cpuMicrosRaw: raw / count,
      loadMicros,
      bytes: arrived.bytes / count,
      latency: arrived.latency,
      checked: arrived.checked,
    };
    return [traffic, arrived];
  }

  /**
   * Publishes messages at an even rate, to the hot channels in turn.
   *
   * @param burst messages that are published at the same moment
   */
  async steady({ hot }: Plan, rate: number, seconds: number, burst = 1): Promise<Traffic> {
    const [traffic] = await this.traffic(`${rate} msg/s`, async () => {
      const published: Published = {};
      const begin = performance.now();
      for (let i = 0; i < rate * seconds; i++) {
        if (i % burst === 0) await until(begin + (i * 1000) / rate);
        const channel = hot[i % hot.length] ?? EVERYONE;
        this.publish(channel, tradeBody());
        published[channel] = (published[channel] ?? 0) + 1;
      }
      await until(begin + seconds * 1000);
      return published;
    });
    return traffic;
  }

  /** Publishes one message to all clients. */
  async everyone(body: string): Promise<{ traffic: Traffic; lastMs: number }> {
    let sentAt = 0;
    const [traffic, arrived] = await this.traffic("to everyone", async () => {
      sentAt = moment();
      this.publish(EVERYONE, body);
      return { [EVERYONE]: 1 };
    });
    return { traffic, lastMs: (arrived.lastAt - sentAt) / 1000 };
  }
}
