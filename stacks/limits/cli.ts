/** `npm run limits`: whether a stack's limits are enough for a demand, and the commands that change them. */

import { repositoryFolder } from "../preview/record-stack.ts";
import { runProgram } from "../preview/run-program.ts";
import { stackNames } from "../preview/stack-config.ts";
import { HELP, readLimitsOptions } from "./cli-options.ts";
import { limits } from "./limits.ts";

const options = readLimitsOptions(process.argv.slice(2), stackNames(repositoryFolder));
await runProgram(options, HELP, "npm run limits -- --stack prod --connections 45000", limits);
