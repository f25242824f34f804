import { fileURLToPath } from "node:url";

/**
 * Folder of this repository, with Pulumi.yaml, the stacks' files, and the package.json whose `main` is the
 * program.
 */
export const repository = fileURLToPath(new URL("../../", import.meta.url));
