/**
 * `npm run monitoring`: runs Prometheus, Alertmanager and Loki for the gateway of `npm start`, with the same
 * files as in the cloud.
 */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, flag, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { type EndSignal, exitCodeOf, untilSignal } from "@odin-ws/settings/signals";
import { boolean, listOf, text } from "@odin-ws/settings/values";
import { howToGet } from "@odin-ws/tools/programs";
import { monitoringFiles } from "../files.ts";
import { PORTS, type Ports } from "../services/ports.ts";
import { LogSender } from "./log-sender.ts";
import { localOptions } from "./options.ts";
import { LOCAL_PROGRAMS, type LocalMonitoring, startLocal } from "./programs.ts";

/** Names that --port accepts. */
const MOVABLE = [
  ...LOCAL_PROGRAMS,
  "lokiGrpc",
  "natsExporter",
  "publisher",
  "grafana",
] as const satisfies (keyof Ports)[];

const EXAMPLE_GATEWAY = `127.0.0.1:${PORTS.gateway}`;
const MAX_PORT = 65_535;

const isPort = (text: string): boolean =>
  /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_PORT;
const gatewayAddress = () =>
  text((address) => {
    const [, port = ""] = /^[\w.-]+:(\d+)$/.exec(address) ?? [];
    return isPort(port);
  }, `must be HOST:PORT with a port from 1 to ${MAX_PORT}, for example ${EXAMPLE_GATEWAY}`);
const movedPort = () =>
  text(
    (moved) => {
      const [, name, port = ""] = /^(\w+)=(\d+)$/.exec(moved) ?? [];
      return MOVABLE.some((movable) => movable === name) && isPort(port);
    },
    `must be NAME=PORT, with NAME one of ${MOVABLE.join(", ")}, and a port from 1 to ${MAX_PORT}`,
  ).transform((moved) => moved.split("=") as [keyof Ports, string]);

const COMMAND = {
  name: "npm run monitoring",
  usage: `npm run monitoring -- [options]             while 'npm start' runs in another terminal
npm start | npm run monitoring [-- options]     also sends the gateway's log lines to Loki`,
  about: `Runs Prometheus, Alertmanager and Loki, as far as they are installed, with the files of 'npm run render -- --stack local'.
Press Ctrl-C to stop them; their files are then deleted.`,
  options: {
    gateway: option(
      "HOST:PORT",
      listOf(gatewayAddress())
        .default([EXAMPLE_GATEWAY])
        .describe(`operations port of a gateway (${EXAMPLE_GATEWAY}); may be repeated`),
      { repeatable: true },
    ),
    nats: flag(
      boolean()
        .default(false)
        .describe(`a NATS exporter runs on this machine, on port ${PORTS.natsExporter}`),
    ),
    publisher: flag(
      boolean()
        .default(false)
        .describe(`the publisher's service (npm run publisher) runs here, on port ${PORTS.publisher}`),
    ),
    port: option(
      "NAME=PORT",
      listOf(movedPort())
        .optional()
        .describe(
          `another port: ${MOVABLE.map((name) => `${name}=${PORTS[name]}`).join(", ")}; may be repeated. The NATS exporter, ` +
            "the publisher and Grafana are not started by this command",
        ),
      { repeatable: true },
    ),
  },
} satisfies Command;

const LAST_LINES_MS = 3_000; // ms that a gateway gets to end

async function main(): Promise<number> {
  const {
    gateway: gateways,
    nats,
    publisher,
    port: moved = [],
  } = valuesOrExit(COMMAND, readCommand(COMMAND, process.argv.slice(2)));
  const ports: Partial<Ports> = Object.fromEntries(moved.map(([name, port]) => [name, Number(port)]));
  const options = localOptions({ gateways, nats, publisher, ports });
  const { signal } = untilSignal({
    endAtOnce: (name) => {
      monitoring.kill();
      process.exit(exitCodeOf(name));
    },
    hangUp: true,
  });
  const stopped = signal.then((name) => ({ signal: name }));
  const monitoring = startLocal(monitoringFiles(options), ports);
  for (const name of LOCAL_PROGRAMS)
    if (!monitoring.names.includes(name)) process.stderr.write(`without ${name}: ${howToGet(name)}\n`);
  if (monitoring.names.length === 0) {
    await monitoring.stop();
    return 1;
  }
  const [host = ""] = gateways;
  const sender = shipLogs(new LogSender({ lokiUrl: monitoring.urls.loki, host }), monitoring);
  const end = await Promise.race<{ signal: EndSignal } | string>([
    stopped,
    monitoring.failed,
    monitoring.ready.then(
      () => {
        printAddresses(monitoring, gateways);
        return stopped;
      },
      (error: Error) => error.message,
    ),
  ]);
  if (typeof end === "object" && end.signal === "SIGINT" && sender) await lastLines();
  await sender?.close();
  await monitoring.stop();
  if (typeof end === "object") return 0;
  process.stderr.write(`${end}\n`);
  return 1;
}

/** Waits for the gateway's last log lines: after a Ctrl-C the gateway ends too. */
async function lastLines(): Promise<void> {
  const ended = process.stdin.readableEnded ? undefined : once(process.stdin, "end");
  await Promise.race([ended, sleep(LAST_LINES_MS, undefined, { ref: false })]);
}

function printAddresses({ names, urls }: LocalMonitoring, gateways: readonly string[]): void {
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `${name.padEnd(width)}  ${urls[name]}`);
  process.stdout.write(`${lines.join("\n")}\nmonitoring ${gateways.join(", ")}; press Ctrl-C to stop\n`);
}

/** Bytes of output that may wait for the reader of stdout. */
const MAX_WAITING_BYTES = 1_048_576;

/** Copies stdin, the gateway's output, to stdout and to Loki. Does nothing without a pipe or without Loki. */
function shipLogs(sender: LogSender, { names }: LocalMonitoring): LogSender | undefined {
  if (process.stdin.isTTY || !names.includes("loki")) return undefined;
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (output: string) => {
    // While nobody reads stdout, the lines still reach Loki.
    if (process.stdout.writableLength < MAX_WAITING_BYTES) process.stdout.write(output);
    sender.add(output);
  });
  process.stdin.on("error", () => {});
  return sender;
}

process.stdout.on("error", () => {}); // `npm run monitoring | head` closes stdout early, which is no error
process.exitCode = await main();
process.exit();
