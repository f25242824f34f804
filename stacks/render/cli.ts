/** `npm run render`: writes the files of a stack's monitoring. */

import { fileURLToPath } from "node:url";
import { runProgram } from "../preview/run-program.ts";
import { stackNames } from "../preview/stack-config.ts";
import { HELP, readRenderOptions, render } from "./render.ts";

const folder = fileURLToPath(new URL("../../", import.meta.url));
const options = readRenderOptions(process.argv.slice(2), stackNames(folder));
await runProgram(options, HELP, "npm run render -- --stack staging", async (read) => render(read, folder));
