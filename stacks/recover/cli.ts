/** `npm run recover`: makes Pulumi know what a killed engine was creating. */

import { runProgram } from "../preview/run-program.ts";
import { readRecoverOptions, recoverCommand, recoverStack } from "./recover.ts";

await runProgram(recoverCommand, readRecoverOptions(process.argv.slice(2)), recoverStack);
