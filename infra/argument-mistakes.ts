import * as pulumi from "@pulumi/pulumi";

/** What is wrong with one argument of a component. */
export interface Mistake {
  /** The argument, for example `zones[1]`. */
  propertyPath: string;
  /** What it is, what it must be, and what to do where that is not obvious. */
  reason: string;
}

/**
 * Refuses to create a component with wrong arguments, all of them at once.
 * @param component what cannot be created, for example `gateway fleet "gateway"`
 * @throws pulumi.InputPropertiesError whose message has a line for each mistake; nothing is thrown without mistakes
 */
export function refuse(component: string, mistakes: Mistake[]): void {
  if (mistakes.length === 0) return;
  const lines = mistakes.map(({ propertyPath, reason }) => `  ${propertyPath} ${reason}`);
  throw new pulumi.InputPropertiesError({
    message: `${component} cannot be created:\n${lines.join("\n")}`,
    errors: mistakes,
  });
}
