/** The stacks of this repository as tests run them: offline, and with other values of their keys. */

import { type Recording, record } from "@odin-ws/infra";
import program from "./index.ts";
import { repositoryFolder } from "./preview/record-stack.ts";
import { readStack } from "./preview/stack-config.ts";

/** Value of `jwtSecret` in every stack that has this key set or needs it. */
export const JWT_SECRET = "jwt-secret-of-the-tests-0123456789";

/** Whether a stack's file describes a capacity test, whatever the stack's name is. */
export function isCapacityTest(stack: string): boolean {
  const { project, config } = readStack(repositoryFolder, stack);
  return config[`${project}:kind`] === "capacity-test";
}

/**
 * Runs the program of a stack.
 *
 * @param stack its Pulumi.<stack>.yaml is read
 * @param values of the project's keys, in place of the values in the file
 * @param name name under which the stack runs. Default: `stack`
 */
export function recordWith(
  stack: string,
  values: Record<string, string> = {},
  name = stack,
): Promise<Recording<unknown>> {
  const { project, config, secretKeys } = readStack(repositoryFolder, stack);
  const hasSecret = (config[`${project}:jwtSecret`] ?? "") !== "";
  const own = { ...(hasSecret ? { jwtSecret: JWT_SECRET } : {}), ...values };
  const named = Object.fromEntries(Object.entries(own).map(([key, value]) => [`${project}:${key}`, value]));
  return record(() => program(), {
    project,
    stack: name,
    config: { ...config, ...named },
    secretKeys: [...secretKeys, ...Object.keys(named)],
  });
}
