/**
 * Packs the package, installs it in an empty folder as an application does, imports it and checks its types.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "./build.ts";

const CLIENT = dirname(fileURLToPath(import.meta.url));
const ROOT = join(CLIENT, "..");
const TSC = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));

const PLAIN = `
import { connect, type Client, type Envelope, type Status } from "@odin-ws/client";
import { compact } from "@odin-ws/client/compact";
import { fallback } from "@odin-ws/client/fallback";
const overHttp = fallback({ rollout: { percent: 12.5, key: "ann" }, pollMs: 1000, stream: false });
const options = { token: async () => "t", pauseHiddenAfter: 1000, encoding: compact, fallback: overHttp };
connect("ws://127.0.0.1:9/ws", { fallback: false }).close();
const client: Client = connect("ws://127.0.0.1:9/ws", options);
const leave: () => void = client.subscribe<{ price: number }>(["BTC.trade", "ETH.*"], ({ data, offset }, { late }) => {
  const price: number = data.price;
  void [price, offset.toFixed(), late === true];
});
client.on("refetch", ({ channels, reason }) => void [channels.join(), reason === "history"]);
const status: Status = client.status;
const level: 0 | 1 | 2 | 3 = status.throttle;
export const latest = (message: Envelope<{ price: number }>): number => message.data.price + level;
leave();
client.close();
// @ts-expect-error: the data of a listener has the declared type
client.subscribe<{ price: number }>("BTC.trade", ({ data }) => data.volume);
// @ts-expect-error: there is no such event
client.on("closed", () => {});
// @ts-expect-error: the status of a client is read-only
client.status.state = "open";
`;

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

test("the packed and installed package can be imported in Node, and its types are right", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "odin-package-"));
  t.after(() => rm(folder, { recursive: true }));
  const [made, app] = [join(folder, "made"), join(folder, "app")];
  await build(made);
  const tarball = run("npm", ["pack", made, "--pack-destination", folder, "--silent"], folder).trim();
  await mkdir(app);
  await writeFile(join(app, "package.json"), '{ "private": true, "type": "module" }');
  const install = ["install", join(folder, tarball), "--offline", "--no-audit", "--no-fund"];
  run("npm", install, app);

  const script = `
    import * as library from "@odin-ws/client";
    import { compact } from "@odin-ws/client/compact";
    const client = library.connect("ws://127.0.0.1:9/ws", { encoding: compact });
    client.subscribe("A.trade", () => {});
    client.on("status", ({ state }) => {
      if (state !== "waiting") return;
      client.close();
      console.log(Object.keys(library).join(), client.status.state);
    });`;
  await writeFile(join(app, "app.js"), script);
  assert.equal(run(process.execPath, ["app.js"], app), "connect closed\n");

  // The packages of an application with React.
  for (const name of ["react", "@types/react", "csstype"]) {
    await mkdir(dirname(join(app, "node_modules", name)), { recursive: true });
    await symlink(join(ROOT, "node_modules", name), join(app, "node_modules", name));
  }
  const react =
    "import * as hooks from '@odin-ws/client/react'; console.log(Object.keys(hooks).sort().join())";
  await writeFile(join(app, "hooks.js"), react);
  assert.equal(
    run(process.execPath, ["hooks.js"], app),
    "OdinProvider,useChannel,useConnection,useFeed,useRefetch\n",
  );

  const readme = await readFile(join(CLIENT, "README.md"), "utf8");
  await writeFile(join(app, "plain.ts"), PLAIN);
  await writeFile(join(app, "app.tsx"), readme.match(/```tsx\n(.*?)```/s)?.[1] ?? "");
  for (const [module, resolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    // Without skipLibCheck, so that the package's own declarations are checked, too.
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: "es2022",
      lib: ["es2022", "dom"],
      types: [],
      jsx: "react-jsx",
      module,
      moduleResolution: resolution,
      preserveSymlinks: true,
    };
    const config = { compilerOptions, files: ["plain.ts", "app.tsx"] };
    await writeFile(join(app, "tsconfig.json"), JSON.stringify(config));
    run(process.execPath, [TSC, "-p", "."], app);
  }
});
