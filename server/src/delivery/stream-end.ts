/**
 * Resolves with the offset of the last message that the stream has now; undefined when the source does not
 * know.
 */
export type StreamEnd = () => Promise<number | undefined>;
