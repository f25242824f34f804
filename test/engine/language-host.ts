/** Runs Pulumi programs for the engine, instead of the language plugin of Pulumi's own packages. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import automation from "@pulumi/pulumi/automation/server.js";
import type { PulumiFn } from "@pulumi/pulumi/automation/workspace.js";
import { RunError } from "@pulumi/pulumi/errors.js";
import service from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

/**
 * A program: a function in this process, or a folder whose package.json has a `main`, which runs in its own
 * process as Pulumi does it.
 */
export type Program = PulumiFn | { folder: string };

/** A server to which the engine connects because of PULUMI_DEBUG_LANGUAGES. */
export interface LanguageHost {
  port: number;
  stop(): void;
}

/** Serves on a free port of the loopback interface. @param program is called at each run */
export async function serveLanguage(program: () => Program): Promise<LanguageHost> {
  ignoreEndOfMonitor();
  const server = new Server();
  let engine = ""; // address for logs and errors, which differs in each run
  server.addService(service.LanguageRuntimeService, {
    handshake({ request }: HandshakeCall, callback: sendUnaryData<HandshakeResponse>) {
      engine = request.getEngineAddress();
      callback(null, new language.LanguageHandshakeResponse());
    },
    getPluginInfo: answer(() => new plugin.PluginInfo()),
    getRequiredPackages: answer(() => new language.GetRequiredPackagesResponse()),
    getProgramDependencies: answer(() => new language.GetProgramDependenciesResponse()),
    cancel: answer(() => new empty.Empty()),
    run(call: RunCall, callback: sendUnaryData<RunResponse>) {
      const what = program();
      call.request.setArgsList([engine]); // the SDK's server expects the address here
      if (typeof what === "function") runFunction(what, call, callback);
      else runPackage(what.folder, call.request).then((response) => callback(null, response), callback);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return { port, stop: () => server.forceShutdown() };
}

let isIgnored = false;

/**
 * Ignores rejections that follow a failed run. The engine exits while the program still registers resources,
 * and the SDK handles the rejections of these calls nowhere. Some of them come after the run, and the test
 * runner, whose listeners are installed already, would count each one as a failed test. A RunError of the
 * program is in the output of the run, and rejects more promises of the SDK.
 */
function ignoreEndOfMonitor(): void {
  if (isIgnored) return;
  isIgnored = true;
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error, promise) => {
    if (error instanceof Error && /Resource monitor (is terminating|has terminated)/.test(error.message))
      return;
    if (error instanceof Error && RunError.isInstance(error)) return;
    for (const listener of others) listener(error, promise);
  });
}

/** The server that runs inline programs of the Automation API; the SDK's type declarations do not have it. */
const { LanguageServer } = automation as unknown as {
  LanguageServer: new (
    program: PulumiFn,
  ) => { run(call: RunCall, callback: sendUnaryData<RunResponse>): void };
};

type RunResponse = InstanceType<typeof language.RunResponse>;
type HandshakeResponse = InstanceType<typeof language.LanguageHandshakeResponse>;
type HandshakeCall = ServerUnaryCall<
  InstanceType<typeof language.LanguageHandshakeRequest>,
  HandshakeResponse
>;
type RunCall = ServerUnaryCall<InstanceType<typeof language.RunRequest>, RunResponse>;

const answer =
  <Response>(make: () => Response) =>
  (_call: unknown, callback: sendUnaryData<Response>) =>
    callback(null, make());

/**
 * Runs a program in this process. The SDK takes the stack of each promise that it creates, which would be an
 * eighth of the CPU time of a suite; no error of a program that a test expects needs its stack.
 */
function runFunction(program: PulumiFn, call: RunCall, callback: sendUnaryData<RunResponse>): void {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const answered: typeof callback = (...answer) => {
    Error.stackTraceLimit = stackTraceLimit;
    callback(...answer);
  };
  new LanguageServer(program).run(call, once(answered));
}

/** Passes on the first answer only, because the SDK's server answers a failed run twice. */
function once<Value>(callback: sendUnaryData<Value>): sendUnaryData<Value> {
  let isAnswered = false;
  return (...answers) => {
    if (isAnswered) return;
    isAnswered = true;
    callback(...answers);
  };
}

const LOGGED = 32; // exit code of a program that has sent its error to the engine

/**
 * Runs the SDK's runner as pulumi-language-nodejs does: settings are arguments, and the configuration is in
 * the environment.
 */
async function runPackage(folder: string, request: RunCall["request"]): Promise<RunResponse> {
  const runner = fileURLToPath(import.meta.resolve("@pulumi/pulumi/cmd/run/index.js"));
  const args = Object.entries({
    monitor: request.getMonitorAddress(),
    engine: request.getArgsList()[0] ?? "",
    organization: request.getOrganization(),
    project: request.getProject(),
    stack: request.getStack(),
    pwd: folder,
    "root-directory": folder,
    parallel: String(request.getParallel()),
  }).flatMap(([name, value]) => [`--${name}`, value]);
  if (request.getDryrun()) args.push("--dry-run");
  const child = spawn(process.execPath, [runner, ...args, "."], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().entries())),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const response = new language.RunResponse();
  response.setBail(code === LOGGED);
  if (code !== 0 && code !== LOGGED) response.setError(`the program ended with ${code}:\n${output}`);
  return response;
}
