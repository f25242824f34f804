/** `npm run render`: writes the files of a stack's monitoring. */

import { fileURLToPath } from "node:url";
import { runProgram } from "../preview/run-program.ts";
import { stackNames } from "../preview/stack-config.ts";
import { readRenderOptions, render, renderCommand } from "./render.ts";

const folder = fileURLToPath(new URL("../../", import.meta.url));
const stacks = stackNames(folder);
const options = readRenderOptions(process.argv.slice(2), stacks);
await runProgram(renderCommand(stacks), options, async (read) => render(read, folder));
