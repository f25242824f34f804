/**
 * `npm run monitoring`: runs Prometheus, Alertmanager and Loki for the gateway of `npm start`, with the same
 * files as in the cloud.
 */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { howToGet } from "@odin-ws/tools/programs";
import { monitoringFiles } from "../files.ts";
import { PORTS, type Ports } from "../services/ports.ts";
import { LogSender } from "./log-sender.ts";
import { localOptions } from "./options.ts";
import { LOCAL_PROGRAMS, type LocalMonitoring, startLocal } from "./programs.ts";

/** Names that --port accepts. */
const MOVABLE = [...LOCAL_PROGRAMS, "natsExporter", "grafana"] as const satisfies (keyof Ports)[];

const HELP = `npm run monitoring -- [options]             while 'npm start' runs in another terminal
npm start | npm run monitoring [-- options]     also sends the gateway's log lines to Loki

Runs Prometheus, Alertmanager and Loki, as far as they are installed, with the files of 'npm run render -- --stack local'.
Press Ctrl-C to stop them; their files are then deleted.

  --gateway HOST:PORT   operations port of a gateway (default 127.0.0.1:3002); may be repeated
  --nats                a NATS exporter runs on this machine, on port ${PORTS.natsExporter}
  --port NAME=PORT      another port: ${MOVABLE.map((name) => `${name}=${PORTS[name]}`).join(", ")};
                        the NATS exporter and Grafana are not started by this command
  --help                prints this text`;

const LAST_LINES = 3_000; // ms that a gateway gets to end

interface Signalled {
  signal: NodeJS.Signals;
}

interface Settings {
  gateways: string[];
  nats: boolean;
  ports: Partial<Ports>;
}

/** @throws Error that says what is wrong with the arguments */
function read(args: string[]): Settings | "help" {
  const { values } = parseArgs({
    args,
    options: {
      gateway: { type: "string", multiple: true },
      nats: { type: "boolean" },
      port: { type: "string", multiple: true },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";
  const ports: Partial<Ports> = {};
  for (const given of values.port ?? []) {
    const [, name = "", port = ""] = /^(\w+)=(\d{1,5})$/.exec(given) ?? [];
    const known = MOVABLE.find((movable) => movable === name);
    if (known === undefined)
      throw new Error(`--port ${given}: NAME=PORT, with NAME one of ${MOVABLE.join(", ")}`);
    ports[known] = portNumber(port, `--port ${given}`);
  }
  const gateways = values.gateway ?? [`127.0.0.1:${PORTS.gateway}`];
  for (const gateway of gateways) {
    const [, port] = /^[\w.-]+:(\d{1,5})$/.exec(gateway) ?? [];
    if (port === undefined)
      throw new Error(`--gateway ${gateway}: HOST:PORT, for example 127.0.0.1:${PORTS.gateway}`);
    portNumber(port, `--gateway ${gateway}`);
  }
  return { gateways, nats: values.nats ?? false, ports };
}

function portNumber(text: string, where: string): number {
  const port = Number(text);
  if (port < 1 || port > 65_535) throw new Error(`${where}: a port is a number from 1 to 65535`);
  return port;
}

async function main(): Promise<number> {
  let settings: Settings | "help";
  try {
    settings = read(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${HELP}\n`);
    return 2;
  }
  if (settings === "help") {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const { ports } = settings;
  const options = localOptions(settings);
  const stopped = signalled();
  const monitoring = startLocal(monitoringFiles(options), ports);
  for (const name of LOCAL_PROGRAMS)
    if (!monitoring.names.includes(name)) process.stderr.write(`without ${name}: ${howToGet(name)}\n`);
  if (monitoring.names.length === 0) {
    await monitoring.stop();
    return 1;
  }
  const [host = ""] = settings.gateways;
  const sender = shipLogs(new LogSender({ lokiUrl: monitoring.urls.loki, host }), monitoring);
  const end = await Promise.race<Signalled | string>([
    stopped,
    monitoring.failed,
    monitoring.ready.then(
      () => {
        printAddresses(monitoring, settings.gateways);
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

/**
 * Resolves with the first signal to stop. Later signals have no effect, because stopping takes seconds at
 * most.
 */
function signalled(): Promise<Signalled> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => resolve({ signal }));
  });
}

/** Waits for the gateway's last log lines: after a Ctrl-C the gateway ends too. */
async function lastLines(): Promise<void> {
  const ended = process.stdin.readableEnded ? undefined : once(process.stdin, "end");
  await Promise.race([ended, sleep(LAST_LINES, undefined, { ref: false })]);
}

function printAddresses({ names, urls }: LocalMonitoring, gateways: readonly string[]): void {
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `${name.padEnd(width)}  ${urls[name]}`);
  process.stdout.write(`${lines.join("\n")}\nmonitoring ${gateways.join(", ")}; press Ctrl-C to stop\n`);
}

/** Copies stdin, the gateway's output, to stdout and to Loki. Does nothing without a pipe or without Loki. */
function shipLogs(sender: LogSender, { names }: LocalMonitoring): LogSender | undefined {
  if (process.stdin.isTTY || !names.includes("loki")) return undefined;
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (output: string) => {
    process.stdout.write(output);
    sender.add(output);
  });
  process.stdin.on("error", () => {});
  return sender;
}

process.stdout.on("error", () => {}); // `npm run monitoring | head` closes stdout early, which is no error
process.exitCode = await main();
process.exit();
