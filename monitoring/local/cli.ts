/** `npm run monitoring`: Prometheus, Alertmanager and Loki beside `npm start`, from the files that the cloud gets too. */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { howToGet } from "@odin-ws/tools/programs";
import { monitoringFiles } from "../files.ts";
import { PORTS, type Ports } from "../services/ports.ts";
import { LogSender } from "./log-sender.ts";
import { localOptions } from "./options.ts";
import { LOCAL_PROGRAMS, type LocalMonitoring, startLocal } from "./programs.ts";

/** What --port takes. */
const MOVABLE = [...LOCAL_PROGRAMS, "natsExporter", "grafana"] as const satisfies (keyof Ports)[];

const HELP = `npm run monitoring -- [options]            beside: npm start
npm start | npm run monitoring [-- options]     with the gateway's logs in Loki

Runs Prometheus, Alertmanager and Loki, those of them that are found, with the files that 'npm run render -- --stack local'
writes. Ctrl-C ends them and leaves nothing behind.

  --gateway HOST:PORT   operations port of a gateway (127.0.0.1:3002); may be given several times
  --nats                an exporter of NATS's state listens on port ${PORTS.natsExporter}
  --port NAME=PORT      where one listens: ${MOVABLE.map((name) => `${name}=${PORTS[name]}`).join(", ")};
                        the last two are started by you, if at all
  --help                shows this`;

const LAST_LINES = 3_000; // ms for a gateway to end

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
      () => tell(monitoring, settings.gateways).then(() => stopped),
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

/** Resolves with the first signal to end. Later ones change nothing: ending takes seconds at most. */
function signalled(): Promise<Signalled> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => resolve({ signal }));
  });
}

/** A Ctrl-C has reached the gateway as well: what it says while it ends is the last of its log. */
async function lastLines(): Promise<void> {
  const ended = process.stdin.readableEnded ? undefined : once(process.stdin, "end");
  await Promise.race([ended, sleep(LAST_LINES, undefined, { ref: false })]);
}

async function tell({ names, urls }: LocalMonitoring, gateways: readonly string[]): Promise<void> {
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `${name.padEnd(width)}  ${urls[name]}`);
  process.stdout.write(`${lines.join("\n")}\nwatching ${gateways.join(", ")}; Ctrl-C ends it\n`);
}

/** What comes in goes on to be read, and to Loki. */
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

process.stdout.on("error", () => {}); // `npm run monitoring | head` is no error
process.exitCode = await main();
process.exit();
