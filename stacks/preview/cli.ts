/** `npm run preview`: shows a stack's resources, costs and diagram, without a cloud. */

import { HELP, readPreviewOptions } from "./cli-options.ts";
import { preview } from "./preview.ts";
import { repositoryFolder } from "./record-stack.ts";
import { runProgram } from "./run-program.ts";
import { stackNames } from "./stack-config.ts";

const options = readPreviewOptions(process.argv.slice(2), stackNames(repositoryFolder));
await runProgram(options, HELP, "npm run preview -- --stack prod", preview);
