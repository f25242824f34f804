/** `npm run preview`: shows a stack's resources, costs and diagram, without a cloud. */

import { previewCommand, readPreviewOptions } from "./cli-options.ts";
import { preview } from "./preview.ts";
import { repositoryFolder } from "./record-stack.ts";
import { runProgram } from "./run-program.ts";
import { stackNames } from "./stack-config.ts";

const stacks = stackNames(repositoryFolder);
await runProgram(previewCommand(stacks), readPreviewOptions(process.argv.slice(2), stacks), preview);
