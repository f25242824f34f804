import * as pulumi from "@pulumi/pulumi";

/** What is wrong with one argument of a component. */
export interface Mistake {
  /** The argument, for example `zones[1]`. */
  propertyPath: string;
  /**
   * Continues the sentence after the argument's name, for example `is 0: it must be a whole number from 1 to
   * 100`.
   */
  reason: string;
}

/**
 * Refuses to create a component whose arguments are wrong, and reports all mistakes at once. Does nothing
 * without mistakes.
 *
 * @param component kind and name of the component, for example `gateway fleet "gateway"`
 * @throws pulumi.InputPropertiesError with a line for each mistake
 */
export function refuse(component: string, mistakes: Mistake[]): void {
  if (mistakes.length === 0) return;
  const lines = mistakes.map(({ propertyPath, reason }) => `  ${propertyPath} ${reason}`);
  throw new pulumi.InputPropertiesError({
    message: `${component} cannot be created:\n${lines.join("\n")}`,
    errors: mistakes,
  });
}
