/** The channels of the bench, by their numbers. */

export const channelOf = (number: number): string => `S${number}.trade`;
export const subjectOfChannel = (number: number): string => `odin.token.S${number}.trade`;

/** Number of the channel of a subject. */
export const numberOf = (subject: string): number =>
  Number.parseInt(subject.slice("odin.token.S".length), 10);
