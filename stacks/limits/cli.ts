/** `npm run limits`: whether a stack's limits are enough for a demand, and the commands that change them. */

import { repositoryFolder } from "../preview/record-stack.ts";
import { runProgram } from "../preview/run-program.ts";
import { stackNames } from "../preview/stack-config.ts";
import { limitsCommand, readLimitsOptions } from "./cli-options.ts";
import { limits } from "./limits.ts";

const stacks = stackNames(repositoryFolder);
await runProgram(limitsCommand(stacks), readLimitsOptions(process.argv.slice(2), stacks), limits);
