/** What the service is told by the environment. */

import { z } from "zod";
import { MAX_RATE } from "../market/market.ts";
import type { PublisherOptions } from "../options.ts";
import { decimal, readEnvironment, whole } from "./environment.ts";

const MAX_PORT = 65_535;

/** Beside where NATS and the stream are: see environment.ts. */
const SETTINGS = {
  PUBLISHER_PORT: whole(0, MAX_PORT).default(3003),
  RATE: decimal(0, MAX_RATE).default(12),
  TOKENS: whole(1, 100_000).default(200),
  SEED: whole(0, Number.MAX_SAFE_INTEGER).optional(),
  AUTOSTART: z
    .enum(["true", "false"], {
      error: ({ input }) => `must be true or false, not ${JSON.stringify(input)}`,
    })
    .default("true"),
};

export interface ServiceSettings {
  /** 0: any free one. */
  port: number;
  /** Events per second beside trending; 0: paused until somebody sets a rate. */
  rate: number;
  tokens: number;
  seed: number;
  publisher: PublisherOptions;
  /** `host:port` of the servers, without passwords. */
  servers: string;
}

/** Reads the environment; returns one line per mistake when there are any. */
export function readServiceSettings(env: NodeJS.ProcessEnv): ServiceSettings | { problems: string[] } {
  const { settings, publisher, servers, problems } = readEnvironment(SETTINGS, env);
  if (settings === undefined || problems.length > 0) return { problems };
  return {
    port: settings.PUBLISHER_PORT,
    rate: settings.AUTOSTART === "true" ? settings.RATE : 0,
    tokens: settings.TOKENS,
    seed: settings.SEED ?? Math.floor(Math.random() * 2 ** 32),
    publisher,
    servers,
  };
}
